"""Measuring drift along a text, as a stream of what the page should show: plain records in, plain records out."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any

from qdash.errors import QdashError
from qdash.execution.forward import forward_events
from qdash.inputs import check_reference_text
from qdash.present.language import _, recorded
from qdash.records import WeightReport
from qdash.ui.controls.form import check_device
from qdash.ui.server.backend import Backend
from qdash.ui.server.run_errors import by_button, internal_error
from qdash.ui.server.run_queue import Entrance, waiting


@dataclass(frozen=True)
class DriftView:
    """One moment of measuring: a status, then the report of the files with their drift, or an error."""

    status: str = ""
    report: WeightReport | None = None
    error: QdashError | None = None


def drift_measured(
    report: WeightReport | None, text: Any, device: Any, backend: Backend, line: Entrance, stop: Event
) -> Iterator[DriftView]:
    """Check, wait in the queue, read `text` with every model of `report`; an empty one is the text that comes with qdash. Never raises."""
    try:
        if report is None or report.stored is None:
            raise QdashError("No files are compared yet.", "Press Compare files first.")
        said = check_reference_text(text) if isinstance(text, str) else None
        with line.join() as ticket:
            for place in ticket.wait(stop):
                yield DriftView(status=waiting(place))
            yield DriftView(status=_("Loading the model."))
            steps = backend.measure_drift(report, said, stop, device=check_device(device))
            found = yield from forward_events(steps, lambda step: (DriftView(status=recorded(step.detail)),) if step.detail else ())
        yield DriftView(report=found)
    except QdashError as error:
        yield DriftView(error=by_button(error, "Measure drift"))
    except Exception:
        yield DriftView(error=internal_error())
