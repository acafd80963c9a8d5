"""A backend for public servers that stops jobs after a time limit, because others are waiting. Finished results are kept."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from threading import Event as StopEvent
from threading import Timer
from typing import Any

from qdash.catalog.types import ModelTask
from qdash.checkpoints.new_folder import NewFolder
from qdash.checkpoints.uploading import HubRepository
from qdash.errors import QdashError
from qdash.offer import no_training
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
from qdash.runs.heal import HealPlan
from qdash.runs.healing_passages import Lessons
from qdash.runs.plan import Plan
from qdash.runs.play import Game
from qdash.tasks import CalibrationSet, Item
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

    def estimate_fit(self, request: Request, context: int | None, conversations: int) -> FitReport:
        """As `backend` says."""
        return self.backend.estimate_fit(request, context, conversations)

    def measure_fit(self, request: Request, context: int, conversations: int, stop: StopEvent) -> Generator[Step, None, FitReport]:
        """Measure a context."""
        return self._within(self.backend.measure_fit(request, context, conversations, stop), stop)

    def compare(self, request: Request, png: bytes | None, stop: StopEvent) -> Iterator[Event]:
        """Run a comparison."""
        return self._within(self.backend.compare(request, png, stop), stop)

    def measure_weight_error(
        self, model: str, schemes: Sequence[str], stop: StopEvent, *, device: str
    ) -> Generator[Step | MeasuredLayer, None, WeightReport]:
        """Measure what schemes do to the weights."""
        return self._within(self.backend.measure_weight_error(model, schemes, stop, device=device), stop)

    def compare_files(self, model: str, others: Sequence[str], stop: StopEvent) -> Generator[Step | MeasuredLayer, None, WeightReport]:
        """Compare files of one model."""
        return self._within(self.backend.compare_files(model, others, stop), stop)

    def measure_drift(self, report: WeightReport, text: str | None, stop: StopEvent, *, device: str) -> Generator[Step, None, WeightReport]:
        """Compare models along a text."""
        return self._within(self.backend.measure_drift(report, text, stop, device=device), stop)

    def measure_layer(
        self, model: str, scheme: str, layer: str, stop: StopEvent, *, row: int | None, column: int, device: str
    ) -> Generator[Step, None, LayerDetail]:
        """Show one layer."""
        return self._within(self.backend.measure_layer(model, scheme, layer, stop, row=row, column=column, device=device), stop)

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
        """Measure what quantizing each layer does to the answers."""
        job = self.backend.measure_sensitivity(model, schemes, calibration, stop, device=device, baseline_dtype=baseline_dtype)
        return self._within(job, stop)

    def report_model(self, comparison: Comparison, index: int, stop: StopEvent) -> Generator[Step, None, InspectorReport]:
        """Look inside a variant."""
        return self._within(self.backend.report_model(comparison, index, stop), stop)

    def save(self, comparison: Comparison, index: int, target: NewFolder | HubRepository, stop: StopEvent) -> Generator[Step, None, Saved]:
        """Never: visitors get no files written on this server, nor anything sent with the token of its owner."""
        raise QdashError("This server does not save versions of models.", "Save one with a qdash of your own.", "unavailable")

    def prove_mix(
        self, report: SensitivityReport, budget: str, calibration: CalibrationSet, stop: StopEvent
    ) -> Generator[Step, None, MixReport]:
        """Prove a mix."""
        return self._within(self.backend.prove_mix(report, budget, calibration, stop), stop)

    def measure_progressive(
        self, report: SensitivityReport, scheme: str, calibration: CalibrationSet, stop: StopEvent
    ) -> Generator[Step | ProgressiveReport, None, ProgressiveReport]:
        """Quantize step by step."""
        return self._within(self.backend.measure_progressive(report, scheme, calibration, stop), stop)

    def plan_heal(self, model: str, scheme: str, *, device: str) -> HealPlan:
        """As `backend` says."""
        return self.backend.plan_heal(model, scheme, device=device)

    def heal(
        self, model: str, scheme: str, lessons: Callable[[], Lessons] | None, minutes: float, stop: StopEvent, *, device: str
    ) -> Generator[Step | HealEstimate, None, HealReport]:
        """Never: training takes minutes, in which nobody else would be served."""
        raise no_training()

    def check_healed(
        self, report: HealReport, request: EvaluationRequest, stop: StopEvent, items: Sequence[Item] | None
    ) -> Generator[EvaluationEvent, None, HealReport]:
        """Never: nothing is healed here."""
        raise no_training()

    def begin_play(self, model: str, owner: str, stop: StopEvent, *, device: str) -> Generator[Step, None, Game]:
        """Set up a game."""
        return self._within(self.backend.begin_play(model, owner, stop, device=device), stop)

    def play(self, game: Game, request: PlayRequest, stop: StopEvent) -> Generator[Step, None, Played]:
        """Make a move; one that takes too long ends the game."""
        return self._within(self.backend.play(game, request, stop), stop)

    def end_play(self, game: Game) -> None:
        """End a game."""
        self.backend.end_play(game)

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
