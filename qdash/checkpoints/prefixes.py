"""Names that a training loop put before every weight: torch.compile, DataParallel, DeepSpeed, FSDP, TRL and PEFT all wrap a model.

transformers would find none of the weights it looks for.
"""

import re
from collections.abc import Iterable

from qdash.checkpoints.files import listed
from qdash.errors import QdashError
from qdash.renaming import ANYWHERE, LEFT_BY, wrapped

_LEADING = re.compile(rf"(({'|'.join(map(re.escape, LEFT_BY))})\.)+")
_ANYWHERE = re.compile(rf"(?<![^.])({'|'.join(map(re.escape, ANYWHERE))})")
_ADAPTER = re.compile(r"\.(lora_(A|B|embedding_A|embedding_B|magnitude_vector)|hada_w1_a|lokr_w1|base_layer)\b")


def check_names(where: str, names: Iterable[str]) -> None:
    """Raise QdashError("checkpoint") for names that no model has by itself: of a wrapper, or of an adapter that was not merged."""
    names = list(names)
    adapted = [name for name in names if _ADAPTER.search(name)]
    if adapted:
        message = f"{where} holds a model with an adapter that is not merged into it ({listed(adapted, 1)})."
        remedy = "Merge it where it was trained (with peft: model.merge_and_unload()), and choose what save_pretrained then writes."
        raise QdashError(message, remedy, "checkpoint")
    wrapper = wrapper_of(names)
    if wrapper is not None:
        raise wrapped(where, wrapper)


def wrapper_of(names: list[str]) -> str | None:
    """What to take out of these tensor names, such as "module._orig_mod."; None if they are as a model saves them."""
    leading = [match[0] if (match := _LEADING.match(name)) else "" for name in names]
    most = max(dict.fromkeys(leading), key=leading.count, default="")
    # A tensor or two beside the model, such as a value head, do not make the others' names right.
    if most and leading.count(most) > 0.9 * len(names) - 1:
        return most
    return next((match[0] for name in names if (match := _ANYWHERE.search(name))), None)
