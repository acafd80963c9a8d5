"""The licence of a checkpoint, from the model card in its folder."""

from pathlib import Path
from typing import Any

from huggingface_hub.repocard import metadata_load

_LONGEST = 2**20  # bytes of a model card


def licence_in(folder: Path) -> str | None:
    """The identifier that the card of the model in `folder` gives; None where there is no card, or it does not say."""
    card = folder / "README.md"
    try:
        if card.stat().st_size > _LONGEST:
            return None
        known: Any = metadata_load(card)
    except Exception:  # of any type: a stranger's YAML fails in many ways
        return None
    licence = known.get("license") if isinstance(known, dict) else None
    return licence if isinstance(licence, str) and licence.isprintable() and len(licence) <= 60 else None
