"""The runs of the Mix tab and the solved budgets as what the page should show: plain records in and out, no components."""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from statistics import fmean
from threading import Event
from typing import Any, TypeVar

from qdash.errors import QdashError
from qdash.execution.forward import forward_events
from qdash.present.language import _
from qdash.records import Mix, MixReport, ProgressiveReport, SensitivityReport, Step
from qdash.runs.mix import choices_of
from qdash.runs.mix.budget import read_budget
from qdash.runs.sensitivity import Emission
from qdash.tasks import bundled_set
from qdash.ui.components.step_words import said, said_with_time
from qdash.ui.mix.form import MOST_BITS, STEP_BITS, MixForm, requested
from qdash.ui.server.backend import Backend
from qdash.ui.server.run_errors import guarded, internal_error
from qdash.ui.server.run_queue import Entrance, waiting

Result = TypeVar("Result")


@dataclass(frozen=True)
class Known:
    """What each layer costs, and on which questions that was found: of the others, a proof takes its own."""

    report: SensitivityReport
    task: str
    limit: int


@dataclass(frozen=True)
class MixView:
    """One moment of a run: a status; then what is known, with the proof or the steps where they were asked for; or an error.

    While steps are measured, those so far come with a status.
    """

    status: str = ""
    known: Known | None = None
    proof: MixReport | None = None
    progressive: ProgressiveReport | None = None
    error: QdashError | None = None


def measured(form: MixForm, backend: Backend, line: Entrance, stop: Event) -> Iterator[MixView]:
    """Check, wait in the queue, measure. Never raises."""

    def run() -> Iterator[MixView]:
        asked = requested(form)
        with line.join() as ticket:
            for place in ticket.wait(stop):
                yield MixView(status=waiting(place))
            calibration = bundled_set(asked.task, asked.limit)
            job = backend.measure_sensitivity(
                asked.model, asked.schemes, calibration, stop, device=asked.device, baseline_dtype=asked.baseline_dtype
            )
            report = yield from _followed(job, said)
        choices_of(report)
        yield MixView(known=Known(report, asked.task, asked.limit))

    yield from _guarded(run(), "Measure layers")


def proved(known: Known | None, budget: Any, backend: Backend, line: Entrance, stop: Event) -> Iterator[MixView]:
    """Check, wait in the queue, prove the mix of this budget. Never raises."""

    def run() -> Iterator[MixView]:
        if known is None:
            raise QdashError("Nothing is measured yet.", "Press Measure layers first.")
        _best(known, budget)
        with line.join() as ticket:
            for place in ticket.wait(stop):
                yield MixView(status=waiting(place))
            began = time.monotonic()
            job = backend.prove_mix(known.report, budget, bundled_set(known.task, known.limit), stop)
            proof = yield from _followed(job, lambda step: said_with_time(step, time.monotonic() - began))
        yield MixView(known=known, proof=proof)

    yield from _guarded(run(), "Prove it")


def progressed(known: Known | None, scheme: Any, backend: Backend, line: Entrance, stop: Event) -> Iterator[MixView]:
    """Check, wait in the queue, quantize step by step; the steps come as they are measured. Never raises."""

    def run() -> Iterator[MixView]:
        if known is None:
            raise QdashError("Nothing is measured yet.", "Press Measure layers first.")
        if not isinstance(scheme, str) or scheme not in choices_of(known.report).schemes:
            raise QdashError("This scheme was not measured.", "Choose one of the list.")
        with line.join() as ticket:
            for place in ticket.wait(stop):
                yield MixView(status=waiting(place))
            began = time.monotonic()
            job = backend.measure_progressive(known.report, scheme, bundled_set(known.task, known.limit), stop)
            words = _("Loading the model.")
            yield MixView(status=words)

            def views(item: Step | ProgressiveReport) -> Iterator[MixView]:
                nonlocal words
                if isinstance(item, ProgressiveReport):
                    yield MixView(status=words, progressive=item)
                elif item.detail:
                    words = said_with_time(item, time.monotonic() - began)
                    yield MixView(status=words)

            report = yield from forward_events(job, views)
        yield MixView(known=known, progressive=report)

    yield from _guarded(run(), "Quantize step by step")


def first_budget(report: SensitivityReport) -> str:
    """A budget that is met by a mix: halfway between the schemes of fewest bits, or between the only one and the original."""
    choices = choices_of(report)
    bits = sorted({mix.bits for mix in (*map(choices.uniform, choices.schemes), choices.original)})[:2]
    return f"{min(round(fmean(bits) / STEP_BITS) * STEP_BITS, MOST_BITS):.4g}bits"


def solved(known: Known | None, budget: Any) -> Mix | QdashError | None:
    """The best mix within the budget, or why there is none; None before anything is measured. Never raises."""
    try:
        return None if known is None else _best(known, budget)
    except QdashError as error:
        return error
    except Exception:
        return internal_error()


def _best(known: Known, budget: Any) -> Mix:
    return choices_of(known.report).best(read_budget(budget if isinstance(budget, str) else ""))


def _guarded(views: Iterator[MixView], button: str) -> Iterator[MixView]:
    return guarded(views, button, lambda error, _before: MixView(error=error))


def _followed(job: Generator[Emission, None, Result], words: Callable[[Step], str]) -> Generator[MixView, None, Result]:
    yield MixView(status=_("Loading the model."))

    def views(item: Emission) -> Iterator[MixView]:
        if isinstance(item, Step) and item.detail:
            yield MixView(status=words(item))

    return (yield from forward_events(job, views))
