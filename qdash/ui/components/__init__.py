"""What every part of the page is made of: theme, texts, markup, tables, and components that no page owns. Nothing here starts a run."""
