"""Pruning: which weights of a model are dropped, told from its weights alone, and how that is done to its layers."""
