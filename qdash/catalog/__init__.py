"""Data: which schemes, models and presets there are. Standard library only, so that anything may import it."""
