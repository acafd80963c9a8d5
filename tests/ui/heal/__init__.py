"""The Heal tab, without a browser."""
