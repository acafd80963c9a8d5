"""Tells a story sentence by sentence, and ends it with statements whose last word follows from what was told.

A family of stories (see `families.py`) keeps its own books of who is where and who has what; the teller only finds the words:
it picks one of several wordings, lets a pronoun stand for a person who has just been the subject, and slips in idle
remarks. So the truth of a statement never depends on how it is worded.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from qdash.tasks.generators.phrases import Language
from qdash.tasks.generators.stories.chinese import CHINESE
from qdash.tasks.generators.stories.english import ENGLISH
from qdash.tasks.generators.stories.lexicon import Lexicon, Person

LEXICONS: dict[Language, Lexicon] = {"en": ENGLISH, "zh": CHINESE}

KINDS = ("places", "names", "objects", "counting", "opposites")
"""What the last word of a statement may be."""

_AFTERWARDS: dict[Language, tuple[str, ...]] = {"en": ("Then ", "Later ", "After that, ", "Next, "), "zh": ("然后", "后来", "接着", "之后")}
_SPACE: dict[Language, str] = {"en": " ", "zh": ""}
_STOP: dict[Language, str] = {"en": ".", "zh": "。"}
_PRONOUN_SHARE, _REMARK_SHARE, _OPENING_SHARE, _AFTERWARDS_SHARE = 0.35, 0.1, 0.35, 0.2

Wordings = dict[Language, tuple[str, ...]]
"""Templates of one meaning, by language."""


@dataclass(frozen=True)
class Conclusion:
    """A statement that ends a story: `stem` without its last word, that word, its kind, and the same thing as a question."""

    kind: str
    stem: str
    answer: str
    question: str


@dataclass(frozen=True)
class Story:
    """What was told, and every statement that may end it."""

    language: Language
    family: str
    body: str
    conclusions: tuple[Conclusion, ...]

    def prompt(self, conclusion: Conclusion) -> str:
        """The story up to the last word of a statement, with no space at its end."""
        return self.body + _SPACE[self.language] + conclusion.stem

    def ending(self, conclusion: Conclusion) -> str:
        """What follows `prompt`: the last word and a full stop, in English after a space."""
        return _SPACE[self.language] + conclusion.answer + _STOP[self.language]

    def statement(self, conclusion: Conclusion) -> str:
        """A whole closing sentence."""
        return conclusion.stem + self.ending(conclusion)


@dataclass
class Teller:
    """Collects the sentences and the closing statements of one story."""

    language: Language
    rng: random.Random
    sentences: list[str] = field(default_factory=list)
    conclusions: list[Conclusion] = field(default_factory=list)
    subject: Person | None = None
    told: bool = False

    @property
    def words(self) -> Lexicon:
        """The words of the story's language."""
        return LEXICONS[self.language]

    def some(self, items: Sequence[Any], fewest: int, most: int) -> list[Any]:
        """A random number of different items, in random order."""
        return self.rng.sample(items, self.rng.randint(fewest, most))

    def happen(self, wordings: Wordings, who: Person, **words: Any) -> None:
        """Adds a sentence about an event, which may be told as following the one before."""
        self.say(wordings, who, _AFTERWARDS[self.language] if self.told else (), **words)

    def say(self, wordings: Wordings, who: Person | None = None, adverbs: Sequence[str] = (), **words: Any) -> None:
        """Adds a sentence; a template may name its subject as {who}, and the rest of `words` by their names."""
        self._interrupt()
        template = self.rng.choice(wordings[self.language])
        subject = str(who)
        if who is not None and who is self.subject and _takes_pronoun(template) and self.rng.random() < _PRONOUN_SHARE:
            subject = who.pronoun
        sentence = template.format(who=subject, **words)
        if adverbs and template.startswith("{who}") and self.rng.random() < _AFTERWARDS_SHARE:
            sentence = self.rng.choice(adverbs) + sentence
        self.told = True
        self.sentences.append(sentence[0].upper() + sentence[1:])
        self.subject = who if template.startswith("{who}") else None

    def conclude(self, kind: str, stems: Wordings, questions: Wordings, answer: Any, **words: Any) -> None:
        """Adds a statement that may end the story; templates are filled from `words`."""
        stem, question = (self.rng.choice(w[self.language]).format(**words) for w in (stems, questions))
        self.conclusions.append(Conclusion(kind, stem, str(answer), question))

    def story(self, family: str) -> Story:
        """The finished story, its statements in random order."""
        self.rng.shuffle(self.conclusions)
        return Story(self.language, family, _SPACE[self.language].join(self.sentences), tuple(self.conclusions))

    def _interrupt(self) -> None:
        """Opens the story, or slips in a remark, now and then."""
        idle = self.words.remarks if self.sentences else self.words.openings
        if self.rng.random() < (_REMARK_SHARE if self.sentences else _OPENING_SHARE):
            self.sentences.append(self.rng.choice(idle))
            self.subject = None


def _takes_pronoun(template: str) -> bool:
    """Whether {who} is the template's first word and nothing else: "{who} ran", not "{who}'s hat"."""
    return template.startswith("{who}") and template.count("{who}") == 1 and not template.startswith(("{who}'s", "{who}的"))
