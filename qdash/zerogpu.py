"""Hugging Face ZeroGPU: whether this process runs on such a Space, and which GPU it is promised.

A ZeroGPU Space has no GPU of its own. The package `spaces` lends one to a forked process for some seconds; until then it answers torch as
if there were one. How jobs run there is in `execution.zerogpu`.
"""

import importlib
import os
from typing import Any

from qdash.settings import settings


def active() -> bool:
    """Whether models run on ZeroGPU: the environment says so, read as `spaces` reads it, and `QDASH_EXECUTION` forces nothing else."""
    on_zerogpu = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")
    return on_zerogpu and settings().execution == "auto"


def activate() -> None:
    """Import `spaces` if it is needed: it must come before whatever else imports gradio or torch."""
    if active():
        # Tokenizers start threads, which a fork does not copy; they say so in the log unless told not to start any.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        importlib.import_module("spaces")


def emulated_accelerator() -> dict[str, Any] | None:
    """The GPU that jobs will get, as `spaces` emulates it; None where ZeroGPU is not active. Sizes in bytes."""
    if not active():
        return None
    promised = importlib.import_module("spaces.zero.config").get_config()
    return {
        "device": "cuda:0",
        "name": promised["model"],
        "compute_capability": [promised["sm_major"], promised["sm_minor"]],
        "memory_bytes": promised["memory"],
        # Beyond the threshold, where there is one, `spaces` asks for a larger share of the GPU than jobs here do.
        "free_bytes": promised["xlarge_threshold"] or promised["memory"],
        "bfloat16": promised["sm_major"] >= 8,
    }
