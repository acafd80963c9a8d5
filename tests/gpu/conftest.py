"""Tests here run the engine on CUDA, and are skipped, saying why, where there is none."""

import pytest
import torch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and skip them without a GPU."""
    built = "PyTorch is built without CUDA" if torch.version.cuda is None else "PyTorch finds no CUDA device on this machine"
    for item in items:
        if "tests/gpu/" in item.path.as_posix():
            item.add_marker(pytest.mark.gpu)
            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason=built))
