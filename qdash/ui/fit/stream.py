"""Estimating and measuring as what the page should show: plain records in, plain records out, no components."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any

from qdash.errors import QdashError
from qdash.execution.forward import forward_events
from qdash.offer import check_context
from qdash.present.language import _
from qdash.records import FitReport, Request, Step
from qdash.ui.components.step_words import said
from qdash.ui.controls.form import check_device, check_dtype, check_model, check_variants, whole_number
from qdash.ui.server.backend import Backend
from qdash.ui.server.run_errors import guarded, internal_error
from qdash.ui.server.run_queue import Entrance, waiting


@dataclass(frozen=True)
class FitForm:
    """The values that decide, unchecked, as a browser sends them; `context` is None until somebody moves the slider."""

    model: Any
    schemes: Any
    baseline_dtype: Any
    device: Any
    context: Any
    conversations: Any


@dataclass(frozen=True)
class FitView:
    """One moment of measuring: a status, then a report or an error."""

    status: str = ""
    report: FitReport | None = None
    error: QdashError | None = None


def estimated(form: FitForm, backend: Backend) -> FitReport | QdashError:
    """The estimate, or why there is none. Never raises."""
    try:
        return backend.estimate_fit(*_asked(form))
    except QdashError as error:
        return error
    except Exception:
        return internal_error()


def measured(form: FitForm, backend: Backend, line: Entrance, stop: Event) -> Iterator[FitView]:
    """Check, wait in the queue, measure. Never raises."""

    def run() -> Iterator[FitView]:
        request, context, conversations = _asked(form)
        context = context or backend.estimate_fit(request, None, conversations).context
        check_context(context, conversations)
        with line.join() as ticket:
            for place in ticket.wait(stop):
                yield FitView(status=waiting(place))
            yield from _views(backend.measure_fit(request, context, conversations, stop))

    yield from guarded(run(), "Measure", lambda error, _before: FitView(error=error))


def _views(steps: Generator[Step, None, FitReport]) -> Iterator[FitView]:
    yield FitView(status=_("Loading the model."))
    report = yield from forward_events(steps, lambda step: (FitView(status=said(step)),) if step.detail else ())
    yield FitView(report=report)


def _asked(form: FitForm) -> tuple[Request, int | None, int]:
    """What a person chose, checked, None for a context that nobody chose; schemes of other models are left out. Raises QdashError."""
    model = check_model(form.model)
    variants = tuple(variant for variant in check_variants(model, form.schemes) if variant.model == model)
    if not variants:
        raise QdashError("No scheme of this model is chosen.", "Choose one at the side.")
    device, dtype = check_device(form.device), check_dtype(form.baseline_dtype)
    request = Request(variants=variants, prompt="", device=device, baseline_dtype=dtype)
    context = None if form.context is None else _whole(form.context, "context")
    return request, context, _whole(form.conversations, "number of conversations")


def _whole(value: Any, what: str) -> int:
    number = whole_number(value, 1, 2**31 - 1)
    if number is None:
        raise QdashError(f"The {what} is not a whole number above 0.", "Correct it.")
    return number
