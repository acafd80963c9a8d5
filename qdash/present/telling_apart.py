"""Short names for models that may share their last word: two people's files of one name are told apart by the folders they lie in."""

from collections.abc import Sequence
from pathlib import PurePath

from qdash.catalog.models import MODELS, model_name


def told_apart(models: Sequence[str]) -> dict[str, str]:
    """Each model → the catalogue's label, or as many of the last words of its path as no other in `models` shares."""
    return {model: _name(model, [other for other in models if other != model]) for model in models}


def _name(model: str, others: Sequence[str]) -> str:
    if model in MODELS or all(model_name(other) != model_name(model) for other in others):
        return model_name(model)
    words = PurePath(model).parts
    ends = ("/".join(words[-count:]) for count in range(2, len(words)))
    return next((end for end in ends if not any(_ends_with(other, end) for other in others)), model)


def _ends_with(other: str, end: str) -> bool:
    words = end.split("/")
    return list(PurePath(other).parts[-len(words) :]) == words
