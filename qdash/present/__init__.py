"""How numbers, layers and differences are written, alike on the page, in a terminal and in files."""
