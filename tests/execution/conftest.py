"""A model that never ends its answer."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qdash.records import WorkerSpec
from tests.execution.calls import LONG, spec_for


@pytest.fixture(scope="session")
def endless_folder(checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen3 with room for `LONG` tokens that never ends by itself."""
    folder = tmp_path_factory.mktemp("endless")
    for file in checkpoint("qwen3").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    for name in ("config.json", "generation_config.json"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace("1024", str(10 * LONG)).replace('"eos_token_id": 2', '"eos_token_id": 319'))
    return folder


@pytest.fixture
def spec(endless_folder: Path) -> WorkerSpec:
    return spec_for(endless_folder, "original")
