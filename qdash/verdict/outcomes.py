"""Sentences on one variant: its size and speed, and what became of the answer. Each is whole, so that it can be translated."""

from typing import NamedTuple

from qdash.present.emphasis import strong
from qdash.present.formatting import percent
from qdash.present.language import N_, _, ngettext
from qdash.verdict.changes import HowMuch
from qdash.verdict.rules import Grade
from qdash.verdict.seen import Seen


class _Outcome(NamedTuple):
    """The sentence that tells of it alone, with a speed, and after a size, which may be followed by a speed."""

    alone: str
    with_speed: str
    with_size: str


_LOST = {
    "less sure": _Outcome(
        N_("{name} is less sure of the same answer."),
        N_("{name} is less sure of the same answer, {speed}."),
        N_("{name} is {size}, but is less sure of the same answer."),
    ),
    "wrong": _Outcome(
        N_("{name} gets it wrong."),
        N_("{name} gets it wrong, {speed}."),
        N_("{name} is {size}, but gets it wrong."),
    ),
    "no answer": _Outcome(
        N_("{name} gives no answer."),
        N_("{name} gives no answer, {speed}."),
        N_("{name} is {size}, but gives no answer."),
    ),
    "shorter": _Outcome(
        N_("{name} leaves words out."),
        N_("{name} leaves words out, {speed}."),
        N_("{name} is {size}, but leaves words out."),
    ),
    "most": _Outcome(
        N_("{name} gives a different answer."),
        N_("{name} gives a different answer, {speed}."),
        N_("{name} is {size}, but gives a different answer."),
    ),
    "word": _Outcome(
        N_("{name} changes one word."),
        N_("{name} changes one word, {speed}."),
        N_("{name} is {size}, but changes one word."),
    ),
    "passage": _Outcome(
        N_("{name} changes one passage."),
        N_("{name} changes one passage, {speed}."),
        N_("{name} is {size}, but changes one passage."),
    ),
    "places": _Outcome(
        N_("{name} differs in {places}."),
        N_("{name} differs in {places}, {speed}."),
        N_("{name} is {size}, but differs in {places}."),
    ),
}

_BROKEN: dict[HowMuch, _Outcome] = {
    "nothing": _Outcome(
        N_("{name} is broken: it predicts other words throughout."),
        N_("{name} is broken: it predicts other words throughout, {speed}."),
        N_("{name} is {size}, but is broken: it predicts other words throughout."),
    ),
    "no answer": _Outcome(
        N_("{name} is broken: it gives no answer."),
        N_("{name} is broken: it gives no answer, {speed}."),
        N_("{name} is {size}, but is broken: it gives no answer."),
    ),
    "shorter": _Outcome(
        N_("{name} is broken: it leaves words out."),
        N_("{name} is broken: it leaves words out, {speed}."),
        N_("{name} is {size}, but is broken: it leaves words out."),
    ),
    "most": _Outcome(
        N_("{name} is broken: it gives a different answer."),
        N_("{name} is broken: it gives a different answer, {speed}."),
        N_("{name} is {size}, but is broken: it gives a different answer."),
    ),
    "word": _Outcome(
        N_("{name} is broken: it changes one word."),
        N_("{name} is broken: it changes one word, {speed}."),
        N_("{name} is {size}, but is broken: it changes one word."),
    ),
    "passage": _Outcome(
        N_("{name} is broken: it changes one passage."),
        N_("{name} is broken: it changes one passage, {speed}."),
        N_("{name} is {size}, but is broken: it changes one passage."),
    ),
    "places": _Outcome(
        N_("{name} is broken: it differs in {places}."),
        N_("{name} is broken: it differs in {places}, {speed}."),
        N_("{name} is {size}, but is broken: it differs in {places}."),
    ),
}

_NUMBERS = (
    N_("no"), N_("one"), N_("two"), N_("three"), N_("four"), N_("five"), N_("six"), N_("seven"), N_("eight"), N_("nine"), N_("ten"),
)  # fmt: skip


def size_words(item: Seen) -> str:
    """“71% smaller”, “half the size (projected)”; empty where the size is not known."""
    size = item.size
    if size is None:
        return ""
    if 0.45 <= size <= 0.55:
        return _("half the size (projected)") if item.simulated else _("half the size")
    if 0.22 <= size <= 0.28:
        return _("a quarter of the size (projected)") if item.simulated else _("a quarter of the size")
    if abs(size - 1) < 0.02:
        return _("the same size")
    if size < 1:
        return _smaller(item, size)
    share = percent(size - 1)
    return _("{share} larger (projected)", share=share) if item.simulated else _("{share} larger", share=share)


def _smaller(item: Seen, size: float) -> str:
    share = percent(1 - size)
    return _("{share} smaller (projected)", share=share) if item.simulated else _("{share} smaller", share=share)


def _beside(size: str, speed: str) -> str:
    """“71% smaller, 1.5× slower here”."""
    return ", ".join(filter(None, (size, speed)))


def size_sentence(item: Seen) -> str:
    """“The 4-bit version is 71% smaller.”"""
    return _("{name} is {size}.", name=item.name.first, size=size_words(item))


def kept_sentences(item: Seen, everyone: int) -> list[str]:
    """On a variant whose answer has no fault; `everyone`: how many variants gave the same answer, if all did, else 0."""
    name, size, speed = item.name.first, size_words(item), item.pace.words_here
    if everyone:
        same = strong(_("same answer"))
        all_same = (
            _("Both give the {answer}.", answer=same)
            if everyone == 2
            else _("All {number} give the {answer}.", number=everyone, answer=same)
        )
        return [all_same, _("{name} is {size}.", name=name, size=_beside(size, speed))] if size or speed else [all_same]
    if item.change is None or not item.change.differs:
        answer = strong(_("same answer"))
        if not size:
            return [_("{name} gives the {answer}.", name=name, answer=answer)]
        return [_("{name} gives the {answer} and is {size}.", name=name, answer=answer, size=_beside(size, speed))]
    close = strong(_("within noise of the original"))
    if not size:
        return [_("{name} is {close}.", name=name, close=close)]
    return [_("{name} is {close} and is {size}.", name=name, close=close, size=_beside(size, speed))]


def lost_sentence(item: Seen) -> str:
    """On a variant whose answer has a fault, or is too short to tell."""
    name, speed = item.name.first, item.pace.words_here
    smaller = "" if item.size is None or item.size > 0.98 else _beside(_smaller(item, item.size), speed)
    if item.judgement.grade is Grade.CANT_TELL:
        if not smaller:
            return _("{name}: its answer is too short to judge.", name=name)
        return _("{name} is {size}; its answer is too short to judge.", name=name, size=smaller)
    outcome, places = _outcome(item), _places(item)
    if smaller:
        return _(outcome.with_size, name=name, size=smaller, places=places)
    return _(outcome.with_speed if speed else outcome.alone, name=name, speed=speed, places=places)


def _outcome(item: Seen) -> _Outcome:
    how_much = item.change.how_much if item.change is not None else "nothing"
    if item.judgement.grade is Grade.BROKEN:
        return _BROKEN[how_much]
    if item.judgement.grade is Grade.WRONG:
        return _LOST["wrong"]
    return _LOST["less sure" if how_much == "nothing" else how_much]


def _places(item: Seen) -> str:
    """“three places”, “12 places”."""
    count = item.change.places if item.change is not None else 0
    number = _(_NUMBERS[count]) if count < len(_NUMBERS) else str(count)
    return ngettext("{number} place", "{number} places", count, number=number)
