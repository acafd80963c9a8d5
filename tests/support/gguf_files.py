"""Small GGUF files, written by the gguf package."""

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import quantize

from tests.support.gguf_blocks import PACKERS, packed

WORDS = ["<unk>", "<s>", "</s>", *(chr(letter) for letter in range(ord("a"), ord("z") + 1)), "▁", "▁the"]
HIDDEN, HEADS, LAYERS = 64, 4, 2


def write_llama(
    file: Path,
    kind: GGMLQuantizationType = GGMLQuantizationType.Q4_1,
    kinds: Mapping[str, GGMLQuantizationType] = MappingProxyType({}),
    *,
    hidden: int = HIDDEN,
    tied: bool = False,
    changed: Collection[str] = (),
    **entries: Any,
) -> dict[str, np.ndarray]:
    """Write a tiny llama with random weights, its matrices in the format `kind`; returns the stored blocks, by name.

    `kinds` has other formats, by a tensor's name or a part of it; `tied`: its output head is its embedding; tensors named in `changed` have
    other numbers.
    """
    writer = GGUFWriter(file, "llama")
    writer.add_name("tiny")
    writer.add_context_length(128)
    writer.add_embedding_length(hidden)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(2 * hidden)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS // 2)
    writer.add_rope_dimension_count(hidden // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(WORDS))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(WORDS)
    writer.add_token_scores([-float(place) for place in range(len(WORDS))])
    writer.add_token_types([2, 3, 3, *[1] * (len(WORDS) - 3)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    for key, value in entries.items():
        writer.add_uint32(key.replace("__", "."), value)
    draw, stored = np.random.default_rng(0), {}
    for name, shape in _shapes(hidden, tied).items():
        weight = (draw.standard_normal(shape) * 0.1).astype(np.float32) + (len(shape) == 1)
        if tied and name == "output.weight":
            continue
        weight *= 1.25 if name in changed else 1
        if len(shape) == 1:
            writer.add_tensor(name, weight)
            stored[name] = weight
        else:
            own = kinds.get(name) or next((other for part, other in kinds.items() if f".{part}." in name), kind)
            blocks = _blocks(weight, own)
            writer.add_tensor(name, blocks, raw_dtype=own)
            stored[name] = blocks
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return stored


def split(file: Path, folder: Path, count: int) -> list[Path]:
    """Split a file as llama-gguf-split does: all metadata in the first part, tensors in their order."""
    folder.mkdir()
    reader = GGUFReader(file)
    share = -(-len(reader.tensors) // count)
    for number in range(count):
        writer = GGUFWriter(folder / f"model-{number + 1:05d}-of-{count:05d}.gguf", "llama")
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", count)
        writer.add_int32("split.tensors.count", len(reader.tensors))
        if number == 0:
            for field in reader.fields.values():
                if not field.name.startswith("GGUF.") and field.name != "general.architecture":
                    kind, inner = field.types[0], field.types[-1] if len(field.types) > 1 else None
                    writer.add_key_value(field.name, field.contents(), kind, inner)
        for tensor in reader.tensors[number * share : (number + 1) * share]:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return [folder / f"model-{number + 1:05d}-of-{count:05d}.gguf" for number in range(count)]


def _blocks(weight: np.ndarray, kind: GGMLQuantizationType) -> np.ndarray:
    """The gguf package writes the plain types, qdash's tests the others."""
    key = kind.name.lower()
    return packed(torch.from_numpy(weight), key) if key in PACKERS else quantize(weight, kind)


def _shapes(hidden: int, tied: bool) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (len(WORDS), hidden), "output_norm.weight": (hidden,)}
    for layer in range(LAYERS):
        kept = {
            "attn_q": (hidden, hidden),
            "attn_k": (hidden // 2, hidden),
            "attn_v": (hidden // 2, hidden),
            "attn_output": (hidden, hidden),
        }
        kept |= {"ffn_gate": (2 * hidden, hidden), "ffn_up": (2 * hidden, hidden), "ffn_down": (hidden, 2 * hidden)}
        kept |= {"attn_norm": (hidden,), "ffn_norm": (hidden,)}
        shapes |= {f"blk.{layer}.{name}.weight": shape for name, shape in kept.items()}
    return shapes if tied else shapes | {"output.weight": (len(WORDS), hidden)}
