"""Imported once by the process that workers are forked from, so that a worker starts in milliseconds instead of seconds.

A fork copies one thread and no GPU context: whatever opens the GPU here makes it unusable in every worker. Some libraries open it while
they are imported, to see what it can do. So GPUs are hidden meanwhile, and what was noted about them is forgotten afterwards. bitsandbytes
is left to the workers: it chooses between its CPU and CUDA libraries when it is imported. Nothing may start threads either: torch's pools
start with the first computation, in the worker (numpy's start on import, and handle forks).
"""

import gc
import importlib
import os
from collections.abc import Callable
from contextlib import suppress

from qdash.engine.modules import MODULES
from qdash.settings import settings

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",  # workers read local files only
    "TOKENIZERS_PARALLELISM": "false",  # one prompt at a time; its threads would not survive a fork, and it warns of that
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
SHORT_SPIN = "1000"
"""A thread of libgomp (torch's on Linux) that waits for another one spins for milliseconds, in time slices that the other one needs where
other programs run: then a token takes up to ten times as long. A public server's page and visitors are such programs. On a quiet machine
long spinning is about 5% faster, and is what everybody else's times are taken with, so it stays elsewhere."""

VISIBLE = "CUDA_VISIBLE_DEVICES"
SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN")


def preload() -> None:
    """Import all that workers will need. A module that cannot be imported is left for the worker to report."""
    os.environ.update(ENVIRONMENT)
    if settings().public and "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SHORT_SPIN)
    for name in SECRETS:
        os.environ.pop(name, None)
    show_gpus = hide_gpus()
    for module in MODULES:
        # Of any type: one package's trouble must not cost the workers that do without it.
        with suppress(Exception):
            importlib.import_module(module)
    show_gpus()
    # Libraries stay. A search for garbage, which every load ends with, need not walk over them, nor copy their pages into each worker.
    gc.collect()
    gc.freeze()


def hide_gpus() -> Callable[[], None]:
    """Let this process see no CUDA device from now on; returns a function that shows them again."""
    cuda = importlib.import_module("torch").cuda
    before, available, count = os.environ.get(VISIBLE), cuda.is_available, cuda.device_count
    # The variable is for libraries that ask CUDA themselves.
    os.environ[VISIBLE] = ""
    cuda.is_available, cuda.device_count = (lambda: False), (lambda: 0)

    def show() -> None:
        cuda.is_available, cuda.device_count = available, count
        if before is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = before
        for function in vars(importlib.import_module("torch.utils._triton")).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()  # it has noted that there is no GPU

    return show


preload()
