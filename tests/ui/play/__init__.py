"""The Play tab, without a browser."""
