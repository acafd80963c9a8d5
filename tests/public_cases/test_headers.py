"""What names, dtypes and JSON tell before anything is loaded, and that the remedies work when they are run as printed."""

import json
import re
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from qdash.checkpoints.tying import _tied_by_class
from tests.public_cases.making import SIZES, Weights, ask, edit, ids, llama, located, refusal, rewrite_weights, save, tokenizer, worker
from tests.support.checkpoints import shard

WEIGHTS = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}
COMPRESSED: dict[str, Any] = {
    "quant_method": "compressed-tensors", "format": "int-quantized", "quantization_status": "compressed", "ignore": ["lm_head"],
    "config_groups": {"group_0": {"targets": ["Linear"], "weights": WEIGHTS}},
}  # fmt: skip


def run_remedy(remedy: str, folder: Path) -> None:
    """Run the Python that a remedy gives in the folder, as a shell would give it to python."""
    code = re.search(r'python -c "(.*)"$', remedy, re.DOTALL)
    assert code is not None and not set(code[1]) & set('"$`\\!')
    with chdir(folder):
        exec(compile(code[1], "remedy", "exec"), {})


def as_int8(suffix: str) -> Callable[[Weights], Weights]:
    """Every projection as whole numbers of eight bits beside a scale a row."""

    def change(weights: Weights) -> Weights:
        found = {}
        for name, weight in weights.items():
            if name.endswith("proj.weight"):
                scale = weight.float().abs().amax(1, keepdim=True) / 127
                found |= {name: (weight / scale).round().to(torch.int8), name.removesuffix("weight") + suffix: scale}
            else:
                found[name] = weight
        return found

    return change


def as_type(dtype: torch.dtype) -> Callable[[Weights], Weights]:
    return lambda weights: {name: weight.to(dtype) if "proj" in name else weight for name, weight in weights.items()}


@pytest.mark.parametrize("suffix", ["weight_scale", "weight.absmax", "SCB", "weight_scale_inv", "scales", "zero_point"])
def test_codes_beside_scales_are_refused(tmp_path: Path, suffix: str) -> None:
    error = refusal(lambda: located(rewrite_weights(llama(tmp_path / "m"), as_int8(suffix))))
    assert "holds quantized weights (model.layers.0." in error.message and "quantization_config" in error.message


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int32, torch.int64, torch.float8_e4m3fn, torch.float8_e5m2, torch.bool])
def test_weights_that_are_no_floats_are_refused_without_scales_too(tmp_path: Path, dtype: torch.dtype) -> None:
    error = refusal(lambda: located(rewrite_weights(llama(tmp_path / "m"), as_type(dtype))))
    assert "not plain floats" in error.message


@pytest.mark.parametrize("name", ["model.layers.0.attn.bias", "model.position_ids", "model.relative_position_index"])
def test_buffers_of_whole_numbers_are_no_codes(tmp_path: Path, name: str) -> None:
    folder = rewrite_weights(llama(tmp_path / "m"), lambda weights: weights | {name: torch.ones(1, 1, 4, 4, dtype=torch.uint8)})
    assert located(folder).quantization is None


def test_an_entry_in_another_place_is_named_and_moving_it_works(tmp_path: Path) -> None:
    plain = llama(tmp_path / "plain")
    folder = rewrite_weights(llama(tmp_path / "m"), as_int8("weight_scale"))
    edit(folder / "config.json", compression_config=COMPRESSED)
    error = refusal(lambda: located(folder))
    assert "compression_config" in error.message and "as quantization_config, its “format” repeated in each" in error.remedy
    groups = {name: {**group, "format": COMPRESSED["format"]} for name, group in COMPRESSED["config_groups"].items()}
    edit(folder / "config.json", compression_config=..., quantization_config={**COMPRESSED, "config_groups": groups})
    found = located(folder)
    assert found.quantization is not None and found.quantization.name == "compressed-tensors 8-bit"
    assert found.parameters == located(plain).parameters
    assert ask(worker(folder)).tokens[0] == ask(worker(plain)).tokens[0]


def test_mlx_and_other_tools_are_named(tmp_path: Path) -> None:
    folder = rewrite_weights(llama(tmp_path / "m"), as_int8("scales"))
    for entries in ({"quantization": {"bits": 8, "group_size": 64}}, {"quantization_config": {"bits": 8, "group_size": 64}}):
        edit(folder / "config.json", **{"quantization": ..., "quantization_config": ..., **entries})
        assert "MLX" in refusal(lambda: located(folder)).message
    edit(folder / "config.json", quantization_config=...)
    (folder / "hf_quant_config.json").write_text("{}")
    assert "NVIDIA ModelOpt" in refusal(lambda: located(folder)).message


def test_an_entry_left_by_training_on_plain_floats_is_refused_and_can_be_taken_out(tmp_path: Path) -> None:
    folder = llama(tmp_path / "m")
    edit(folder / "config.json", quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    error = refusal(lambda: located(folder))
    assert "bitsandbytes" in error.message and "plain floats" in error.message
    edit(folder / "config.json", quantization_config=...)
    assert located(folder).quantization is None


def qwen3(folder: Path, kind: Any, **config: Any) -> Path:
    own = tokenizer()
    return save(folder, kind(hf.Qwen3Config(**SIZES, head_dim=16, **{"tie_word_embeddings": True, **ids(own), **config})), own)


@pytest.mark.parametrize(
    ("kind", "config", "does"),
    [
        (hf.Qwen3ForSequenceClassification, {"num_labels": 1}, "scores or sorts"),
        (hf.Qwen3ForTokenClassification, {}, "labels the words"),
        (hf.Qwen3ForQuestionAnswering, {}, "marks the answer"),
        (hf.Qwen3Model, {}, "without an output head"),
    ],
)
def test_other_tasks_are_refused_by_what_they_do(tmp_path: Path, kind: Any, config: dict[str, Any], does: str) -> None:
    folder = qwen3(tmp_path / "m", kind, **config)
    error = refusal(lambda: located(folder))
    assert does in error.message and "writes text" in error.remedy
    edit(folder / "config.json", architectures=["Qwen3ForCausalLM"])
    if kind is not hf.Qwen3Model and kind is not hf.Qwen3ForTokenClassification:
        assert does in refusal(lambda: located(folder)).message, "its head says so too"


def test_encoders_and_embedding_models_are_refused(tmp_path: Path) -> None:
    own = tokenizer()
    sizes: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2}
    bert = save(tmp_path / "bert", hf.BertForMaskedLM(hf.BertConfig(vocab_size=len(own), **sizes)), own)
    assert "fill in" in refusal(lambda: located(bert)).message
    sentences = qwen3(tmp_path / "sentences", hf.Qwen3ForCausalLM)
    (sentences / "modules.json").write_text("[]")
    assert "embedding model" in refusal(lambda: located(sentences)).message


def test_the_model_card_says_what_to_choose_instead(tmp_path: Path) -> None:
    folder = qwen3(tmp_path / "m", hf.Qwen3ForSequenceClassification)
    (folder / "README.md").write_text("---\nbase_model: Qwen/Qwen3-0.6B\n---\n")
    assert "Qwen/Qwen3-0.6B" in refusal(lambda: located(folder)).remedy


@pytest.mark.parametrize(
    "prefix", ["_orig_mod.", "module.", "module._orig_mod.", "_forward_module.", "_fsdp_wrapped_module.", "base_model.model."]
)
@pytest.mark.parametrize("sharded", [False, True])
def test_names_that_training_left_are_told_and_the_remedy_renames_them(tmp_path: Path, prefix: str, sharded: bool) -> None:
    plain = llama(tmp_path / "plain")
    folder = shard(plain, tmp_path / "m") if sharded else llama(tmp_path / "m")
    for file in folder.glob("*.safetensors"):
        _rename(file, lambda name: prefix + name)
    index = folder / "model.safetensors.index.json"
    if sharded:
        names = json.loads(index.read_text())["weight_map"]
        index.write_text(json.dumps({"metadata": {}, "weight_map": {prefix + name: file for name, file in names.items()}}))
    error = refusal(lambda: located(folder))
    assert f"“{prefix}”" in error.message
    run_remedy(error.remedy, folder)
    assert located(folder).parameters == located(plain).parameters
    if not sharded and prefix == "_orig_mod.":
        assert ask(worker(folder)) == ask(worker(plain))


def _rename(file: Path, renamed: Callable[[str], str]) -> None:
    weights = {renamed(name): weight.clone() for name, weight in load_file(file).items()}
    save_file(weights, file, {"format": "pt"})


def test_blocks_compiled_one_by_one_are_renamed_too(tmp_path: Path) -> None:
    folder = llama(tmp_path / "m")
    _rename(folder / "model.safetensors", lambda name: name.replace("layers.1.", "layers.1._orig_mod."))
    error = refusal(lambda: located(folder))
    run_remedy(error.remedy, folder)
    assert set(located(folder).tensors) == set(located(llama(tmp_path / "plain")).tensors)


def test_an_adapter_inside_is_refused_and_one_beside_is_noted(tmp_path: Path) -> None:
    inside = rewrite_weights(
        llama(tmp_path / "in"), lambda weights: weights | {"model.layers.0.q_proj.lora_A.default.weight": torch.zeros(4, 64)}
    )
    assert "adapter" in refusal(lambda: located(inside)).message
    beside = llama(tmp_path / "beside")
    (beside / "adapter_config.json").write_text("{}")
    assert located(beside).notes == (
        "The adapter beside the model (adapter_config.json) is not applied: merge it into the weights to see what it does.",
    )
    (beside / "model.safetensors").unlink()
    error = refusal(lambda: located(beside))
    assert "holds an adapter" in error.message and "merge_and_unload" in error.remedy


def test_shards_without_their_index_get_one(tmp_path: Path) -> None:
    plain = llama(tmp_path / "plain")
    folder = shard(plain, tmp_path / "m")
    (folder / "model.safetensors.index.json").unlink()
    error = refusal(lambda: located(folder))
    assert "model.safetensors.index.json" in error.message and "adapter" not in error.message
    run_remedy(error.remedy, folder)
    assert set(located(folder).tensors) == set(located(plain).tensors)
    (folder / "model.safetensors.index.json").unlink()
    next(folder.glob("model-00002*")).unlink()
    assert "model-00002-of-" in refusal(lambda: located(folder)).message


def test_gguf_and_onnx_are_refused_without_advice_that_cannot_work(tmp_path: Path) -> None:
    for name in ("model-Q4_K_M.gguf", "model.onnx", "flax_model.msgpack", "tf_model.h5"):
        folder = llama(tmp_path / name)
        (folder / "model.safetensors").rename(folder / name)
        error = refusal(lambda folder=folder: located(folder))
        assert name in error.message and "from_pretrained" not in error.remedy and "safetensors" in error.remedy


def test_pickled_weights_are_converted_by_the_remedy(tmp_path: Path) -> None:
    folder = llama(tmp_path / "m")
    model = hf.AutoModelForCausalLM.from_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    error = refusal(lambda: located(folder))
    assert "pickled" in error.message
    run_remedy(error.remedy, folder)
    assert located(folder).parameters == sum(weight.numel() for weight in model.parameters())


def test_weights_under_another_name_are_renamed_by_the_remedy(tmp_path: Path) -> None:
    folder = llama(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    error = refusal(lambda: located(folder))
    assert "weights.safetensors" in error.message and "rename it to model.safetensors" in error.remedy
    (folder / "consolidated.safetensors").write_bytes((folder / "weights.safetensors").read_bytes())
    assert "rename" not in refusal(lambda: located(folder)).remedy


def stored_parameters(folder: Path) -> int:
    model = hf.AutoModelForCausalLM.from_pretrained(folder)
    return sum(weight.numel() for weight in model.parameters())


def with_head(weights: Weights) -> Weights:
    return weights | {"lm_head.weight": weights["model.embed_tokens.weight"].clone()}


def without(part: str) -> Callable[[Weights], Weights]:
    return lambda weights: {name: weight for name, weight in weights.items() if part not in name}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    "change", [dict, with_head, without("embed_tokens"), without("lm_head")], ids=["own", "equal", "head", "embedding"]
)
def test_parameters_are_those_that_load_whatever_config_says_of_the_head(tmp_path: Path, change: Any, tied: bool) -> None:
    folder = rewrite_weights(llama(tmp_path / "m"), change)
    edit(folder / "config.json", tie_word_embeddings=tied)
    if not tied and change not in (dict, with_head):
        return  # half of the weights are missing, which loading says
    assert located(folder).parameters == stored_parameters(folder)


def test_a_silent_config_is_taken_as_its_class_takes_it(tmp_path: Path) -> None:
    own = tokenizer()
    config = hf.GPT2Config(n_embd=64, n_layer=2, n_head=2, n_positions=128, **ids(own))
    folder = save(tmp_path / "m", hf.GPT2LMHeadModel(config), own)
    rewrite_weights(folder, lambda weights: weights | {"lm_head.weight": weights["transformer.wte.weight"].clone()})
    edit(folder / "config.json", tie_word_embeddings=...)
    assert located(folder).parameters == stored_parameters(folder)
    for kind in ("gpt2", "llama", "qwen3", "gemma3", "bloom", "falcon", "mamba", "gpt_neox"):
        assert _tied_by_class(kind) == bool(hf.AutoConfig.for_model(kind).tie_word_embeddings), kind


def test_a_tensor_in_two_shards_counts_once(tmp_path: Path) -> None:
    plain = llama(tmp_path / "plain")
    folder = shard(plain, tmp_path / "m")
    first, second, *_ = sorted(folder.glob("*.safetensors"))
    save_file({name: weight.clone() for name, weight in (load_file(first) | load_file(second)).items()}, second, {"format": "pt"})
    assert located(folder).parameters == located(plain).parameters
