"""The Fit tab."""
