"""The Heal tab."""
