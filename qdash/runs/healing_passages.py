"""What a model is healed on: the stories or drawings that a bundled model learned from, a person's own questions, or a text.

A part is kept back and never trained on, so that it tells what healing has brought. Stories and drawings are told and drawn anew; none of
them is part of the tasks that come with qdash.
"""

import io
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from qdash.catalog.models import MODELS
from qdash.errors import QdashError
from qdash.records import Passage, Question
from qdash.tasks import Item, item_id
from qdash.tasks.generators.asking import random_question
from qdash.tasks.generators.drawing import draw_scene, has_emoji, roughen
from qdash.tasks.generators.stories.documents import document
from qdash.tasks.generators.world import sample_scene

STORIES, DRAWINGS = 12_000, 3_000
"""How many are told, or drawn with `QUESTIONS` each."""
QUESTIONS = 4
HELD_OUT = 96
LEAST = 10
"""Passages that are needed at least."""
PIECE_CHARS = 1200
"""Of a text that is divided into passages."""

_FIRST_SCENE = 7_000_000_000
"""Beyond the seeds that tiny-vlm was trained on, and before those of its held-out pictures."""


@dataclass(frozen=True)
class Lessons:
    """Passages of one `source`, as people call it; those `held_out` are scored and not trained on.

    `learned`: the ids of a person's own questions among those that are trained on.
    """

    source: str
    passages: tuple[Passage, ...]
    held_out: tuple[Passage, ...]
    learned: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """A fingerprint of all that they say and show."""
        found = sha256()
        for passage in (*self.passages, *self.held_out):
            asked = passage.question
            for part in (asked.prompt.encode(), asked.png or b"", passage.answer.encode(), b"plain" if asked.plain else b""):
                found.update(len(part).to_bytes(8, "big") + part)
        return found.hexdigest()[:16]


def stories() -> Lessons:
    """Short stories in English and Chinese with their endings, for tiny-lm."""
    told = [_continued(document(f"healing {number}").text, ends=True) for number in range(STORIES + HELD_OUT)]
    return Lessons("stories", tuple(told[HELD_OUT:]), tuple(told[:HELD_OUT]))


def drawings() -> Lessons:
    """Questions about drawings, for tiny-vlm; raises QdashError as `check_font` does."""
    check_font()
    held_out = tuple(passage for number in range(HELD_OUT // QUESTIONS) for passage in about_drawing(number))
    others = range(HELD_OUT, HELD_OUT + DRAWINGS)
    return Lessons("drawings", tuple(passage for number in others for passage in about_drawing(number)), held_out)


def check_font() -> None:
    """Raise QdashError where the font with the things in drawings is missing."""
    if not has_emoji():
        message = "Drawings need the font Noto Color Emoji, which is not on this machine."
        raise QdashError(message, "Install it (Debian: apt install fonts-noto-color-emoji), or give questions of your own.", "unavailable")


OF_BUNDLED: dict[str, Callable[[], Lessons]] = {"stories": stories, "drawings": drawings}
"""What bundled models learned from, by name."""
ANSWERS = "answers"
"""The name of what any other model learns from: its own answers (see `qdash.runs.own_answers`)."""


def suited(model: str) -> str | None:
    """The key in `OF_BUNDLED` of what a bundled model learned from; None for other models."""
    entry = MODELS.get(model)
    if entry is None or entry.kind != "bundled":
        return None
    return "drawings" if entry.draws_only else "stories"


def own_questions(items: Sequence[Item], name: str) -> Lessons:
    """The questions of a file called `name`, with their first answer; raises QdashError for too few."""
    asked = [Passage(question=Question(prompt=item.question.prompt, png=item.png), answer=item.question.answer) for item in items]
    trained = {item_id(item) for place, item in enumerate(items) if place % _spacing(len(items))}
    return replace(divided(asked, name), learned=tuple(sorted(trained)))


def text_passages(text: str, name: str) -> Lessons:
    """A text called `name`, in pieces that end with a paragraph where they can; raises QdashError for one that is too short."""
    return divided([_continued(piece, ends=False) for piece in _pieces(text)], name)


def _continued(text: str, *, ends: bool) -> Passage:
    return Passage(question=Question(prompt="", plain=True), answer=text, ends=ends)


def about_drawing(number: int) -> Iterator[Passage]:
    """`QUESTIONS` about one drawing, with their right answers."""
    seed = _FIRST_SCENE + number
    scene, rng = sample_scene(seed), random.Random(f"healing {seed}")
    file = io.BytesIO()
    roughen(draw_scene(scene), rng).save(file, "PNG")
    found = 0
    while found < QUESTIONS:
        question = random_question(scene, rng)
        if question is not None:
            found += 1
            yield Passage(question=Question(prompt=question.text, png=file.getvalue()), answer=question.answer)


def _pieces(text: str) -> Iterator[str]:
    """Paragraphs joined to pieces of about `PIECE_CHARS`, and cut where they are longer."""
    piece = ""
    for paragraph in re.split(r"(?<=\n)\s*\n", text):
        if piece and len(piece) + len(paragraph) > PIECE_CHARS:
            yield piece
            piece = ""
        piece += paragraph.strip() + "\n\n"
        while len(piece) > 2 * PIECE_CHARS:
            yield piece[:PIECE_CHARS]
            piece = piece[PIECE_CHARS:]
    if piece.strip():
        yield piece


def divided(passages: Sequence[Passage], name: str) -> Lessons:
    """Every tenth is held out, `HELD_OUT` at most; raises QdashError for too few."""
    if len(passages) < LEAST:
        message = f"{name} has {len(passages)} passages to train on; at least {LEAST} are needed."
        raise QdashError(message, "Give more questions, or a longer text.")
    every = _spacing(len(passages))
    held_out = passages[::every]
    return Lessons(name, tuple(passage for place, passage in enumerate(passages) if place % every), tuple(held_out))


def _spacing(number: int) -> int:
    """Of so many passages the first is held out, and each one that is so many further on."""
    return max(LEAST, -(-number // HELD_OUT))
