"""Which words of an answer differ from the original's.

Both texts are cut into pieces (words; single characters where a script writes no spaces; single punctuation marks) and matched by
difflib, which is in the standard library and keeps word order. It finds a good match, not always the shortest one. Words the answer
leaves out cannot be highlighted in it: an answer that is shorter and otherwise equal has no differing span.
"""

import unicodedata
from difflib import SequenceMatcher

_POPULAR_FROM = 2000
"""Pieces from which difflib may ignore very frequent ones: exact matching is quadratic in them."""

_NO_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR")
_ZERO_WIDTH_JOINER = "\u200d"


def differing_spans(original: str, answer: str) -> list[tuple[str, bool]]:
    """Cut `answer` into spans of (text, differs from `original`).

    The texts joined give `answer` exactly; neighbours never have the same flag; white space differs only inside a differing span.
    """
    pieces = _pieces(answer)
    words = [piece for piece in pieces if not piece.isspace()]
    matcher = SequenceMatcher(
        None, [piece for piece in _pieces(original) if not piece.isspace()], words, autojunk=len(words) > _POPULAR_FROM
    )
    same = [False] * len(words)
    for block in matcher.get_matching_blocks():
        same[block.b : block.b + block.size] = [True] * block.size
    return _join(pieces, same)


def _join(pieces: list[str], same: list[bool]) -> list[tuple[str, bool]]:
    """Merge pieces into spans; `same` has one flag per piece that is not white space."""
    spans: list[tuple[str, bool]] = []
    flags = iter(same)
    gap = ""
    for piece in pieces:
        if piece.isspace():
            gap += piece
            continue
        differs = not next(flags)
        if spans and spans[-1][1] == differs:
            spans[-1] = (spans[-1][0] + gap + piece, differs)
        elif spans and differs:
            # The gap before a difference belongs to what is the same.
            spans[-1] = (spans[-1][0] + gap, False)
            spans.append((piece, True))
        elif gap and differs:
            spans += [(gap, False), (piece, True)]
        else:
            spans.append((gap + piece, differs))
        gap = ""
    if gap and spans and not spans[-1][1]:
        spans[-1] = (spans[-1][0] + gap, False)
    elif gap:
        spans.append((gap, False))
    return spans


def _pieces(text: str) -> list[str]:
    """Words, runs of white space, and single other characters with the marks and joiners that belong to them."""
    pieces: list[str] = []
    last = ""
    for character in text:
        kind = _kind(character)
        glued = kind == "mark" or bool(pieces and pieces[-1].endswith(_ZERO_WIDTH_JOINER))
        if pieces and (glued or (kind == last and kind in ("word", "space"))):
            pieces[-1] += character
        else:
            pieces.append(character)
        last = last if glued else kind
    return pieces


def _kind(character: str) -> str:
    """One of space, mark (belongs to the character before it), word, single."""
    if character.isspace():
        return "space"
    category = unicodedata.category(character)
    if category in ("Mn", "Mc", "Me", "Cf", "Sk") and not character.isascii():
        return "mark"
    if unicodedata.name(character, "").startswith(_NO_SPACES):
        return "single"
    return "word" if category[0] in "LN" or character in "_'’" else "single"
