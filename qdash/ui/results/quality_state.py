"""The state of the table while an evaluation runs, as data; `reduce` makes the next one of an event, as in `compare_state`."""

from dataclasses import dataclass, replace

from qdash.catalog.schemes import find_scheme
from qdash.records import (
    EvaluatedVariant,
    EvaluatedVariantDone,
    Evaluation,
    EvaluationDone,
    EvaluationEvent,
    EvaluationProgress,
    EvaluationRequest,
    EvaluationStage,
    ItemsAnswered,
    Kind,
    Proportion,
)
from qdash.runs.plan import labels_of
from qdash.ui.components.states import State
from qdash.ui.results.compare_state import is_waiting

_STATE_OF_STAGE: dict[EvaluationStage, State] = {
    "queued": "queued",
    "locating": "locating",
    "downloading": "downloading",
    "making": "making",
    "unpacking": "unpacking",
    "loading": "loading",
    "answering": "answering",
    "re-timing": "measuring",
}


@dataclass(frozen=True)
class VariantProgress:
    """One variant: what it does, how far it is, and its accuracy so far. `eta_s`: seconds to go for it; `detail`: about the latest step."""

    label: str
    bits: int | None
    kind: Kind
    state: State = "queued"
    fraction: float | None = None
    done: int = 0
    total: int = 0
    eta_s: float | None = None
    detail: str = ""
    accuracy: Proportion | None = None
    result: EvaluatedVariant | None = None

    @property
    def running(self) -> bool:
        """Whether something is happening to it right now."""
        return self.state in ("locating", "downloading", "making", "unpacking", "loading", "answering", "measuring")

    @property
    def waiting(self) -> bool:
        """Whether somebody else has the device first."""
        return self.running and is_waiting(self.detail)


@dataclass(frozen=True)
class QualityState:
    """All variants in order, and the evaluation once it is over."""

    rows: tuple[VariantProgress, ...]
    evaluation: Evaluation | None = None

    @property
    def current(self) -> VariantProgress | None:
        """The one whose turn it is."""
        return next((row for row in self.rows if row.running), None)

    @property
    def states(self) -> tuple[State, ...]:
        """How far each row is."""
        return tuple(row.state for row in self.rows)


def queued_state(request: EvaluationRequest) -> QualityState:
    """Every variant of `request`, waiting."""
    schemes = [find_scheme(variant.scheme) for variant in request.variants]
    labels = labels_of(request.variants)
    return QualityState(tuple(VariantProgress(label, scheme.bits, scheme.kind) for label, scheme in zip(labels, schemes, strict=True)))


def reduce(state: QualityState, event: EvaluationEvent) -> QualityState:
    """The state after `event`."""
    if isinstance(event, EvaluationDone):
        return replace(state, evaluation=event.evaluation)
    rows = list(state.rows)
    rows[event.index] = _moved(rows[event.index], event)
    return replace(state, rows=tuple(rows))


def _moved(row: VariantProgress, event: EvaluationProgress | ItemsAnswered | EvaluatedVariantDone) -> VariantProgress:
    if isinstance(event, ItemsAnswered):
        return replace(row, accuracy=event.accuracy)
    if isinstance(event, EvaluatedVariantDone):
        result = event.result
        return replace(
            row, label=result.label, bits=result.bits, state=final_state(result), accuracy=result.accuracy, result=result,
            fraction=None, eta_s=None, done=len(result.items),
        )  # fmt: skip
    state = _STATE_OF_STAGE[event.stage]
    return replace(
        row, state=state, fraction=event.fraction, done=event.done, total=event.total or row.total, eta_s=event.eta_s, detail=event.detail
    )  # fmt: skip


def final_state(result: EvaluatedVariant) -> State:
    """How it ended."""
    if result.status == "ok":
        return "done"
    if result.error is not None and result.error.kind == "cancelled":
        return "stopped"
    return "skipped" if result.status == "skipped" else "failed"
