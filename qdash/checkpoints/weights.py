"""Which weight files a checkpoint has, and why others do not do: pickled ones could run code, and no other layout is one of transformers'.

Every remedy that is Python is meant to be run as printed, in the folder of the checkpoint.
"""

import re

from qdash.checkpoints.files import INDEX, SINGLE, Files, damaged, listed, read_json
from qdash.errors import QdashError

_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_OTHERS = (".h5", ".msgpack", ".gguf", ".onnx", ".npz", ".mlmodel")
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.safetensors")
_PYTORCH = re.compile(r"pytorch_model(-\d{5}-of-\d{5})?\.bin")

MAKE_INDEX = (
    "import json, pathlib; from safetensors import safe_open; here = pathlib.Path('.'); "
    "names = {name: file.name for file in here.glob('*-of-*.safetensors') for name in safe_open(file, 'np').keys()}; "
    f"(here / '{INDEX}').write_text(json.dumps({{'metadata': {{}}, 'weight_map': names}}))"
)
"""Python that writes the index of shards that lost it."""

CONVERT = (
    "from transformers import AutoModelForCausalLM; "
    "AutoModelForCausalLM.from_pretrained('.', use_safetensors=False, dtype='auto').save_pretrained('.')"
)
"""Python that saves pickled weights of transformers again as safetensors. torch reads them without running what may be hidden in them."""

CONVERT_SEEING = CONVERT.replace("AutoModelForCausalLM", "AutoModelForImageTextToText")


def weight_files(files: Files) -> tuple[str, ...]:
    """The safetensors files that from_pretrained would read; raises QdashError if there are none or one is missing."""
    if SINGLE in files.sizes:
        return (SINGLE,)
    if INDEX not in files.sizes:
        raise _no_weights(files)
    weight_map = read_json(files, INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise damaged(files, INDEX, "it lists no weights")
    shards = sorted({str(shard) for shard in weight_map.values()})
    _check_complete(files, [shard for shard in shards if shard not in files.sizes], len(shards))
    return tuple(shards)


def _check_complete(files: Files, missing: list[str], total: int) -> None:
    if missing:
        message = f"{files.where} is incomplete: {listed(missing)} of {total} weight files missing."
        raise QdashError(message, "Download or copy the checkpoint again.", "checkpoint")


def _no_weights(files: Files) -> QdashError:
    """Name the weights there are, if any, and why they do not do."""
    found = [name for name in files.sizes if name.endswith(".safetensors")]
    adapters = [name for name in found if name.startswith("adapter_")]
    if adapters or (not found and "adapter_config.json" in files.sizes):
        return _adapter(files, adapters or ["adapter_config.json"])
    if any(_SHARD.fullmatch(name) for name in found):
        return _no_index(files, [match for name in found if (match := _SHARD.fullmatch(name))])
    if found:
        return _other_name(files, found)
    others = [name for name in files.sizes if name.endswith((*_PICKLED, *_OTHERS)) and not name.startswith(("training_args", "optimizer"))]
    return _not_safetensors(files, others) if others else _nothing(files)


def _adapter(files: Files, names: list[str]) -> QdashError:
    message = f"{files.where} holds an adapter ({listed(names)}), and not the model that it changes."
    merge = "PeftModel.from_pretrained(model, adapter).merge_and_unload()"
    remedy = f"Merge it into its model (with peft: {merge}), and choose what save_pretrained writes."
    return QdashError(message, remedy, "checkpoint")


def _no_index(files: Files, shards: list[re.Match[str]]) -> QdashError:
    stem, total = shards[0][1], shards[0][3]
    wanted = [f"{stem}-{number:05}-of-{total}.safetensors" for number in range(1, int(total) + 1)]
    try:
        _check_complete(files, [name for name in wanted if name not in files.sizes], int(total))
    except QdashError as incomplete:
        return incomplete
    message = f"{files.where} has its {int(total)} weight files, but not {INDEX}, which says which file holds which weights."
    return QdashError(message, f'Download that file too, or make it; in the folder: python -c "{MAKE_INDEX}"', "checkpoint")


def _other_name(files: Files, found: list[str]) -> QdashError:
    message = f"{files.where} has no {SINGLE}, only {listed(found)}: they have another program's layout or another name."
    if any(name.startswith("consolidated") for name in found) or len(found) > 1:
        return QdashError(message, "Choose the version of the model that is made for transformers.", "checkpoint")
    return QdashError(
        message, f"If this was saved by transformers, rename it to {SINGLE}; otherwise choose a version that was.", "checkpoint"
    )


def _not_safetensors(files: Files, others: list[str]) -> QdashError:
    pickled = any(name.endswith(_PICKLED) for name in others)
    why = "loading pickled weights can run any code hidden in them" if pickled else "qdash reads safetensors only"
    message = f"{files.where} has no safetensors weights, only {listed(others)}; {why}."
    remedy = "Choose a version of the model with safetensors weights, such as the one that this was made from."
    if any(_PYTORCH.fullmatch(name) for name in others):
        convert = CONVERT_SEEING if any("processor_config" in name for name in files.sizes) else CONVERT
        again = f'if you trust its author, save it again; in the folder: python -c "{convert}"'
        remedy = f"Choose a version with safetensors weights, or, {again}"
    return QdashError(message, remedy, "checkpoint")


def _nothing(files: Files) -> QdashError:
    return QdashError(f"{files.where} holds no weights.", f"Add {SINGLE}, or choose another model.", "checkpoint")
