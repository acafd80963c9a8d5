"""Chooses the rows of real layers for the Learn tab: those of the chosen model if it is on this machine, else of the bundled one. Nothing
is downloaded or generated for that. Values from the page are checked here.
"""

import base64
import os
from typing import Any

from numpy.typing import NDArray

from qdash import checkpoints
from qdash.catalog.models import MODELS
from qdash.catalog.parts import part_of
from qdash.checkpoints import Checkpoint
from qdash.errors import QdashError
from qdash.learn.rows import layers, read_row
from qdash.present.language import N_, _, recorded
from qdash.present.layer_names import block_of, projection_of, spoken_name
from qdash.records import LayerPlace
from qdash.settings import settings
from qdash.ui.components.markup import problem_words

BUNDLED = next(iter(MODELS))
BUNDLED_NUMBERS = N_("These are the bundled model's numbers.")

_EMPTY: dict[str, Any] = {"model": "", "layers": [], "layer": "", "row": 0, "rows": 1, "columns": 0, "values": "", "note": ""}


def offered(model: Any, layer: str | None = None, row: int | None = None) -> dict[str, Any]:
    """What the page shows of `model`: its layers (tensor, name for people), one `row` of a `layer`, and a note.

    Without either it is the first row of the first layer.

    Never raises because of a model or the page; the note says what is wrong. If a model has no rows to show, the bundled one's are shown; a
    row that cannot be shown comes without values.
    """
    name = model.strip() if isinstance(model, str) else ""
    try:
        if not _here(name):
            note = _("{model} is not on this machine yet: these are the bundled model's numbers.", model=_label(name))
            return offered(BUNDLED, layer, row) | {"note": note}
        return _of(checkpoints.locate(name), layer, row)
    except QdashError as error:
        if name == BUNDLED:
            return _EMPTY | {"note": problem_words(error)}
        return offered(BUNDLED, layer, row) | {"note": f"{problem_words(error)} {_(BUNDLED_NUMBERS)}"}


def encoded(values: NDArray[Any]) -> str:
    """The float32 `values` as text that a page can take apart: base64 of their bytes, little-endian."""
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _of(checkpoint: Checkpoint, layer: str | None, row: int | None) -> dict[str, Any]:
    names = {tensor.name: _spoken(tensor.name) for tensor in layers(checkpoint)}
    if not names:
        message = f"{checkpoint.label} holds no layer of plain numbers."
        raise QdashError(message, "Choose the model it was made from.", "checkpoint")
    if layer is None or row is None:
        layer, row = next(iter(names)), 0
    shown = _EMPTY | {"model": recorded(checkpoint.label), "layers": list(names.items()), "layer": layer, "row": row}
    try:
        found = read_row(checkpoint, layer, row)
    except QdashError as error:
        rows = next((tensor.shape[0] for tensor in checkpoint.tensors if tensor.name == layer), 1)
        return shown | {"rows": rows, "note": problem_words(error)}
    return shown | {"rows": found.rows, "columns": found.columns, "values": encoded(found.values)}


def _spoken(tensor: str) -> str:
    """“language · layer 0 · down projection” for a tensor's name."""
    path = tensor.removesuffix(".weight")
    return spoken_name(LayerPlace(name=path, part=part_of(path), block=block_of(path), projection=projection_of(path), shape=()))


def _here(model: str) -> bool:
    """Whether the files of `model` are on this machine; asks no network."""
    if model in MODELS and MODELS[model].kind == "bundled":
        return True
    # Unlike pathlib's, these answer for anything that was typed, however long and odd.
    folder = not settings().public and model not in MODELS and os.path.isdir(os.path.expanduser(model))
    return folder or (bool(model) and checkpoints.is_cached(model))


def _label(model: str) -> str:
    return recorded(MODELS[model].label) if model in MODELS else f"“{model[:80]}”"
