"""Tests of `qdash.engine.compress`."""
