"""The state of the cards while a comparison runs, as data.

`reduce` makes the next state of a state and an event; views draw it. So the page's behaviour is tested without a page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qdash.catalog.families.recipe import RECIPE
from qdash.catalog.schemes import Scheme, find_scheme, known_scheme
from qdash.records import (
    AnswerText,
    Comparison,
    ComparisonDone,
    Event,
    Progress,
    Request,
    Stage,
    Variant,
    VariantAnswered,
    VariantDone,
    VariantResult,
)
from qdash.runs.plan import labels_of
from qdash.ui.components.states import State

_STATE_OF_STAGE: dict[Stage, State] = {
    "queued": "queued",
    "locating": "locating",
    "downloading": "downloading",
    "making": "making",
    "unpacking": "unpacking",
    "loading": "loading",
    "answering": "answering",
    "scoring": "scoring",
}
"""The other stages are those of timing."""


_TO_TIME: tuple[State, ...] = ("answered", "measuring", "timed")


@dataclass(frozen=True)
class Card:
    """One variant on the page. `fraction` is the progress within `state`, None where the end is unknown.

    Until the comparison is over, `result` has no times: what is seen meanwhile cannot say that one variant is quicker than another.
    """

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
        return self.state in ("locating", "downloading", "making", "unpacking", "loading", "answering", "scoring", "measuring")

    @property
    def waiting(self) -> bool:
        """Whether the device does something else first."""
        return self.running and is_waiting(self.detail)


@dataclass(frozen=True)
class CompareState:
    """All cards in order, the baseline first, and the comparison once there is one. `latest`: the card that moved on last.

    `asked`: what is asked; None before anything is.
    """

    cards: tuple[Card, ...]
    comparison: Comparison | None = None
    latest: int = 0
    asked: Request | None = None

    @property
    def reference(self) -> str | None:
        """The baseline's whole answer, which the others are compared with."""
        result = self.cards[0].result if self.cards else None
        return result.answer if result else None

    @property
    def answered(self) -> bool:
        """Whether every variant has answered, or never will: what is left to do is timing."""
        return bool(self.cards) and all(card.result is not None for card in self.cards)

    @property
    def timing(self) -> bool:
        """Whether variants are being timed."""
        return any(card.state in ("measuring", "timed") for card in self.cards)

    @property
    def rounds_done(self) -> float | None:
        """How far the rounds are, 0 to 1, over all variants that are timed; None before the first.

        All that are being timed are in the same rounds; those that are not in memory together have rounds of their own, later.
        """
        known = [card.fraction for card in self.cards if card.state == "measuring" and card.fraction is not None]
        states = [state for state in self.states if state in _TO_TIME]
        if not known and "timed" not in states:
            return None
        return (states.count("timed") + states.count("measuring") * max(known, default=0.0)) / len(states)

    @property
    def states(self) -> tuple[State, ...]:
        """How far each card is."""
        return tuple(card.state for card in self.cards)


def is_waiting(detail: str) -> bool:
    """Whether a step says that somebody else has the device first."""
    return detail.startswith("waiting for another measurement")


def ready_state(variants: Sequence[Variant]) -> CompareState:
    """What the page shows before anything ran."""
    return CompareState(_cards(variants, "ready"))


def queued_state(request: Request) -> CompareState:
    """Every variant of `request`, waiting."""
    return CompareState(_cards(request.variants, "queued"), asked=request)


def _cards(variants: Sequence[Variant], state: State) -> tuple[Card, ...]:
    return tuple(Card(find_scheme(variant.scheme), label, state) for variant, label in zip(variants, labels_of(variants), strict=True))


def finished_state(comparison: Comparison) -> CompareState:
    """The state of a comparison that is over, from its results alone."""
    cards = tuple(_finished(Card(_scheme_of(result), result.label), result) for result in comparison.variants)
    return CompareState(cards, comparison, asked=comparison.request)


def _scheme_of(result: VariantResult) -> Scheme:
    """The catalogue's; for a scheme of another version, what the result itself says."""
    stand_in = Scheme(result.scheme, result.label, RECIPE, result.kind, result.bits, activation_bits=None, about="")
    return known_scheme(result.scheme) or stand_in


def reduce(state: CompareState, event: Event) -> CompareState:
    """The state after `event`."""
    if isinstance(event, ComparisonDone):
        return finished_state(event.comparison)
    card = state.cards[event.index]
    cards = list(state.cards)
    cards[event.index] = _moved(card, event)
    return replace(state, cards=tuple(cards), latest=event.index)


def _moved(card: Card, event: Progress | AnswerText | VariantAnswered | VariantDone) -> Card:
    if isinstance(event, AnswerText):
        return replace(card, text=event.text)
    if isinstance(event, Progress):
        state = _STATE_OF_STAGE.get(event.stage, "measuring")
        return replace(card, state=state, fraction=event.fraction, detail=event.detail)
    without_times = event.result.model_copy(update={"latency": None, "relative": None})
    if isinstance(event, VariantAnswered):
        return _finished(card, without_times, ran="answered")
    return _finished(card, without_times, ran="untimed" if event.result.latency is None else "timed")


def _finished(card: Card, result: VariantResult, ran: State = "done") -> Card:
    """The card of a variant with a result, in the state `ran` if it is one of measurements."""
    text = result.answer if result.answer is not None else card.text
    return replace(card, label=result.label, state=_state_after(result, ran), fraction=None, detail="", text=text, result=result)


def _state_after(result: VariantResult, ran: State) -> State:
    if result.status == "ok":
        return ran
    if result.error is not None and result.error.kind == "cancelled":
        return "stopped"
    return "skipped" if result.status == "skipped" else "failed"
