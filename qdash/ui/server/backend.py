"""Everything the page can ask for. Tests put a script behind this interface, production puts workers behind it."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event as StopEvent
from typing import Protocol

from qdash import checkpoints
from qdash.catalog.models import MODELS
from qdash.catalog.types import ModelTask
from qdash.checkpoints.new_folder import NewFolder
from qdash.checkpoints.uploading import HubRepository
from qdash.execution import Executor
from qdash.records import (
    Comparison,
    Dtype,
    EvaluationEvent,
    EvaluationRequest,
    Event,
    FitReport,
    HealEstimate,
    HealReport,
    InspectorReport,
    LayerDamage,
    LayerDetail,
    MeasuredLayer,
    MixReport,
    Played,
    PlayRequest,
    ProgressiveReport,
    Request,
    Saved,
    SensitivityBegun,
    SensitivityReport,
    Step,
    WeightReport,
)
from qdash.report import model_card
from qdash.runs import compare as comparing
from qdash.runs import drift, heal_check, model_report, sensitivity, weight_error, weight_files
from qdash.runs import evaluate as evaluation
from qdash.runs import fit as fitting
from qdash.runs import heal as healing
from qdash.runs import mix as mixing
from qdash.runs import plan as planning
from qdash.runs import play as playing
from qdash.runs import save as saving
from qdash.runs.heal import HealPlan
from qdash.runs.healing_passages import Lessons
from qdash.runs.plan import Plan
from qdash.runs.play import Game
from qdash.runs.push import push_version
from qdash.tasks import CalibrationSet, Item

_PATIENCE_S = 2.0


class Backend(Protocol):
    """The verbs behind the page; each raises QdashError."""

    def task(self, model: str) -> ModelTask:
        """Whether `model` reads pictures or only text."""
        ...

    def plan(self, request: Request) -> Plan:
        """Estimate without loading anything."""
        ...

    def estimate_fit(self, request: Request, context: int | None, conversations: int) -> FitReport:
        """Estimate what a context takes without loading anything; None: the usual one for the model."""
        ...

    def measure_fit(self, request: Request, context: int, conversations: int, stop: StopEvent) -> Generator[Step, None, FitReport]:
        """Estimate, and measure how far that is off."""
        ...

    def compare(self, request: Request, png: bytes | None, stop: StopEvent) -> Iterator[Event]:
        """Run a comparison."""
        ...

    def measure_weight_error(
        self, model: str, schemes: Sequence[str], stop: StopEvent, *, device: str
    ) -> Generator[Step | MeasuredLayer, None, WeightReport]:
        """Measure what schemes do to the weights."""
        ...

    def compare_files(self, model: str, others: Sequence[str], stop: StopEvent) -> Generator[Step | MeasuredLayer, None, WeightReport]:
        """Measure how far the weights of other files of the model lie from its own."""
        ...

    def measure_drift(self, report: WeightReport, text: str | None, stop: StopEvent, *, device: str) -> Generator[Step, None, WeightReport]:
        """Measure how closely the models of compared files agree along a text; None: the one that comes with qdash."""
        ...

    def measure_layer(
        self, model: str, scheme: str, layer: str, stop: StopEvent, *, row: int | None, column: int, device: str
    ) -> Generator[Step, None, LayerDetail]:
        """Show one layer near enough to see single weights."""
        ...

    def measure_sensitivity(
        self,
        model: str,
        schemes: Sequence[str],
        calibration: CalibrationSet,
        stop: StopEvent,
        *,
        device: str,
        baseline_dtype: Dtype | None = None,
    ) -> Generator[Step | SensitivityBegun | LayerDamage, None, SensitivityReport]:
        """Measure what quantizing each layer alone does to the answers to one half of the questions."""
        ...

    def report_model(self, comparison: Comparison, index: int, stop: StopEvent) -> Generator[Step, None, InspectorReport]:
        """Look inside a variant of a finished comparison."""
        ...

    def save(self, comparison: Comparison, index: int, target: NewFolder | HubRepository, stop: StopEvent) -> Generator[Step, None, Saved]:
        """Save a variant of a finished comparison as files, here or on the hub."""
        ...

    def prove_mix(
        self, report: SensitivityReport, budget: str, calibration: CalibrationSet, stop: StopEvent
    ) -> Generator[Step, None, MixReport]:
        """Prove the best mix on the other half of the questions that `report` was measured on."""
        ...

    def measure_progressive(
        self, report: SensitivityReport, scheme: str, calibration: CalibrationSet, stop: StopEvent
    ) -> Generator[Step | ProgressiveReport, None, ProgressiveReport]:
        """Quantize step by step in several orders, measured on the other half of the questions that `report` was measured on."""
        ...

    def plan_heal(self, model: str, scheme: str, *, device: str) -> HealPlan:
        """Tell what training would take, and what was trained before, without loading anything."""
        ...

    def heal(
        self, model: str, scheme: str, lessons: Callable[[], Lessons] | None, minutes: float, stop: StopEvent, *, device: str
    ) -> Generator[Step | HealEstimate, None, HealReport]:
        """Train a model for a scheme on `lessons`, which are made when they are needed; None: on its own answers."""
        ...

    def check_healed(
        self, report: HealReport, request: EvaluationRequest, stop: StopEvent, items: Sequence[Item] | None
    ) -> Generator[EvaluationEvent, None, HealReport]:
        """Count the right answers of a healed version, of the unhealed one and of the original, and keep them with it."""
        ...

    def begin_play(self, model: str, owner: str, stop: StopEvent, *, device: str) -> Generator[Step, None, Game]:
        """Set up a game for `owner` alone."""
        ...

    def play(self, game: Game, request: PlayRequest, stop: StopEvent) -> Generator[Step, None, Played]:
        """Make a move."""
        ...

    def end_play(self, game: Game) -> None:
        """End a game, and its worker."""
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

    def estimate_fit(self, request: Request, context: int | None, conversations: int) -> FitReport:
        """See `fit.estimate_fit`; a page waits for its sizes no longer than a person does."""
        held_bytes = self.executor.held_bytes(planning.device_of(request))
        return fitting.estimate_fit(request, context, conversations, held_bytes=held_bytes, wait_s=_PATIENCE_S)

    def measure_fit(self, request: Request, context: int, conversations: int, stop: StopEvent) -> Generator[Step, None, FitReport]:
        """See `fit.measure_fit`."""
        return fitting.measure_fit(request, context, conversations, self.executor, stop)

    def compare(self, request: Request, png: bytes | None, stop: StopEvent) -> Iterator[Event]:
        """See `compare.compare`."""
        return comparing.compare(request, png, self.executor, stop)

    def measure_weight_error(
        self, model: str, schemes: Sequence[str], stop: StopEvent, *, device: str
    ) -> Generator[Step | MeasuredLayer, None, WeightReport]:
        """See `weight_error.measure_weight_error`."""
        return weight_error.measure_weight_error(model, schemes, self.executor, stop, device=device)

    def compare_files(self, model: str, others: Sequence[str], stop: StopEvent) -> Generator[Step | MeasuredLayer, None, WeightReport]:
        """See `weight_files.compare_files`."""
        return weight_files.compare_files(model, others, self.executor, stop)

    def measure_drift(self, report: WeightReport, text: str | None, stop: StopEvent, *, device: str) -> Generator[Step, None, WeightReport]:
        """See `drift.measure_drift`."""
        return drift.measure_drift(report, text or drift.bundled_text(), self.executor, stop, device=device)

    def measure_layer(
        self, model: str, scheme: str, layer: str, stop: StopEvent, *, row: int | None, column: int, device: str
    ) -> Generator[Step, None, LayerDetail]:
        """See `weight_error.measure_layer`."""
        return weight_error.measure_layer(model, scheme, layer, self.executor, stop, row=row, column=column, device=device)

    def measure_sensitivity(
        self,
        model: str,
        schemes: Sequence[str],
        calibration: CalibrationSet,
        stop: StopEvent,
        *,
        device: str,
        baseline_dtype: Dtype | None = None,
    ) -> Generator[Step | SensitivityBegun | LayerDamage, None, SensitivityReport]:
        """See `sensitivity.measure_sensitivity`."""
        return sensitivity.measure_sensitivity(
            model, schemes, calibration, self.executor, stop, device=device, baseline_dtype=baseline_dtype
        )

    def report_model(self, comparison: Comparison, index: int, stop: StopEvent) -> Generator[Step, None, InspectorReport]:
        """See `model_report.report_model`."""
        return model_report.report_model(comparison.request, index, self.executor, stop, comparison)

    def save(self, comparison: Comparison, index: int, target: NewFolder | HubRepository, stop: StopEvent) -> Generator[Step, None, Saved]:
        """See `save.save_version` and `push.push_version`; the figures of `comparison` are in the model card."""
        card = partial(model_card, comparison=comparison)
        if isinstance(target, HubRepository):
            return push_version(comparison.request, index, target, card, self.executor, stop)
        return saving.save_version(comparison.request, index, target, card, self.executor, stop)

    def prove_mix(
        self, report: SensitivityReport, budget: str, calibration: CalibrationSet, stop: StopEvent
    ) -> Generator[Step, None, MixReport]:
        """See `mix.prove_mix`."""
        return mixing.prove_mix(report, budget, calibration, self.executor, stop)

    def measure_progressive(
        self, report: SensitivityReport, scheme: str, calibration: CalibrationSet, stop: StopEvent
    ) -> Generator[Step | ProgressiveReport, None, ProgressiveReport]:
        """See `mix.measure_progressive`."""
        return mixing.measure_progressive(report, scheme, calibration, self.executor, stop)

    def plan_heal(self, model: str, scheme: str, *, device: str) -> HealPlan:
        """See `heal.plan_heal`; a page waits for its sizes no longer than a person does."""
        return healing.plan_heal(model, scheme, self.executor.held_bytes, device=device, wait_s=_PATIENCE_S)

    def heal(
        self, model: str, scheme: str, lessons: Callable[[], Lessons] | None, minutes: float, stop: StopEvent, *, device: str
    ) -> Generator[Step | HealEstimate, None, HealReport]:
        """See `heal.heal`."""
        return healing.heal(model, scheme, lessons, minutes, self.executor, stop, device=device)

    def check_healed(
        self, report: HealReport, request: EvaluationRequest, stop: StopEvent, items: Sequence[Item] | None
    ) -> Generator[EvaluationEvent, None, HealReport]:
        """See `heal_check.check_healed`."""
        return heal_check.check_healed(report, request, self.executor, stop, items)

    def begin_play(self, model: str, owner: str, stop: StopEvent, *, device: str) -> Generator[Step, None, Game]:
        """See `play.begin_play`."""
        return playing.begin_play(model, owner, self.executor, stop, device=device)

    def play(self, game: Game, request: PlayRequest, stop: StopEvent) -> Generator[Step, None, Played]:
        """See `play.play`."""
        return playing.play(game, request, self.executor, stop)

    def end_play(self, game: Game) -> None:
        """See `play.end_play`."""
        playing.end_play(game, self.executor)

    def evaluate(self, request: EvaluationRequest, stop: StopEvent, items: Sequence[Item] | None = None) -> Iterator[EvaluationEvent]:
        """See `evaluate.evaluate`."""
        return evaluation.evaluate(request, self.executor, stop, items)
