"""The numbers of a config.json, with those of transformers' own class where it leaves one out. What is not understood is an error."""

from collections.abc import Mapping
from typing import Any

from qdash.checkpoints.supported import class_defaults
from qdash.errors import QdashError

Config = Mapping[str, Any]

_OTHER_NAMES = {
    "num_hidden_layers": ("n_layer",),
    "num_attention_heads": ("n_head",),
    "hidden_size": ("n_embed",),
    "intermediate_size": ("block_ff_dim",),
}
"""Older names, which win where both stand, as they do in transformers."""


class Values:
    """Numbers of a configuration, the class's own where it leaves one out."""

    def __init__(self, text: Config) -> None:
        self.model_type: str = text["model_type"]
        older = {name: text[old] for name, olds in _OTHER_NAMES.items() for old in olds if old in text}
        self.found: Config = {**class_defaults(self.model_type), **text, **older}

    def number(self, name: str, otherwise: int | None = None) -> int:
        """A whole number; `otherwise` where nothing is said. Raises QdashError for anything else."""
        value = self.found.get(name)
        value = otherwise if value is None else value
        if isinstance(value, bool) or not isinstance(value, int) or value < 0 or (value == 0 and otherwise != 0):
            said = "does not say" if value is None else f"says {str(value)[:40]} for"
            raise unknown(f"its config.json {said} {name}")
        return value


def unknown(why: str) -> QdashError:
    """The error for a model whose memory cannot be told."""
    return QdashError(f"The memory for a context cannot be told for this model: {why}.", "Choose another model.", "unavailable")
