"""Published architectures with random weights: real sizes, speeds and errors with nothing to download.

What is kept in `qdash/assets/architectures` are facts: the configuration, and the names and shapes of the tensors. The weights are drawn
once, written to the cache as any checkpoint is, and loaded by the same path.
"""

from qdash.checkpoints.random.architecture import Architecture
from qdash.checkpoints.random.making import make

__all__ = ["Architecture", "make"]
