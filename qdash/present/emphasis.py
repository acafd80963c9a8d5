"""Sentences of which a part stands out: the part is a value of the translated sentence, so that each language puts it where it belongs."""

import re

_FROM, _TO = "\ue000", "\ue001"  # of Unicode's private use: no text has them
_STRONG = re.compile(f"{_FROM}([^{_FROM}{_TO}]*){_TO}")

Span = tuple[str, bool]
"""A piece of a sentence, and whether it stands out."""


def strong(words: str) -> str:
    """`words` as a value of a sentence in which they stand out."""
    return f"{_FROM}{words}{_TO}"


def spans(sentence: str) -> tuple[Span, ...]:
    """The pieces of a sentence with `strong` words in it."""
    pieces = _STRONG.split(sentence)
    return tuple((piece, place % 2 == 1) for place, piece in enumerate(pieces) if piece)


def capitalized(sentence: str) -> str:
    """`sentence` with a capital at its beginning, be that strong or not."""
    start = 1 if sentence.startswith(_FROM) else 0
    return sentence[:start] + sentence[start : start + 1].upper() + sentence[start + 1 :]
