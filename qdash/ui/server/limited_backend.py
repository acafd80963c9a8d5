"""A backend for public servers that stops jobs after a time limit, because others are waiting. Finished results are kept."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from threading import Event as StopEvent
from threading import Timer
from typing import Any

from qdash.catalog.models import ModelTask
from qdash.errors import QdashError
from qdash.records import (
    Comparison,
    EvaluationEvent,
    EvaluationRequest,
    Event,
    InspectorReport,
    LayerDetail,
    MeasuredLayer,
    Request,
    Step,
    WeightReport,
)
from qdash.runs.plan import Plan
from qdash.tasks import Item
from qdash.ui.server.backend import Backend


@dataclass(frozen=True)
class LimitedBackend:
    """See `qdash.ui.server.backend.Backend`. Each job of `backend` is stopped `seconds` after it began."""

    backend: Backend
    seconds: float

    def task(self, model: str) -> ModelTask:
        """As `backend` says."""
        return self.backend.task(model)

    def plan(self, request: Request) -> Plan:
        """As `backend` says."""
        return self.backend.plan(request)

    def compare(self, request: Request, png: bytes | None, stop: StopEvent) -> Iterator[Event]:
        """Run a comparison."""
        return self._within(self.backend.compare(request, png, stop), stop)

    def measure_weight_error(
        self, model: str, schemes: Sequence[str], stop: StopEvent, *, device: str
    ) -> Generator[Step | MeasuredLayer, None, WeightReport]:
        """Measure what schemes do to the weights."""
        return self._within(self.backend.measure_weight_error(model, schemes, stop, device=device), stop)

    def measure_layer(
        self, model: str, scheme: str, layer: str, stop: StopEvent, *, row: int | None, column: int, device: str
    ) -> Generator[Step, None, LayerDetail]:
        """Show one layer."""
        return self._within(self.backend.measure_layer(model, scheme, layer, stop, row=row, column=column, device=device), stop)

    def report_model(self, comparison: Comparison, index: int, stop: StopEvent) -> Generator[Step, None, InspectorReport]:
        """Look inside a variant."""
        return self._within(self.backend.report_model(comparison, index, stop), stop)

    def evaluate(self, request: EvaluationRequest, stop: StopEvent, items: Sequence[Item] | None = None) -> Iterator[EvaluationEvent]:
        """Give every variant the same task."""
        return self._within(self.backend.evaluate(request, stop, items), stop)

    def _within(self, job: Iterator[Any], stop: StopEvent) -> Generator[Any, None, Any]:
        """`job`, and after it an error if its time was over before it was done."""
        over = StopEvent()

        def end() -> None:
            if not stop.is_set():
                over.set()
                stop.set()

        timer = Timer(self.seconds, end)
        timer.daemon = True
        timer.start()
        try:
            result = yield from job
        except QdashError as error:
            raise (self._ended() if over.is_set() and error.kind == "cancelled" else error) from None
        finally:
            timer.cancel()
        if over.is_set() and result is None:
            raise self._ended()
        return result

    def _ended(self) -> QdashError:
        limit = f"{self.seconds:,.0f} seconds"
        return QdashError(
            f"This server ends a run after {limit}; everything finished by then is kept.",
            "Choose fewer versions, or less to measure.",
            "cancelled",
        )
