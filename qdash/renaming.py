"""Weights whose names begin with what a program put there: how that is said, and the Python that takes it away."""

from qdash.errors import QdashError

LEFT_BY = {
    "_orig_mod": "torch.compile", "module": "DataParallel or DeepSpeed", "_forward_module": "Lightning Fabric", "base_model.model": "PEFT",
    "_fsdp_wrapped_module": "FSDP", "_checkpoint_wrapped_module": "activation checkpointing", "pretrained_model": "TRL",
}  # fmt: skip
"""Wrappers of a model, and who uses them."""

ANYWHERE = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""Wrappers of single blocks, which stand in the middle of names as well."""


def wrapped(where: str, wrapper: str) -> QdashError:
    """The refusal of weights whose names have `wrapper` in them, such as "module._orig_mod."."""
    who = next((who for name, who in LEFT_BY.items() if wrapper.startswith(f"{name}.")), "the program that saved them")
    place = "have" if wrapper in ANYWHERE else "begin with"
    message = f"{where} holds weights whose names {place} “{wrapper}”, left there by {who}, so that transformers does not find them."
    return QdashError(message, f'Take it away; in a copy of the folder: python -c "{renaming(wrapper)}"', "checkpoint")


def renaming(wrapper: str) -> str:
    """Python that takes `wrapper` out of the names in all safetensors files, and their index, of the folder it is run in."""
    change = f"replace('{wrapper}', '')" if wrapper in ANYWHERE else f"removeprefix('{wrapper}')"
    return (
        "import json, pathlib; from safetensors.torch import load_file, save_file; here = pathlib.Path('.'); "
        f"right = lambda name: name.{change}; "
        "[save_file({right(name): weight.clone() for name, weight in load_file(file).items()}, file, {'format': 'pt'})"
        " for file in here.glob('*.safetensors')]; "
        "[index.write_text(json.dumps({'metadata': {}, 'weight_map': {right(name): file for name, file in"
        " json.loads(index.read_text())['weight_map'].items()}})) for index in here.glob('*.safetensors.index.json')]"
    )
