"""Weights in the files that the model has no place for: harmless ones are told in a note, all others are an error.

transformers leaves them out with a warning. What is harmless is known by name: tables that a model computes itself, layers that guess
further tokens, the towers of a model that is read for its text alone, and heads of another task beside the output head.
"""

import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from safetensors import safe_open
from transformers import PreTrainedModel

from qdash.errors import QdashError
from qdash.records import WorkerSpec
from qdash.renaming import wrapped

_TABLES = re.compile(
    r"(inv_freq|position_ids|token_type_ids|masked_bias|attn\.bias|attention\.bias|relative_position_index|num_batches_tracked"
    r"|rotary_emb\.(cos|sin)(_cached)?|freqs_cis|embed_positions\.(weights|_float_tensor))$"
)
_FURTHER = re.compile(r"(^|\.)(mtp\w*|nextn\w*|multi_token\w*|medusa\w*|eagle\w*)\.")
_GUESSES = re.compile(r"\.(eh_proj|enorm|hnorm|shared_head|embed_tokens)\b")
_TOWERS = re.compile(
    r"(^|\.)(visual|vision\w*|vit|image_\w+|audio\w*|speech\w*|video_\w+|multi_modal_projector|multimodal_projector|mm_projector"
    r"|embed_vision|embed_audio|connector|talker\w*|token2wav\w*)\."
)
_HEADS = re.compile(r"^(model\.)?(v_head|value_head|reward_head|score|classifier|qa_outputs|rm_head|pooler)\.")
_CACHE_SCALES = re.compile(r"\.(k_scale|v_scale|kv_scale|k_proj\.output_scale|v_proj\.output_scale)$")
_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")

_KINDS: tuple[tuple[re.Pattern[str], str], ...] = (
    (_CACHE_SCALES, "scales for a cache in 8 bits, which is not used here"),
    (_TABLES, "tables that the model computes itself"),
    (_FURTHER, "layers that predict several tokens ahead, which plain decoding does not use"),
    (_HEADS, "a head for another task, which answering does not use"),
)


def check_places(model: PreTrainedModel, spec: WorkerSpec, missing: Collection[str], unexpected: Collection[str]) -> tuple[str, ...]:
    """Notes on weights that were left out, one a kind; raises QdashError("checkpoint") if any is missing, or left out without a reason."""
    if missing:
        raise _missing(spec, sorted(missing), unexpected)
    kinds: dict[str, list[str]] = {}
    unknown = []
    for name in sorted(unexpected):
        kind = _kind(name, model, spec, unexpected)
        kinds.setdefault(kind, []).append(name) if kind else unknown.append(name)
    if unknown:
        raise _unplaced(model, spec, unknown)
    return tuple(f"Left out: {kind} ({_some(names)})." for kind, names in kinds.items())


def _kind(name: str, model: PreTrainedModel, spec: WorkerSpec, unexpected: Collection[str]) -> str | None:
    kind = next((kind for pattern, kind in _KINDS if pattern.search(name)), None)
    if kind is not None:
        return kind
    if spec.task == "text-generation" and _TOWERS.search(name):
        return "the parts that see or hear, as this class of model reads text only"
    layer = _LAYER.search(name)
    if layer is not None and _is_further(int(layer[1]), model, unexpected):
        return _KINDS[2][1]
    return None


def _is_further(layer: int, model: PreTrainedModel, unexpected: Collection[str]) -> bool:
    """Whether a layer after the last one guesses further tokens, as DeepSeek's and GLM's do: by its own norms and projection."""
    last = getattr(model.config.get_text_config(decoder=True), "num_hidden_layers", None)
    own = [name for name in unexpected if f"layers.{layer}." in name]
    return isinstance(last, int) and layer >= last and any(_GUESSES.search(name) for name in own)


def _missing(spec: WorkerSpec, missing: list[str], unexpected: Collection[str]) -> QdashError:
    wrapper = _common_prefix(_stored_names(Path(spec.folder)), missing)
    if wrapper is not None:
        return wrapped(spec.folder, wrapper)
    message = f"Missing from {spec.folder}: {_some(missing)}"
    if unexpected:
        message += f"; and it holds weights that do not belong to the model: {_some(sorted(unexpected))}"
    return QdashError(f"{message}.", "Download or copy the checkpoint again, config.json with it.", "checkpoint")


def _unplaced(model: PreTrainedModel, spec: WorkerSpec, unknown: list[str]) -> QdashError:
    last = getattr(model.config.get_text_config(decoder=True), "num_hidden_layers", None)
    layers = [int(found[1]) for name in unknown if (found := _LAYER.search(name))]
    if layers and isinstance(last, int) and max(layers) >= last:
        message = f"The config.json in {spec.folder} has num_hidden_layers {last}, but its weights are those of {max(layers) + 1} layers."
        return QdashError(message, f"Download config.json again, or set num_hidden_layers to {max(layers) + 1} in it.", "checkpoint")
    message = f"config.json in {spec.folder} names the class {type(model).__name__}, which has no place for {_some(unknown)}."
    remedy = "Check that config.json is the one that was saved with these weights, or choose a version that transformers loads whole."
    return QdashError(message, remedy, "checkpoint")


def _common_prefix(stored: Collection[str], missing: list[str]) -> str | None:
    """What stands before the right name in at least half of the names that are stored."""
    wanted, found = set(missing), Counter[str]()
    for name in stored:
        steps = name.split(".")
        found.update(".".join(steps[:cut]) + "." for cut in range(1, len(steps)) if ".".join(steps[cut:]) in wanted)
    prefix, times = max(found.items(), key=lambda item: item[1], default=("", 0))
    return prefix if times * 2 > len(stored) else None


def _stored_names(folder: Path) -> list[str]:
    files = sorted(folder.glob("*.safetensors"))
    return [name for file in files for name in _names(file)]


def _names(file: Path) -> list[str]:
    with safe_open(file, framework="pt") as tensors:
        return list(tensors.keys())


def _some(names: list[str]) -> str:
    return f"1 weight, {names[0]}" if len(names) == 1 else f"{len(names)} weights, such as {names[0]}"
