"""How far each kind of run has come, from the events that it yields: a guess that keeps a bar moving evenly."""

from functools import partial

from qdash.cli.display.core import Bar, Position
from qdash.records import (
    Emitted,
    EvaluatedVariantDone,
    EvaluationEvent,
    EvaluationProgress,
    EvaluationRequest,
    Event,
    Progress,
    Request,
    Step,
)
from qdash.runs.plan import labels_of

# Where each stage of a comparison begins and ends: within a variant's share of the first half of the bar until it has answered, and in the
# second half, which all variants share, while they are timed.
_ANSWERING = {
    "queued": (0.0, 0.0),
    "locating": (0.0, 0.0),
    "downloading": (0.0, 0.0),
    "making": (0.0, 0.0),
    "unpacking": (0.0, 0.0),
    "loading": (0.0, 0.6),
    "answering": (0.6, 0.9),
    "scoring": (0.9, 1.0),
}
_TIMING = {"warming up": (0.0, 0.2), "timing": (0.2, 1.0)}
_LOADING = 0.1  # loading's share of a variant's time in an evaluation


def comparison_bar(request: Request) -> Bar[Event]:
    """Over all answers, one after the other, and then all timings, side by side."""
    return Bar(2 * len(request.variants), partial(_in_comparison, labels=labels_of(request.variants)))


def evaluation_bar(request: EvaluationRequest) -> Bar[EvaluationEvent]:
    """Over all variants, and then the timings that are repeated."""
    return Bar(len(request.variants) + 1, partial(_in_evaluation, labels=labels_of(request.variants)))


def steps_bar() -> Bar[Emitted]:
    """Over the steps of what is no comparison and no evaluation."""
    return Bar(1, lambda step: Position(step.fraction or 0, step.detail) if isinstance(step, Step) else None)


def _in_comparison(event: Event, labels: tuple[str, ...]) -> Position | None:
    if not isinstance(event, Progress):
        return None
    return Position(_completed(event, len(labels)), _joined(labels[event.index], event.stage, event.detail))


def _completed(event: Progress, count: int) -> float:
    """The progress, out of twice `count`: answers come one after the other, timings side by side."""
    if event.stage in _TIMING:
        begin, end = _TIMING[event.stage]
        fraction = (event.index + (event.fraction or 0)) / count if event.stage == "warming up" else event.fraction or 0
        return count * (1 + begin + (end - begin) * fraction)
    begin, end = _ANSWERING[event.stage]
    return event.index + begin + (end - begin) * (event.fraction or 0)


def _in_evaluation(event: EvaluationEvent, labels: tuple[str, ...]) -> Position | None:
    if isinstance(event, EvaluatedVariantDone):
        return Position(event.index + 1)
    if not isinstance(event, EvaluationProgress):
        return None
    left = f"about {event.eta_s:.0f} s left" if event.eta_s else ""
    return Position(_evaluated(event, len(labels)), _joined(labels[event.index], event.stage, event.detail, left))


def _evaluated(event: EvaluationProgress, count: int) -> float:
    if event.stage == "re-timing":
        return count + (event.fraction or 0)
    share = _LOADING + (1 - _LOADING) * (event.fraction or 0) if event.stage == "answering" else _LOADING * (event.fraction or 0)
    return event.index + share


def _joined(*words: str) -> str:
    return " · ".join(filter(None, words))
