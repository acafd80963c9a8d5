"""Invented trainings: each divides the divergence from the original by eleven; what was trained is remembered for each model and scheme."""

from collections.abc import Generator, Iterator, Sequence
from threading import Event

from qdash.catalog.schemes import find_scheme
from qdash.errors import QdashError
from qdash.records import EvaluationDone, EvaluationEvent, HealEstimate, Healing, HealPoint, HealReport, Step
from qdash.runs.heal import HealPlan

ESTIMATE = HealEstimate(needed_bytes=420 * 2**20, available_bytes=6 * 2**30, trained_parameters=3_000_000)
ENDLESS_MINUTES = 66.0
"""A training that goes on until it is stopped, and keeps what it has by then."""
FAILING_MINUTES = 13.0
"""One that makes nothing better."""


def points(minutes: float, number: int = 6, before: float = 0.55, zeros: Sequence[float] = ()) -> tuple[HealPoint, ...]:
    """Scores of a training that gets better all the time, with these shares of `zeros` if any are given."""
    return tuple(
        HealPoint(
            seconds=60 * minutes * done / (number - 1), steps=30 * done, train_kl=None if not done else 1.1 * before / (1 + 2 * done),
            held_out_kl=before / (1 + 2 * done), zeros=zeros[done] if zeros else None,
        )
        for done in range(number)
    )  # fmt: skip


def healed_report(model: str, scheme: str, minutes: float, scores: tuple[HealPoint, ...], *, stopped: bool = False) -> HealReport:
    """What is kept of a training on stories."""
    found = find_scheme(scheme)
    return HealReport(
        model=model, revision="r", scheme=scheme, label=found.label, unhealed=found.family.unhealed(found), source="stories",
        passages=12_000, held_out=96, minutes=minutes, points=scores, estimate=ESTIMATE, device="cpu", stopped=stopped,
    )  # fmt: skip


class ScriptedHealing:
    """What was trained so far."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], HealReport] = {}

    def plan(self, model: str, scheme: str) -> HealPlan:
        """Always fits."""
        kept = self._kept.get((model, scheme))
        return HealPlan(ESTIMATE, kept.points[-1].seconds if kept is not None else 0.0, kept)

    def heal(
        self, model: str, scheme: str, minutes: float, stop: Event, pause_s: float
    ) -> Generator[Step | HealEstimate, None, HealReport]:
        """See `ENDLESS_MINUTES` and `FAILING_MINUTES`; all others take six scores."""
        yield Step(detail="loading weights")
        scores = points(minutes, zeros=(0.8, 0.28, 0.48, 0.62, 0.72, 0.8) if find_scheme(scheme).family.prunes else ())
        for number in range(1, len(scores) + 1):
            seen = scores[:number]
            yield Healing(fraction=seen[-1].seconds / 60 / minutes, points=seen, steps=seen[-1].steps, train_kl=seen[-1].train_kl)
            if stop.wait(3600 if minutes == ENDLESS_MINUTES and number == 3 else pause_s):
                return self._keep(healed_report(model, scheme, minutes, seen, stopped=True))
        if minutes == FAILING_MINUTES:
            raise QdashError(
                "Training diverged: the numbers are no longer finite.", "Give it other passages, or a scheme with more bits.", "not_finite"
            )
        return self._keep(healed_report(model, scheme, minutes, scores))

    def check(self, report: HealReport, events: Iterator[EvaluationEvent]) -> Generator[EvaluationEvent, None, HealReport]:
        """What `events` of an evaluation end with is kept."""
        for event in events:
            yield event
            if isinstance(event, EvaluationDone):
                report = self._keep(report.model_copy(update={"check": event.evaluation}))
        return report

    def _keep(self, report: HealReport) -> HealReport:
        self._kept[report.model, report.scheme] = report
        return report
