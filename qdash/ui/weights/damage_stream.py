"""Measuring what each layer costs in the answers, as a stream of what the page should show: plain records in, plain records out."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event

from qdash.errors import QdashError
from qdash.execution.forward import forward_events
from qdash.present.language import _, recorded
from qdash.records import LayerDamage, SensitivityBegun, SensitivityReport, Step, WeightReport
from qdash.tasks import suited_set
from qdash.ui.server.backend import Backend
from qdash.ui.server.run_errors import by_button, internal_error
from qdash.ui.server.run_queue import Entrance, waiting
from qdash.ui.weights.damage_view import device_of, why_not


@dataclass(frozen=True)
class DamageView:
    """One moment of measuring: a status, then a report or an error. A report may lack layers, if it was stopped."""

    status: str = ""
    report: SensitivityReport | None = None
    error: QdashError | None = None


def damage_measured(report: WeightReport | None, backend: Backend, line: Entrance, stop: Event) -> Iterator[DamageView]:
    """Wait in the queue, then measure all schemes of `report` that can be given to one layer alone. Never raises."""
    try:
        if report is None or report.stored is not None:
            raise QdashError("There are no schemes whose damage could be measured.", "Press Look inside first.")
        keys = [scheme.scheme for scheme in report.schemes]
        able = [key for key in keys if why_not(report, key) is None]
        with line.join() as ticket:
            for place in ticket.wait(stop):
                yield DamageView(status=waiting(place))
            yield DamageView(status=_("Loading the model."))
            calibration = suited_set(backend.task(report.model))
            steps = backend.measure_sensitivity(report.model, able or keys, calibration, stop, device=device_of(report))
            found = yield from forward_events(steps, _views)
        yield DamageView(report=found)
    except QdashError as error:
        yield DamageView(error=by_button(error, "Measure damage"))
    except Exception:
        yield DamageView(error=internal_error())


def _views(step: Step | SensitivityBegun | LayerDamage) -> Iterator[DamageView]:
    if isinstance(step, Step) and step.detail:
        yield DamageView(status=recorded(step.detail))
