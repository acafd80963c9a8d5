"""What every part of the page is made of: theme, texts, markup, and components that know nothing of requests or runs."""
