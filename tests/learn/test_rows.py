"""Rows against safetensors' own reader, for every dtype that models are stored in; and files that are not what they should be."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from qdash import checkpoints
from qdash.checkpoints import Checkpoint, TensorInfo
from qdash.errors import QdashError
from qdash.learn.rows import MOST, layers, read_row

CODES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


def checkpoint_of(folder: Path, *files: dict[str, torch.Tensor]) -> Checkpoint:
    """A checkpoint of one file, or sharded."""
    names = ["model.safetensors"] if len(files) == 1 else [f"model-{n}.safetensors" for n in range(len(files))]
    for name, tensors in zip(names, files, strict=True):
        save_file(tensors, folder / name, metadata={"format": "pt"})
    if len(files) > 1:
        weight_map = {key: name for name, tensors in zip(names, files, strict=True) for key in tensors}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    tensors = {key: value for part in files for key, value in part.items()}
    infos = tuple(TensorInfo(name=key, shape=tuple(value.shape), dtype=CODES.get(value.dtype, "U8")) for key, value in tensors.items())
    return Checkpoint(
        model="made", label="Made", task="text-generation", folder=str(folder), revision="1", model_type="llama", tensors=infos
    )


def test_every_layer_of_the_bundled_model():
    found = checkpoints.locate("tiny-vlm")
    stored = load_file(Path(str(found.folder)) / "model.safetensors")
    assert len(layers(found)) == 66  # 28 of the language model, 36 of the vision tower, 2 of the projector
    for tensor in layers(found):
        last = tensor.shape[0] - 1
        row = read_row(found, tensor.name, last)
        np.testing.assert_array_equal(row.values, stored[tensor.name][last].float().numpy())
        assert (row.layer, row.row, row.rows, row.columns) == (tensor.name, last, *tensor.shape)


@pytest.mark.parametrize("dtype", CODES)
def test_every_dtype(tmp_path, dtype):
    weight = torch.randn(5, 48, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    found = checkpoint_of(tmp_path, {"a.weight": torch.zeros(3, 16, dtype=dtype), "b.weight": weight})
    row = read_row(found, "b.weight", 4)
    assert row.values.dtype == np.float32
    np.testing.assert_array_equal(row.values, weight[4].float().numpy())


def test_shards_and_long_rows(tmp_path):
    weight = torch.arange(2 * (MOST + 100), dtype=torch.float32).reshape(2, -1)
    found = checkpoint_of(tmp_path, {"a.weight": torch.ones(2, 16)}, {"b.weight": weight})
    row = read_row(found, "b.weight", 1)
    np.testing.assert_array_equal(row.values, weight[1, :MOST].numpy())
    assert row.columns == MOST + 100
    assert read_row(found, "a.weight", 0).values.tolist() == [1.0] * 16


def test_only_linear_layers_are_offered(tmp_path):
    matrix = torch.ones(20, 20)
    names = ["model.embed_tokens", "transformer.wte", "word_embeddings", "lm_head", "model.layers.0.mlp.down_proj", "h.0.norm"]
    tensors = {f"{name}.weight": matrix.clone() for name in names}
    odd = {
        "x.bias": matrix.clone(),
        "y.weight": torch.ones(20),
        "z.weight": torch.ones(20, 8),
        "q.weight": torch.ones(20, 20, dtype=torch.uint8),
    }
    assert [tensor.name for tensor in layers(checkpoint_of(tmp_path, tensors | odd))] == ["model.layers.0.mlp.down_proj.weight"]


@pytest.mark.parametrize(("layer", "row"), [("a.weight", 3), ("a.weight", -1), ("../secret", 0), ("a", 0)])
def test_what_is_not_there_is_refused(tmp_path, layer, row):
    found = checkpoint_of(tmp_path, {"a.weight": torch.ones(3, 16)})
    with pytest.raises(QdashError, match="no row") as caught:
        read_row(found, layer, row)
    assert caught.value.kind == "bad_input"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e37])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_broken_weights_are_told(tmp_path, value, dtype):
    weight = torch.ones(3, 16, dtype=dtype)
    weight[1, 7] = value
    found = checkpoint_of(tmp_path, {"a.weight": weight})
    assert read_row(found, "a.weight", 0).values.tolist() == [1.0] * 16
    with pytest.raises(QdashError, match="Row 1 of a.weight holds NaN, infinity"):
        read_row(found, "a.weight", 1)


@pytest.mark.parametrize("damage", [b"", b"\xff" * 64, None])
def test_damaged_files_are_told(tmp_path, damage):
    found = checkpoint_of(tmp_path, {"a.weight": torch.ones(3, 16)})
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-8] if damage is None else damage)
    with pytest.raises(QdashError) as caught:
        read_row(found, "a.weight", 2)
    assert caught.value.kind == "checkpoint"
