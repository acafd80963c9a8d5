"""The sample pictures with questions that suit them, from assets/samples/samples.json; questions without a picture; stories."""

import json
import random
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from qdash.catalog.models import ASSETS, MODELS
from qdash.catalog.presets import STORY, T2_PROMPT
from qdash.errors import QdashError

FOLDER = ASSETS / "samples"

ANY_PICTURE = (
    "What is in this picture? Describe it.",
    "How many things are there?",
    "What colour is the background?",
    "这张图片中有什么？请描述一下。",
    "图中有几个物体？",
)
NO_PICTURE = (
    "Hello, how are you?",
    "Explain in one sentence why the sky is blue.",
    "Write a haiku about rounding.",
    "The capital of France is",
    "用一句话解释什么是量化。",
    T2_PROMPT,
)
STORIES = (
    STORY,
    "Ben had the key. Anna had the coin. Ben gave the key to Anna. Then Anna handed Ben the coin. The one who has the key is",
    "There were five ducks in the garden. Then two ran away. The number of ducks that are still there is",
    "Everybody said the soup was hot, but that was wrong. The soup was",
    "小明去了厨房。小红把书带到了花园。小明捡起了球，然后走到了阁楼。球在",
)
"""Beginnings of stories for the bundled model that finishes them."""


@dataclass(frozen=True)
class Sample:
    """A picture that comes with qdash, and questions it can answer."""

    file: str
    title: str
    questions: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Where the picture lies."""
        return FOLDER / self.file

    def data_uri(self) -> str:
        """The picture itself, for an <img>: small enough to travel with the page, and no file route is needed."""
        return f"data:image/png;base64,{b64encode(self.path.read_bytes()).decode()}"


@cache
def samples() -> tuple[Sample, ...]:
    """All samples, the first tutorial's first."""
    entries = json.loads((FOLDER / "samples.json").read_text(encoding="utf-8"))
    return tuple(Sample(entry["file"], entry["title"], tuple(entry["questions"])) for entry in entries)


def sample_path(file: str) -> Path:
    """The picture called `file`; only names from the table are looked up. Raises QdashError."""
    for sample in samples():
        if sample.file == file:
            return sample.path
    raise QdashError(f"There is no sample picture “{file[:80]}”.", "Pick one of the pictures shown.")


def suggestions(model: Any, file: str | None) -> tuple[str, ...]:
    """Questions that suit a model and, where it sees, the sample picture `file` (None: any picture)."""
    known = MODELS.get(model) if isinstance(model, str) else None
    if known is not None and known.task == "text-generation":
        return STORIES if known.kind == "bundled" else NO_PICTURE
    return next((sample.questions for sample in samples() if sample.file == file), ANY_PICTURE)


def another_question(model: Any, file: str | None, current: str, chooser: random.Random | None = None) -> str:
    """One of the `suggestions`, different from `current`."""
    fresh = [question for question in suggestions(model, file) if question != current]
    return (chooser or random.Random()).choice(fresh) if fresh else current


def fitting_question(model: str, file: str | None, current: str) -> str:
    """`current`, unless it was suggested for another kind of model: then the first that suits `model`. Nobody's own words are lost.

    What a model outside the catalogue can read is not known here, so for it nothing changes.
    """
    if model not in MODELS:
        return current
    suited = suggestions(model, file)
    suggested = {*ANY_PICTURE, *NO_PICTURE, *STORIES, *(question for sample in samples() for question in sample.questions)}
    return suited[0] if current in suggested - set(suited) else current
