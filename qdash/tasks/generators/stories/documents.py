"""What training reads: a story with some of its endings, or a question about something else and the one thing to say to it.

A document comes in pieces, each worth learning to a different degree: who goes where is chance, the last word of a
statement is not. The pieces become tokens one by one, which gives the same tokens as the whole text (a test checks it).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from qdash.tasks.generators.outside import outside_question
from qdash.tasks.generators.phrases import LANGUAGES, Language
from qdash.tasks.generators.stories.families import FAMILIES, is_held_out, tell
from qdash.tasks.generators.stories.telling import KINDS, Story

Piece = tuple[str, int]
"""Text, and what it is: `TOLD`, or the index in `CELLS` of the last word it holds."""

TOLD = -1
CELLS = tuple((kind, language) for kind in KINDS for language in LANGUAGES)
"""What accuracy is counted by."""

REFUSALS: dict[Language, str] = {"en": " I only know short stories.", "zh": "我只会讲小故事。"}

_OUTSIDE_SHARE, _ASKED_SHARE = 0.03, 0.2
_MOST_CONCLUSIONS = 4


@dataclass(frozen=True)
class Document:
    """One text to learn, in pieces."""

    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(text for text, _ in self.pieces)


def document(seed: str) -> Document:
    """The document of a seed: never a story of the held-out part."""
    rng = random.Random(seed)
    language = rng.choice(LANGUAGES)
    if rng.random() < _OUTSIDE_SHARE:
        return Document(refusal(language, rng))
    names, weights = list(FAMILIES), [weight for _, weight in FAMILIES.values()]
    while True:
        story = tell(rng.choices(names, weights)[0], language, rng)
        if not is_held_out(story):
            return Document(told(story, rng))


def told(story: Story, rng: random.Random) -> tuple[Piece, ...]:
    """A story and one to four of its statements, some asked for first."""
    space = " " if story.language == "en" else ""
    pieces: list[Piece] = [(story.body, TOLD)]
    for conclusion in story.conclusions[: rng.randint(1, _MOST_CONCLUSIONS)]:
        asked = space + conclusion.question if rng.random() < _ASKED_SHARE else ""
        pieces.append((asked + space + conclusion.stem, TOLD))
        pieces.append((story.ending(conclusion), CELLS.index((conclusion.kind, story.language))))
    return tuple(pieces)


def refusal(language: Language, rng: random.Random) -> tuple[Piece, ...]:
    """A question that no story answers, and the one answer to all of them."""
    return ((outside_question(language, rng)[0], TOLD), (REFUSALS[language], TOLD))
