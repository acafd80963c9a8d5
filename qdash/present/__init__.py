"""How numbers, layers and differences are said, alike on the page, in a terminal and in files."""
