"""The state of the cards while a comparison runs, as data.

Events come in, a new board comes out; drawing it is somebody else's job. That keeps the page's behaviour testable without a page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from qdash.catalog.schemes import Scheme, find_scheme, known_scheme
from qdash.planning import labels_of
from qdash.records import AnswerText, Comparison, ComparisonDone, Event, Progress, Request, Stage, Variant, VariantDone, VariantResult

State = Literal[
    "ready", "queued", "downloading", "making", "loading", "answering", "measuring", "scoring", "done", "failed", "skipped", "stopped"
]

_STATE_OF_STAGE: dict[Stage, State] = {
    "queued": "queued",
    "downloading": "downloading",
    "making": "making",
    "loading": "loading",
    "answering": "answering",
    "warming up": "measuring",
    "timing": "measuring",
    "scoring": "scoring",
    "re-timing": "measuring",
}


@dataclass(frozen=True)
class Card:
    """One variant on the page. `fraction` is the progress within `state`, None where the end is unknown."""

    scheme: Scheme
    label: str
    state: State = "queued"
    fraction: float | None = None
    detail: str = ""
    text: str = ""
    result: VariantResult | None = None

    @property
    def running(self) -> bool:
        """Whether something is happening to this variant right now."""
        return self.state in ("downloading", "making", "loading", "answering", "measuring", "scoring")


@dataclass(frozen=True)
class Board:
    """All cards in order, the baseline first, and the comparison once there is one."""

    cards: tuple[Card, ...]
    comparison: Comparison | None = None

    @property
    def reference(self) -> str | None:
        """The baseline's finished answer, which the others are compared with."""
        result = self.cards[0].result if self.cards else None
        return result.answer if result else None

    @property
    def states(self) -> tuple[State, ...]:
        """How far each card is."""
        return tuple(card.state for card in self.cards)


def ready_board(variants: Sequence[Variant]) -> Board:
    """What the page shows before anything ran."""
    return Board(_cards(variants, "ready"))


def queued_board(request: Request) -> Board:
    """Every variant of `request`, waiting."""
    return Board(_cards(request.variants, "queued"))


def _cards(variants: Sequence[Variant], state: State) -> tuple[Card, ...]:
    return tuple(Card(find_scheme(variant.scheme), label, state) for variant, label in zip(variants, labels_of(variants), strict=True))


def finished_board(comparison: Comparison) -> Board:
    """The board of a comparison that is over, from its results alone."""
    cards = tuple(_finished(Card(_scheme_of(result), result.label), result) for result in comparison.variants)
    return Board(cards, comparison)


def _scheme_of(result: VariantResult) -> Scheme:
    """The catalogue's; for a scheme of another version, what the result itself says."""
    stand_in = Scheme(result.scheme, result.label, "recipe", result.kind, result.bits, activation_bits=None, about="")
    return known_scheme(result.scheme) or stand_in


def advance(board: Board, event: Event) -> Board:
    """The board after `event`."""
    if isinstance(event, ComparisonDone):
        return finished_board(event.comparison)
    card = board.cards[event.index]
    cards = list(board.cards)
    cards[event.index] = _moved(card, event)
    return replace(board, cards=tuple(cards))


def _moved(card: Card, event: Progress | AnswerText | VariantDone) -> Card:
    if isinstance(event, AnswerText):
        return replace(card, text=event.text)
    if isinstance(event, VariantDone):
        return _finished(card, event.result)
    return replace(card, state=_STATE_OF_STAGE[event.stage], fraction=event.fraction, detail=event.detail)


def _finished(card: Card, result: VariantResult) -> Card:
    text = result.answer if result.answer is not None else card.text
    return replace(card, label=result.label, state=_final_state(result), fraction=None, detail="", text=text, result=result)


def _final_state(result: VariantResult) -> State:
    if result.status == "ok":
        return "done"
    if result.error is not None and result.error.kind == "cancelled":
        return "stopped"
    return "skipped" if result.status == "skipped" else "failed"
