"""Architectures beside those of the catalogue, each through the whole path and against plain transformers."""
