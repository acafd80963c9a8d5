"""A checkpoint in a folder, and a hub on this machine."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import save_file

from tests.checkpoints.folders import TENSORS, edit
from tests.support.fake_hub import FakeHub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A text model with one linear layer, in float16."""
    path = tmp_path / "model"
    path.mkdir()
    edit(path, "config.json", model_type="qwen3", tie_word_embeddings=True, max_position_embeddings=2048)
    edit(path, "tokenizer.json")
    save_file({name: np.zeros(shape, np.float16) for name, shape in TENSORS.items()}, path / "model.safetensors")
    return path


@pytest.fixture
def use_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FakeHub]]:
    """Start a hub with these repositories and an empty cache, for this process and those it starts."""
    hubs: list[FakeHub] = []

    def start(repos: dict[str, Path], **options: Any) -> FakeHub:
        hub = FakeHub(repos, **options)
        hubs.append(hub)
        point_to(hub.url)
        return hub

    def point_to(url: str) -> None:
        home = tmp_path / "hf"
        monkeypatch.setenv("HF_ENDPOINT", url)
        monkeypatch.setenv("HF_HOME", str(home))
        # huggingface_hub reads its environment when it is imported.
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))

    yield start
    for hub in hubs:
        hub.close()
