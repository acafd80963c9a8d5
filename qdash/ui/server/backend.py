"""Everything the page can ask for. Tests put a script behind this interface, production puts workers behind it."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from threading import Event as StopEvent
from typing import Protocol

from qdash import checkpoints
from qdash.catalog.models import MODELS, ModelTask
from qdash.execution import Executor
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
from qdash.runs import compare as comparing
from qdash.runs import evaluate as evaluation
from qdash.runs import model_report, weight_error
from qdash.runs import plan as planning
from qdash.runs.plan import Plan
from qdash.tasks import Item


class Backend(Protocol):
    """The verbs behind the page; each raises QdashError."""

    def task(self, model: str) -> ModelTask:
        """Whether `model` reads pictures or only text."""
        ...

    def plan(self, request: Request) -> Plan:
        """Estimate without loading anything."""
        ...

    def compare(self, request: Request, png: bytes | None, stop: StopEvent) -> Iterator[Event]:
        """Run a comparison."""
        ...

    def measure_weight_error(
        self, model: str, schemes: Sequence[str], stop: StopEvent, *, device: str
    ) -> Generator[Step | MeasuredLayer, None, WeightReport]:
        """Measure what schemes do to the weights."""
        ...

    def measure_layer(
        self, model: str, scheme: str, layer: str, stop: StopEvent, *, row: int | None, column: int, device: str
    ) -> Generator[Step, None, LayerDetail]:
        """Show one layer near enough to see single weights."""
        ...

    def report_model(self, comparison: Comparison, index: int, stop: StopEvent) -> Generator[Step, None, InspectorReport]:
        """Look inside a variant of a finished comparison."""
        ...

    def evaluate(self, request: EvaluationRequest, stop: StopEvent, items: Sequence[Item] | None = None) -> Iterator[EvaluationEvent]:
        """Give every variant the same task; `items`: the questions, None: the task's own."""
        ...


@dataclass(frozen=True)
class EngineBackend:
    """The real backend: everything runs in the workers of `executor`."""

    executor: Executor

    def task(self, model: str) -> ModelTask:
        """From the catalogue where it is there, else from the checkpoint's configuration."""
        known = MODELS.get(model)
        return known.task if known else checkpoints.locate(model).task

    def plan(self, request: Request) -> Plan:
        """See `plan.plan`."""
        return planning.plan(request, self.executor.held_bytes)

    def compare(self, request: Request, png: bytes | None, stop: StopEvent) -> Iterator[Event]:
        """See `compare.compare`."""
        return comparing.compare(request, png, self.executor, stop)

    def measure_weight_error(
        self, model: str, schemes: Sequence[str], stop: StopEvent, *, device: str
    ) -> Generator[Step | MeasuredLayer, None, WeightReport]:
        """See `weight_error.measure_weight_error`."""
        return weight_error.measure_weight_error(model, schemes, self.executor, stop, device=device)

    def measure_layer(
        self, model: str, scheme: str, layer: str, stop: StopEvent, *, row: int | None, column: int, device: str
    ) -> Generator[Step, None, LayerDetail]:
        """See `weight_error.measure_layer`."""
        return weight_error.measure_layer(model, scheme, layer, self.executor, stop, row=row, column=column, device=device)

    def report_model(self, comparison: Comparison, index: int, stop: StopEvent) -> Generator[Step, None, InspectorReport]:
        """See `model_report.report_model`."""
        return model_report.report_model(comparison.request, index, self.executor, stop, comparison)

    def evaluate(self, request: EvaluationRequest, stop: StopEvent, items: Sequence[Item] | None = None) -> Iterator[EvaluationEvent]:
        """See `evaluate.evaluate`."""
        return evaluation.evaluate(request, self.executor, stop, items)
