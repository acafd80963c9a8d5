"""The best mix of schemes within a budget: what each layer costs is found out, the best choice is solved for, and proved on other items."""

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from threading import Event

from qdash import checkpoints
from qdash.catalog.schemes import find_scheme
from qdash.errors import QdashError
from qdash.execution import Executor
from qdash.execution.forward import forward_events
from qdash.records import Dtype, MixReport, ProgressiveReport, Request, SensitivityReport, Step
from qdash.runs.mix.budget import read_budget
from qdash.runs.mix.choice import Choices, Limits
from qdash.runs.mix.progressive import progress, steps_in
from qdash.runs.mix.proof import Proof, prove
from qdash.runs.plan import host_of, variants_of
from qdash.runs.sensitivity import Emission, measure_sensitivity
from qdash.tasks import CalibrationSet

_SEARCH = 0.6
"""The share of the work that comes before the proof."""


def find_mix(
    model: str,
    schemes: Sequence[str],
    budget: str,
    calibration: CalibrationSet,
    executor: Executor,
    stop: Event | None = None,
    *,
    limits: Limits | None = None,
    device: str = "auto",
    baseline_dtype: Dtype | None = None,
) -> Generator[Step, None, MixReport]:
    """Find the best mix of `schemes` within `budget` on half of the questions, and prove it on the others, yielding progress.

    Without questions for a proof there is none. Raises QdashError, also for a budget that cannot be met.
    """
    read_budget(budget)
    search = measure_sensitivity(model, schemes, calibration, executor, stop, device=device, baseline_dtype=baseline_dtype)
    report = yield from forward_events(search, partial(_share, 0.0, _SEARCH))
    proving = prove_mix(report, budget, calibration, executor, stop, limits)
    return (yield from forward_events(proving, partial(_share, _SEARCH, 1 - _SEARCH)))


def choices_of(report: SensitivityReport, limits: Limits | None = None) -> Choices:
    """What each layer may get of the schemes in `report`; raises QdashError if that was stopped before every layer was known."""
    if not report.complete:
        raise QdashError("Stopped before every layer was known.", "Start it again, or choose fewer schemes or questions.", "cancelled")
    return Choices(report, list(dict.fromkeys(entry.scheme for entry in report.layers)), limits)


def prove_mix(
    report: SensitivityReport,
    budget: str,
    calibration: CalibrationSet,
    executor: Executor,
    stop: Event | None = None,
    limits: Limits | None = None,
) -> Generator[Step, None, MixReport]:
    """The best mix within `budget`, proved on the half of `calibration` that `report` was not measured on; see `find_mix`."""
    choices, wanted = choices_of(report, limits), read_budget(budget)
    mix = choices.best(wanted)
    proof = Proof((), (), 0, None)
    if calibration.held_out.items:
        checkpoint = yield from checkpoints.obtain(checkpoints.locate(report.model, stop), stop)
        proof = yield from prove(choices, mix, checkpoint, calibration.held_out, executor, stop)
    request = Request(variants=variants_of(report.model, ["original"]), prompt="", device=report.device)
    return MixReport(
        host=host_of(request), model=report.model, revision=report.revision, dtype=choices.dtype, task=calibration.task, recipe=mix.recipe,
        budget=budget, budget_bytes=choices.bytes_of(wanted) or mix.weights_bytes, predicted_kl_nats=mix.predicted_kl_nats, mix=mix,
        proof_items=proof.items, proof_tokens=proof.tokens, proof=proof.variants, snippet=proof.snippet, sensitivity=report,
    )  # fmt: skip


def measure_progressive(
    report: SensitivityReport,
    scheme: str,
    calibration: CalibrationSet,
    executor: Executor,
    stop: Event | None = None,
    limits: Limits | None = None,
) -> Generator[Step | ProgressiveReport, None, ProgressiveReport]:
    """Quantize the model under `scheme`, one of those in `report`, step by step in several orders; see `progressive.progress`.

    Measured on the half of `calibration` that `report` was not measured on. What `limits` keep stays as it is in every step, and what
    stays together changes in one. Raises QdashError.
    """
    choices, key = choices_of(report, limits), find_scheme(scheme).key
    steps_in(choices, key, "damage")
    if not calibration.held_out.items:
        raise QdashError("There was no other question than the one that the layers were measured on.", "Ask at least two questions.")
    checkpoint = yield from checkpoints.obtain(checkpoints.locate(report.model, stop), stop)
    return (yield from progress(choices, key, checkpoint, calibration.held_out, executor, stop))


def _share(begin: float, share: float, item: Emission) -> Iterator[Step]:
    """The steps alone, each as a part of the whole."""
    if isinstance(item, Step):
        yield item.model_copy(update={"fraction": None if item.fraction is None else begin + share * item.fraction})
