"""The Fit tab, without a browser."""
