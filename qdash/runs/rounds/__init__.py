"""Timing variants side by side: groups that fit in memory together, rounds in which each is timed once, and what follows from them."""
