"""The weights that are read from files are those that transformers would load, under the names that the files give them."""

from pathlib import Path

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file
from transformers.core_model_loading import Chunk, WeightConverter

from qdash.engine import stored
from qdash.engine.layers import convertible_layers
from qdash.engine.loading import load_skeleton
from qdash.engine.stored import stored_layers
from qdash.errors import QdashError
from qdash.records import WorkerSpec
from tests.support.checkpoints import TEXT, VISION, shard


def skeleton(folder: Path) -> hf.PreTrainedModel:
    task = "image-text-to-text" if "vision_config" in (folder / "config.json").read_text() else "text-generation"
    return load_skeleton(WorkerSpec(folder=str(folder), revision="", task=task, scheme=None, device="cpu", dtype="float32", threads=1))


def read(folder: Path) -> dict[str, tuple[str, torch.Tensor]]:
    """Module → (name in the checkpoint, weight)."""
    model = skeleton(folder)
    with stored_layers(folder, model, convertible_layers(model)) as layers:
        return {layer.module: (layer.name, layer.read().clone()) for layer in layers}


@pytest.mark.parametrize("architecture", [*VISION, *TEXT])
def test_weights_are_those_that_from_pretrained_loads(checkpoint, architecture):
    folder = checkpoint(architecture)
    weights = read(folder)
    auto = hf.AutoModelForImageTextToText if architecture in VISION else hf.AutoModelForCausalLM
    model = auto.from_pretrained(folder, dtype="auto")
    assert weights.keys() == convertible_layers(model).keys()
    files = load_file(folder / "model.safetensors")
    for module, (name, weight) in weights.items():
        assert torch.equal(weight, model.get_parameter(f"{module}.weight")), module
        assert torch.equal(weight, files[f"{name}.weight"]), name


def test_names_are_those_of_the_checkpoint_where_transformers_renames(checkpoint):
    names = {module: name for module, (name, _) in read(checkpoint("llava")).items()}
    assert names["model.language_model.layers.0.self_attn.q_proj"] == "language_model.model.layers.0.self_attn.q_proj"


@pytest.mark.parametrize("architecture", ["llava", "qwen3"])
def test_shards_hold_the_same(checkpoint, tmp_path, architecture):
    whole = checkpoint(architecture)
    parts = read(shard(whole, tmp_path))
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    for module, (name, weight) in read(whole).items():
        assert parts[module][0] == name
        assert torch.equal(parts[module][1], weight)


def test_a_fused_tensor_is_cut_as_transformers_cuts_it(checkpoint, tmp_path, monkeypatch):
    """Checkpoints may hold q, k and v, or gate and up, as one tensor; the layers are then named as in the model."""
    before = read(checkpoint("qwen3"))
    fuse_gate_and_up(checkpoint("qwen3"), tmp_path)
    rule = WeightConverter("mlp.gate_up.weight", ["mlp.gate_proj.weight", "mlp.up_proj.weight"], [Chunk(dim=0)])
    monkeypatch.setattr(stored, "get_model_conversion_mapping", lambda model: [rule])
    after = read(tmp_path)
    assert after.keys() == before.keys()
    for module, (name, weight) in before.items():
        assert torch.equal(after[module][1], weight)
        assert after[module][0] == (module if "gate" in module or "up_proj" in module else name)


def fuse_gate_and_up(folder: Path, target: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    for name in [name for name in tensors if "gate_proj" in name]:
        pair = [tensors.pop(name), tensors.pop(name.replace("gate", "up"))]
        tensors[name.replace("gate_proj", "gate_up")] = torch.cat(pair)
    save_file(tensors, target / "model.safetensors", {"format": "pt"})
    (target / "config.json").write_text((folder / "config.json").read_text())


def test_conv1d_weights_come_as_rows_of_outputs(tmp_path):
    model = hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=64, n_positions=16, n_embd=8, n_layer=1, n_head=2))
    model.save_pretrained(tmp_path)
    _, weight = read(tmp_path)["transformer.h.0.attn.c_attn"]
    assert weight.shape == (24, 8)
    assert torch.equal(weight.T, model.get_parameter("transformer.h.0.attn.c_attn.weight"))


@pytest.mark.parametrize("damage", ["cut short", "gone", "no index", "index is no JSON", "index names no file"])
def test_files_that_cannot_be_read_are_named(checkpoint, tmp_path, damage):
    folder = shard(checkpoint("qwen3"), tmp_path)
    part, index = sorted(folder.glob("*.safetensors"))[0], folder / "model.safetensors.index.json"
    match damage:
        case "cut short":
            part.write_bytes(part.read_bytes()[:-100])
        case "gone":
            part.unlink()
        case "no index":
            index.unlink()
        case "index is no JSON":
            index.write_text("{")
        case "index names no file":
            index.write_text("{}")
    with pytest.raises(QdashError, match=str(folder)) as error:
        read(folder)
    assert error.value.kind == "checkpoint"
