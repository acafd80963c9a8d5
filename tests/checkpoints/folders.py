"""The folder of a text model with one linear layer, and what tests do to it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from qdash import checkpoints
from qdash.errors import QdashError

LINEAR = (64, 128)
TENSORS = {
    "model.embed_tokens.weight": (100, 128),
    "model.layers.0.self_attn.q_proj.weight": LINEAR,
    "model.layers.0.self_attn.q_proj.bias": (64,),
    "model.norm.weight": (128,),
    "lm_head.weight": (100, 128),
}
EMBEDDING = 100 * 128
OTHER = 64 + 128


def edit(folder: Path, name: str, **entries: Any) -> None:
    """Add entries to a JSON file, made if need be."""
    path = folder / name
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **entries}))


def shard(folder: Path) -> None:
    """Turn the single file into one file a tensor and an index."""
    (folder / "model.safetensors").unlink()
    names = {name: f"model-{number:05}-of-{len(TENSORS):05}.safetensors" for number, name in enumerate(TENSORS, 1)}
    for name, file in names.items():
        save_file({name: np.zeros(TENSORS[name], np.float16)}, folder / file)
    edit(folder, "model.safetensors.index.json", metadata={}, weight_map=names)


def refusal(model: object) -> QdashError:
    with pytest.raises(QdashError) as caught:
        checkpoints.locate(str(model))
    assert caught.value.remedy
    return caught.value
