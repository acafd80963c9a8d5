"""Describes how much an answer differs from the original's, and measures how many of its content words differ."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from qdash.present.language import N_, _, ngettext
from qdash.present.text_diff import differing_spans
from qdash.tasks.rules import words_of

_FUNCTION_WORDS = frozenset(
    (
        *("a", "an", "the", "this", "that", "these", "those", "there", "here", "it", "its", "i", "you", "he", "she", "we", "they"),
        *(
            "is",
            "are",
            "was",
            "were",
            "be",
            "been",
            "being",
            "am",
            "do",
            "does",
            "did",
            "has",
            "have",
            "had",
            "can",
            "could",
            "will",
            "would",
        ),
        *("of", "on", "in", "at", "to", "from", "by", "with", "for", "and", "or", "as", "so", "then", "very", "just", "also"),
        *"的了是在有上下里和与及个这那着也都就还很吧呢吗",
    )
)

HowMuch = Literal["nothing", "no answer", "shorter", "most", "word", "passage", "places"]

_ON_CHIP: dict[HowMuch, str] = {
    "nothing": N_("same answer"),
    "no answer": N_("no answer"),
    "shorter": N_("shorter answer"),
    "most": N_("most words changed"),
    "word": N_("one word changed"),
    "passage": N_("one passage changed"),
}


@dataclass(frozen=True)
class AnswerChange:
    """How much of an answer differs from the original's; `places`: in how many places.

    `content`: the share (0 to 1) of content words that differ or are missing.
    """

    how_much: HowMuch
    content: float = 0.0
    places: int = 0

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        return self.how_much != "nothing"

    @property
    def on_chip(self) -> str:
        """“same answer”, “one word changed”."""
        if self.how_much == "places":
            return ngettext("{number} place changed", "{number} places changed", self.places)
        return _(_ON_CHIP[self.how_much])


def change_of(original: str, answer: str) -> AnswerChange:
    """Compare two answers; white space at their ends does not count."""
    original, answer = original.strip(), answer.strip()
    if original == answer:
        return AnswerChange("nothing")
    if not answer:
        return AnswerChange("no answer", 1.0)
    content = content_changed(original, answer)
    spans = differing_spans(original, answer)
    changed = [span for span, differs in spans if differs]
    if not changed:
        return AnswerChange("shorter", content)
    if sum(map(len, changed)) > len(answer) / 2:
        return AnswerChange("most", content)
    if len(changed) == 1:
        return AnswerChange("word" if len(changed[0].split()) == 1 and len(changed[0]) <= 20 else "passage", content)
    return AnswerChange("places", content, len(changed))


def content_changed(original: str, answer: str) -> float:
    """The share of content words, of the answer that has more of them, which the other one does not have; words like “the” do not count.

    Scripts without spaces are read character by character.
    """
    before, after = (Counter(word for word in words_of(text) if word not in _FUNCTION_WORDS) for text in (original, answer))
    longest = max(before.total(), after.total())
    return 1 - (before & after).total() / longest if longest else 0.0
