"""Tiny checkpoints as published by people who quantized them: bitsandbytes, torchao and compressed-tensors, each by its own tools."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from compressed_tensors.compressors import ModelCompressor
from compressed_tensors.quantization import (
    QuantizationArgs,
    QuantizationConfig,
    QuantizationScheme,
    QuantizationStatus,
    QuantizationStrategy,
    QuantizationType,
    apply_quantization_config,
)
from torchao.quantization import Float8WeightOnlyConfig, Int8DynamicActivationInt8WeightConfig, Int8WeightOnlyConfig, IntxWeightOnlyConfig
from torchao.quantization.granularity import PerGroup

from tests.support import checkpoints

GROUP = 32


def build(name: str, base: Path, folder: Path) -> Path:
    """Quantize the checkpoint in `base` by the method `name` (a key of `BUILDERS`) and save it in `folder`."""
    BUILDERS[name](base, folder)
    hf.AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


def build_base(folder: Path) -> Path:
    """The tiny Qwen3, wide enough that the tables which bitsandbytes keeps a layer do not count."""
    torch.manual_seed(0)
    _, tokenizer = checkpoints.BUILDERS["qwen3"]()
    assert isinstance(tokenizer, hf.PreTrainedTokenizerBase)
    sizes = checkpoints._decoder(tokenizer, head_dim=64, hidden_size=256, intermediate_size=512, tie_word_embeddings=True)
    hf.Qwen3ForCausalLM(hf.Qwen3Config(**sizes)).bfloat16().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _through_transformers(make: Callable[[], object], base: Path, folder: Path) -> None:
    model = hf.AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16, device_map="cpu", quantization_config=make())
    model.save_pretrained(folder)


def _compressed(weights: QuantizationArgs, activations: QuantizationArgs | None, base: Path, folder: Path) -> None:
    """As LLM Compressor saves them: scales from the largest weight of a group or row, all layers but the head."""
    model = hf.AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    scheme = QuantizationScheme(targets=["Linear"], weights=weights, input_activations=activations)
    config = QuantizationConfig(config_groups={"group_0": scheme}, ignore=["lm_head"], quantization_status=QuantizationStatus.FROZEN)
    apply_quantization_config(model, config)
    largest = 448 if weights.type == "float" else 2 ** (weights.num_bits - 1) - 1
    layer: Any
    for layer in model.modules():
        if hasattr(layer, "weight_scale"):
            groups = layer.weight.data.unflatten(1, (-1, weights.group_size or layer.in_features))
            layer.weight_scale.data.copy_(groups.abs().amax(-1) / largest)
    compressor = ModelCompressor.from_pretrained_model(model)
    compressor.compress_model(model)
    model.save_pretrained(folder)
    compressor.update_config(str(folder))


def _bnb(**options: Any) -> Callable[[], object]:
    return lambda: hf.BitsAndBytesConfig(**options)


def _ao(config: Callable[..., Any]) -> Callable[[], object]:
    return lambda: hf.TorchAoConfig(config())


_NF4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
_FP4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "fp4", "bnb_4bit_quant_storage": "bfloat16"}
_TORCH_INT4 = torch.int4  # type: ignore[attr-defined] - torch makes its small integers at run time
_INT, _FLOAT, _BY_ROW = QuantizationType.INT, QuantizationType.FLOAT, QuantizationStrategy.CHANNEL
_INT4 = QuantizationArgs(num_bits=4, type=_INT, symmetric=True, strategy=QuantizationStrategy.GROUP, group_size=GROUP)
_INT8 = QuantizationArgs(num_bits=8, type=_INT, symmetric=True, strategy=_BY_ROW)
_TOKEN8 = QuantizationArgs(num_bits=8, type=_INT, symmetric=True, strategy=QuantizationStrategy.TOKEN, dynamic=True)
_FP8 = QuantizationArgs(num_bits=8, type=_FLOAT, symmetric=True, strategy=_BY_ROW)

BUILDERS: dict[str, Callable[[Path, Path], None]] = {
    "bnb-nf4": partial(_through_transformers, _bnb(**_NF4)),
    "bnb-fp4": partial(_through_transformers, _bnb(**_FP4)),
    "bnb-int8": partial(_through_transformers, _bnb(load_in_8bit=True)),
    "ao-int8wo": partial(_through_transformers, _ao(Int8WeightOnlyConfig)),
    "ao-int8dyn": partial(_through_transformers, _ao(Int8DynamicActivationInt8WeightConfig)),
    "ao-int4": partial(_through_transformers, _ao(partial(IntxWeightOnlyConfig, weight_dtype=_TORCH_INT4, granularity=PerGroup(GROUP)))),
    "ao-fp8": partial(_through_transformers, _ao(Float8WeightOnlyConfig)),
    "ct-int4": partial(_compressed, _INT4, None),
    "ct-w8a8": partial(_compressed, _INT8, _TOKEN8),
    "ct-fp8": partial(_compressed, _FP8, None),
}
BITS = {name: 4 if "4" in name else 8 for name in BUILDERS}


def edit_quantization(folder: Path, **changes: object) -> None:
    """Overwrite entries of the quantization_config in place."""
    known = json.loads((folder / "config.json").read_text())["quantization_config"]
    checkpoints.edit_config(folder, quantization_config=known | changes)
