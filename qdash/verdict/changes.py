"""Describes how much an answer differs from the original's, and measures how many of its content words differ."""

from collections import Counter
from dataclasses import dataclass

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

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class AnswerChange:
    """`on_card` is a label (“Same answer”), `in_sentence` a predicate (“changes one word”).

    `content`: the share (0 to 1) of content words that differ or are missing.
    """

    differs: bool
    on_card: str
    in_sentence: str
    content: float = 0.0


def change_of(original: str, answer: str) -> AnswerChange:
    """Compare two answers; white space at their ends does not count."""
    original, answer = original.strip(), answer.strip()
    if original == answer:
        return AnswerChange(False, "Same answer", "gives the same answer")
    if not answer:
        return AnswerChange(True, "No answer", "gives no answer", 1.0)
    content = content_changed(original, answer)
    spans = differing_spans(original, answer)
    changed = [span for span, differs in spans if differs]
    if not changed:
        return AnswerChange(True, "Shorter answer", "leaves words out", content)
    if sum(map(len, changed)) > len(answer) / 2:
        return AnswerChange(True, "Most words changed", "gives a different answer", content)
    if len(changed) == 1:
        unit = "word" if len(changed[0].split()) == 1 and len(changed[0]) <= 20 else "passage"
        return AnswerChange(True, f"One {unit} changed", f"changes one {unit}", content)
    number = _NUMBERS[len(changed)] if len(changed) < len(_NUMBERS) else str(len(changed))
    return AnswerChange(True, f"{len(changed)} places changed", f"differs in {number} places", content)


def content_changed(original: str, answer: str) -> float:
    """The share of content words, of the answer that has more of them, which the other one does not have; words like “the” do not count.

    Scripts without spaces are read character by character.
    """
    before, after = (Counter(word for word in words_of(text) if word not in _FUNCTION_WORDS) for text in (original, answer))
    longest = max(before.total(), after.total())
    return 1 - (before & after).total() / longest if longest else 0.0
