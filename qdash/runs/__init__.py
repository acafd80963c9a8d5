"""Runs: each asks the workers of its variants, and yields what happens as events. No torch and no page."""
