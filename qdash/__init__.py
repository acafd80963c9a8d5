"""qdash: see what quantization does to a model."""

__version__ = "0.1.0"
