"""The sample pictures and the questions that suit them, from assets/samples/samples.json."""

import json
import random
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from qdash.catalog.models import ASSETS
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
)


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


def another_question(file: str | None, current: str, text_only: bool, chooser: random.Random | None = None) -> str:
    """A question that suits the sample `file` (None: any picture), different from `current`."""
    own = next((sample.questions for sample in samples() if sample.file == file), ANY_PICTURE)
    fresh = [question for question in (NO_PICTURE if text_only else own) if question != current]
    return (chooser or random.Random()).choice(fresh) if fresh else current
