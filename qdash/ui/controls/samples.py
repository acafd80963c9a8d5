"""The sample pictures with questions that suit them, from qdash/assets/samples/samples.json; questions without a picture; stories."""

import json
import random
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from qdash.catalog.models import ASSETS, MODELS
from qdash.catalog.presets import PRESETS, T2_PROMPT
from qdash.errors import QdashError
from qdash.present.language import language
from qdash.tasks.truth import STORY_ENDINGS

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
    "写一首关于秋天的短诗。",
    T2_PROMPT,
)
STORIES = tuple(STORY_ENDINGS)
"""Beginnings of stories for the bundled model that finishes them."""


@dataclass(frozen=True)
class Sample:
    """A picture that comes with qdash, and questions it can answer. `shows`: what quantization does to the first of them, in English."""

    file: str
    title: str
    questions: tuple[str, ...]
    shows: str

    @property
    def path(self) -> Path:
        """Where the picture lies."""
        return FOLDER / self.file

    @property
    def question(self) -> str:
        """The first question in the language of the page: Chinese for a Chinese one, else English."""
        wanted = language().startswith("zh")
        return next((question for question in self.questions if is_chinese(question) == wanted), self.questions[0])

    def data_uri(self) -> str:
        """The picture itself, for an <img>: small enough to travel with the page, and no file route is needed."""
        return f"data:image/png;base64,{b64encode(self.path.read_bytes()).decode()}"


@cache
def samples() -> tuple[Sample, ...]:
    """All samples, the one that the page begins with first."""
    entries = json.loads((FOLDER / "samples.json").read_text(encoding="utf-8"))
    return tuple(Sample(entry["file"], entry["title"], tuple(entry["questions"]), entry["shows"]) for entry in entries)


def sample_path(file: str) -> Path:
    """The picture called `file`; only names from the table are looked up. Raises QdashError."""
    sample = _named(file)
    if sample is None:
        raise QdashError(f"There is no sample picture “{file[:80]}”.", "Pick one of the pictures shown.")
    return sample.path


def _named(file: str | None) -> Sample | None:
    return next((sample for sample in samples() if sample.file == file), None)


def suggestions(model: Any, file: str | None) -> tuple[str, ...]:
    """Questions that suit a model and, where it sees, the sample picture `file` (None: any picture)."""
    known = MODELS.get(model) if isinstance(model, str) else None
    if known is not None and known.task == "text-generation":
        return STORIES if known.kind == "bundled" else NO_PICTURE
    sample = _named(file)
    return ANY_PICTURE if sample is None else sample.questions


def another_question(model: Any, file: str | None, current: str, chooser: random.Random | None = None) -> str:
    """One of the `suggestions` in the language of `current`, different from it. Where there is no other, one that suits any picture."""
    suited = suggestions(model, file)
    known = MODELS.get(model) if isinstance(model, str) else None
    more = () if known is not None and known.task == "text-generation" else ANY_PICTURE
    for questions in (suited, more):
        fresh = [question for question in questions if question != current and is_chinese(question) == is_chinese(current)]
        if fresh:
            return (chooser or random.Random()).choice(fresh)
    return current


def fitting_question(model: str, file: str | None, current: str) -> str:
    """`current`, unless it was suggested for another kind of model or another picture: then the first of its language that suits.

    A question that a person typed is never replaced. For a model outside the catalogue nothing changes, as its inputs are unknown here.
    """
    if model not in MODELS:
        return current
    suited = suggestions(model, file)
    if not is_suggested(current) or current in suited or (current in ANY_PICTURE and MODELS[model].task == "image-text-to-text"):
        return current
    return next((question for question in suited if is_chinese(question) == is_chinese(current)), suited[0])


def own_question(file: str | None) -> str:
    """The question that the sample picture `file` comes with; for any other picture one that suits them all."""
    sample = _named(file)
    return ANY_PICTURE[0] if sample is None else sample.question


def picked_question(model: Any, file: str | None, current: str) -> str:
    """The question once a person has picked the sample picture `file` (None: a picture of their own): its own, unless they typed one."""
    known = MODELS.get(model) if isinstance(model, str) else None
    if file is None or (known is not None and known.task == "text-generation"):
        return fitting_question(model, file, current)
    return current if current.strip() and not is_suggested(current) else own_question(file)


def is_suggested(question: str) -> bool:
    """Whether the page itself suggests this question, so that nothing a person typed is lost."""
    of_presets = (preset.setup.prompt for preset in PRESETS if preset.setup is not None)
    of_samples = (known for sample in samples() for known in sample.questions)
    return question in {*ANY_PICTURE, *NO_PICTURE, *STORIES, *of_presets, *of_samples}


def is_read(question: str) -> bool:
    """Whether most letters of a question are of the alphabets that the bundled models were trained on: Latin and Chinese."""
    letters = [character for character in question if character.isalpha()]
    known = sum(character.isascii() or is_chinese(character) for character in letters)
    return bool(letters) and known > len(letters) / 2


def sample_of(picture: Any) -> str | None:
    """Which of the sample pictures is chosen; None if it is none of them."""
    return picture.get("sample") if isinstance(picture, dict) else None


def is_chinese(text: str) -> bool:
    """Whether a text has Chinese characters; suggestions are in English or Chinese."""
    return any("\u4e00" <= character <= "\u9fff" for character in text)
