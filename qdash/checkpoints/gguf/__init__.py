"""GGUF files, the format of llama.cpp, as models."""

from qdash.checkpoints.gguf.files import (
    blocks_below,
    blocks_problem,
    gguf_in,
    is_unpacked,
    locate_gguf,
    needs_gguf,
    unpack,
    unpacked_folder,
)
from qdash.checkpoints.gguf.parts import model_name_of

__all__ = [
    "blocks_below",
    "blocks_problem",
    "gguf_in",
    "is_unpacked",
    "locate_gguf",
    "model_name_of",
    "needs_gguf",
    "unpack",
    "unpacked_folder",
]
