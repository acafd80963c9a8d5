"""Kernels that were compiled before, for caches that tests make: compiling them anew takes a quarter of a minute."""

import shutil
from pathlib import Path

from qdash.private_folder import private_folder
from qdash.settings import settings


def lend_kernels(cache: Path) -> Path:
    """`cache`, with copies of the compiled kernels of this process's own cache. Where that has none, they are compiled when needed."""
    for library in (settings().cache_dir / "kernels").glob("*.so"):
        shutil.copy2(library, private_folder(cache / "kernels"))
    return cache
