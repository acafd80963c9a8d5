"""Tests of `qdash.engine.play`."""
