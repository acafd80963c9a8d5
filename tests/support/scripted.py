"""A backend that plays a script instead of running a model: odd answers, failures and slowness on demand, without torch.

The prompt chooses what happens: “slow” takes its time, “script” answers with markup, “fail” lets the second variant run out of memory,
“rounds” stays in the middle of the timing until it is stopped. Runs share one device as real ones do: answers go before timings.
The model `ENDLESS` begins whatever it is asked for and goes on until it is stopped.
`python -m tests.support.scripted` serves the real page over it.
"""

import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from threading import Event as StopEvent
from threading import Lock
from typing import Any

from qdash import machine
from qdash.catalog.models import MODELS
from qdash.catalog.schemes import find_scheme
from qdash.catalog.types import ModelTask
from qdash.checkpoints.new_folder import NewFolder
from qdash.checkpoints.uploading import HubRepository
from qdash.errors import QdashError
from qdash.records import (
    Agreement,
    AnswerText,
    Comparison,
    ComparisonDone,
    Coverage,
    Dtype,
    ErrorRecord,
    EvaluationEvent,
    EvaluationRequest,
    Event,
    Explanation,
    FitReport,
    HealEstimate,
    HealReport,
    InspectorReport,
    Latency,
    LayerDamage,
    LayerDetail,
    Loaded,
    MeasuredLayer,
    Memory,
    MixReport,
    NoiseFloor,
    PartInside,
    Played,
    PlayRequest,
    Progress,
    ProgressiveReport,
    ReloadCheck,
    Request,
    Rounds,
    Saved,
    SavedFile,
    SensitivityBegun,
    SensitivityReport,
    Stage,
    Step,
    Timing,
    TokenAgreement,
    VariantAnswered,
    VariantDone,
    VariantResult,
    WeightReport,
)
from qdash.runs import plan as planning
from qdash.runs.heal import HealPlan
from qdash.runs.healing_passages import Lessons
from qdash.runs.plan import Plan, VariantPlan
from qdash.runs.play import Game
from qdash.runs.rounds.figures import relative_to
from qdash.tasks import CalibrationSet, Item
from qdash.tasks.calibration import QUESTIONS
from tests.support.scripted_damage import damage_report, layer_damages
from tests.support.scripted_evaluation import play_evaluation
from tests.support.scripted_fit import fit_report, measured_fit
from tests.support.scripted_heal import ScriptedHealing
from tests.support.scripted_mix import costs_of, progressive_of, proof_of
from tests.support.scripted_play import ScriptedPlay
from tests.support.scripted_weights import files_report, layer_detail, measured_layers, report_of

OUT_OF_MEMORY = ErrorRecord(kind="out_of_memory", message="This variant needs more memory than there is.", remedy="Choose fewer bits.")
CANCELLED = ErrorRecord(kind="cancelled", message="Stopped.", remedy="Start it again when you like.")
ENDLESS, LONG_S = "endless", 600.0
UNENDING = 333
SIZES = {"bnb-int8": 0.48, "bnb-nf4": 0.29, "bnb-nf4-fp32": 0.29, "bnb-fp4": 0.29, "fp16": 0.5, "bf16": 0.5}
NEAR = Agreement(kl_mean_nats=0.002, kl_se=0.001, top1=1.0, ppl_original=1.1, ppl=1.2, first_divergence=None, tokens=12)
"""What a sound variant comes to."""


class ScriptedBackend:
    """See `qdash.ui.server.backend.Backend`. `pause_s`: seconds that reading a layer takes; `slowdowns`: of schemes, others take 1.5."""

    def __init__(self, pause_s: float = 0.01, slowdowns: dict[str, float] | None = None) -> None:
        self.pause_s, self.slowdowns = pause_s, slowdowns or {}
        self._device, self._healing, self.playing = Lock(), ScriptedHealing(), ScriptedPlay()

    def task(self, model: str) -> ModelTask:
        """The catalogue's, else pictures."""
        return MODELS[model].task if model in MODELS else "image-text-to-text"

    def plan(self, request: Request) -> Plan:
        """A small model that always fits."""
        known = {"estimated_bytes": 20 * 2**20, "loading_bytes": 20 * 2**20, "read_bytes": 20 * 2**20, "unavailable": None}
        variants = tuple(VariantPlan.model_validate({**variant.model_dump(), **known}) for variant in request.variants)
        return Plan(
            model=request.variants[0].model, parameters=4_900_000, variants=variants, needed_bytes=200_000_000, largest_bytes=60_000_000,
            available_bytes=8_000_000_000, download_bytes=0,
        )  # fmt: skip

    def estimate_fit(self, request: Request, context: int | None, conversations: int) -> FitReport:
        """Of a model of 4 GB at 16 bits: see `scripted_fit`."""
        return fit_report(request, context or 8192, conversations).model_copy(update={"context_chosen": context is not None})

    def measure_fit(self, request: Request, context: int, conversations: int, stop: StopEvent) -> Generator[Step, None, FitReport]:
        """Three lengths of each scheme, read in no time; 666 conversations never end."""
        yield Step(detail="loading weights")
        while conversations == 666:
            if stop.wait(0.05):
                raise QdashError(CANCELLED.message, CANCELLED.remedy, "cancelled")
            yield Step(detail=f"reading {context:,} tokens")
        return measured_fit(fit_report(request, context, conversations))

    def prove_mix(
        self, report: SensitivityReport, budget: str, calibration: CalibrationSet, stop: StopEvent
    ) -> Generator[Step, None, MixReport]:
        """Proved in no time; a budget of 6.66bits is never proved."""
        yield Step(fraction=0.5, detail="Original: loading weights")
        while budget == "6.66bits":
            if stop.wait(0.05):
                raise QdashError(CANCELLED.message, CANCELLED.remedy, "cancelled")
            yield Step(fraction=0.5, detail="Original: answering")
        return proof_of(report, budget, calibration.task)

    def measure_progressive(
        self, report: SensitivityReport, scheme: str, calibration: CalibrationSet, stop: StopEvent
    ) -> Generator[Step | ProgressiveReport, None, ProgressiveReport]:
        """Each step takes as long as reading a layer; see `scripted_mix`."""
        stages = progressive_of(report, scheme, calibration.task)
        for done, known in enumerate(stages):
            yield Step(fraction=done / len(stages), detail="Mix: loading weights")
            if stop.wait(self.pause_s):
                raise CANCELLED.raised()
            yield known
        return stages[-1]

    def plan_heal(self, model: str, scheme: str, *, device: str) -> HealPlan:
        """See `scripted_heal`."""
        return self._healing.plan(model, scheme)

    def heal(
        self, model: str, scheme: str, lessons: Callable[[], Lessons] | None, minutes: float, stop: StopEvent, *, device: str
    ) -> Generator[Step | HealEstimate, None, HealReport]:
        """See `scripted_heal`; nothing is learned from the lessons."""
        return self._healing.heal(model, scheme, minutes, stop, 10 * self.pause_s)

    def check_healed(
        self, report: HealReport, request: EvaluationRequest, stop: StopEvent, items: Sequence[Item] | None
    ) -> Generator[EvaluationEvent, None, HealReport]:
        """See `scripted_heal`."""
        return self._healing.check(report, play_evaluation(request, stop, items, self.pause_s))

    def begin_play(self, model: str, owner: str, stop: StopEvent, *, device: str) -> Generator[Step, None, Game]:
        """See `scripted_play`."""
        return self.playing.begin(model, owner)

    def play(self, game: Game, request: PlayRequest, stop: StopEvent) -> Generator[Step, None, Played]:
        """See `scripted_play`."""
        return self.playing.play(game, request)

    def end_play(self, game: Game) -> None:
        """See `scripted_play`."""
        self.playing.ended.append(game.spec.owner)

    def compare(self, request: Request, png: bytes | None, stop: StopEvent) -> Iterator[Event]:
        """Play the script that the prompt names."""
        answered: list[VariantResult] = []
        for index in range(len(request.variants)):
            answered.append((yield from self._answered(request, index, stop)))
            yield VariantAnswered(index=index, result=answered[-1])
        timed = yield from self._rounds(request, answered, stop)
        results = [self._timed(result) if timed and result.status == "ok" else result for result in answered]
        for index, result in enumerate(results):
            yield VariantDone(index=index, result=result)
        yield ComparisonDone(comparison=_finished(request, results, timed))

    def _turn(self, index: int, stage: Stage, stop: StopEvent) -> Generator[Event, None, bool]:
        """Take the device; False where `stop` came first."""
        while not self._device.acquire(timeout=0.05):
            yield Progress(index=index, stage=stage, detail="waiting for another measurement to finish")
            if stop.is_set():
                return False
        return True

    def _answered(self, request: Request, index: int, stop: StopEvent) -> Generator[Event, None, VariantResult]:
        if not (yield from self._turn(index, "loading", stop)):
            return failed_result(request.variants[index].scheme, CANCELLED, "skipped")
        try:
            return (yield from _answer(request, index, stop))
        finally:
            self._device.release()

    def _rounds(self, request: Request, answered: Sequence[VariantResult], stop: StopEvent) -> Generator[Event, None, bool]:
        """Whether they were finished."""
        runs = request.measurement.runs
        for done in range(runs):
            for index in (index for index, result in enumerate(answered) if result.status == "ok"):
                if not (yield from self._turn(index, "timing", stop)):
                    return False
                try:
                    yield Progress(index=index, stage="timing", fraction=done / runs, detail=f"round {done + 1} of {runs}")
                    stop.wait(0.08 if "slow" in request.prompt else 0.002)
                finally:
                    self._device.release()
            while "rounds" in request.prompt and done == 1 and not stop.wait(0.5):
                yield Progress(index=0, stage="timing", fraction=done / runs, detail=f"round {done + 1} of {runs}")
            if stop.is_set():
                return False
        return True

    def _timed(self, result: VariantResult) -> VariantResult:
        slowdown = self.slowdowns.get(result.scheme, 1.5)
        measured = variant_result(result.scheme, result.answer or "", slowdown=slowdown)
        return result.model_copy(update={"latency": measured.latency, "memory": measured.memory})

    def compare_files(self, model: str, others: Sequence[str], stop: StopEvent) -> Generator[Step | MeasuredLayer, None, WeightReport]:
        """Invented files that differ; “other” in a name is another model."""
        if "other" in others[0]:
            message = f"{model} and {others[0]} are not files of one model: only the first has model.embed_tokens.weight."
            raise QdashError(message, "Choose two versions of the same model.")
        yield Step(fraction=0.5, detail="model.layers.3.mlp.down_proj")
        stop.wait(self.pause_s)
        return files_report(model, others[0])

    def measure_drift(self, report: WeightReport, text: str | None, stop: StopEvent, *, device: str) -> Generator[Step, None, WeightReport]:
        """Invented; a text about “another vocabulary” finds one."""
        yield Step(detail="loading weights")
        stop.wait(self.pause_s)
        if stop.is_set():
            raise CANCELLED.raised()
        known = {"drift_problem": "Its tokens are others."} if text and "another vocabulary" in text else {"drift": NEAR}
        return report.model_copy(update={"schemes": tuple(scheme.model_copy(update=known) for scheme in report.schemes)})

    def measure_weight_error(
        self, model: str, schemes: Sequence[str], stop: StopEvent, *, device: str
    ) -> Generator[Step | MeasuredLayer, None, WeightReport]:
        """Invented errors, worse with fewer bits, layer by layer."""
        keys = [key for key in schemes if not find_scheme(key).is_baseline]
        if not keys:
            raise QdashError("No quantization scheme is chosen.", "Choose at least one besides the original.")
        layers = list(measured_layers(keys))
        for done, layer in enumerate(layers):
            if stop.is_set():
                raise CANCELLED.raised()
            if done % 16 == 0:
                yield Step(fraction=done / len(layers), detail=layer.name)
            yield layer
            stop.wait(LONG_S if model == ENDLESS and done == len(layers) // 2 else self.pause_s)
        return report_of(*keys)

    def measure_layer(
        self, model: str, scheme: str, layer: str, stop: StopEvent, *, row: int | None, column: int, device: str
    ) -> Generator[Step, None, LayerDetail]:
        """Random numbers, really rounded."""
        yield Step(detail="Reading this layer.")
        return layer_detail(scheme, layer, row, column)

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
        """Invented damage. With as many questions as the Weights page asks layer by layer, and what is there is kept when it is stopped;
        with other numbers at once, see `scripted_mix`, but for `UNENDING`.
        """
        yield Step(detail="loading weights")
        if len(calibration.items) == QUESTIONS:
            return (yield from self._layer_by_layer(model, schemes, stop))
        while len(calibration.items) == UNENDING:
            if stop.wait(0.05):
                raise CANCELLED.raised()
            yield Step(fraction=0.25, detail="layer 9 of 36, about 40 s left")
        return costs_of(model, schemes, len(calibration.items))

    def _layer_by_layer(
        self, model: str, schemes: Sequence[str], stop: StopEvent
    ) -> Generator[Step | SensitivityBegun | LayerDamage, None, SensitivityReport]:
        layers = layer_damages(schemes)
        yield SensitivityBegun(method="measured", tokens=128, fixed_bytes=1000, dtype="float32", entries=len(layers))
        for done, layer in enumerate(layers):
            if stop.is_set():
                return damage_report(layers[:done], model=model, complete=False)
            yield Step(fraction=done / len(layers), detail=f"layer {done + 1} of {len(layers)}, about {len(layers) - done} s left")
            yield layer
            stop.wait(LONG_S if model == ENDLESS and done == len(layers) // 2 else self.pause_s)
        return damage_report(layers, model=model)

    def report_model(self, comparison: Comparison, index: int, stop: StopEvent) -> Generator[Step, None, InspectorReport]:
        """Invented contents."""
        for done in range(4):
            if stop.is_set():
                raise CANCELLED.raised()
            yield Step(fraction=done / 4, detail="saving")
            time.sleep(0.05)
        return inspector_report(comparison.variants[index].scheme)

    def save(self, comparison: Comparison, index: int, target: NewFolder | HubRepository, stop: StopEvent) -> Generator[Step, None, Saved]:
        """One invented file, in its place; on the hub, nothing but what is said."""
        target.check()
        for words in ("loading weights", "writing the weights", "loading what was saved"):
            if stop.is_set():
                raise CANCELLED.raised()
            yield Step(detail=words)
            time.sleep(0.1)
        if isinstance(target, HubRepository):
            there = saved_version(comparison, index, NewFolder(Path(target.name)))
            return there.model_copy(update={"where": target.address, "loads_from": target.name})
        target.path.mkdir(exist_ok=True)
        (target.path / "config.json").write_text("{}")
        return saved_version(comparison, index, target)

    def evaluate(self, request: EvaluationRequest, stop: StopEvent, items: Sequence[Item] | None = None) -> Iterator[EvaluationEvent]:
        """Invented answers, worse with fewer bits; `request.source` with “fail” in it lets the second variant fail."""
        pause_s = LONG_S if request.variants[0].model == ENDLESS else self.pause_s
        return play_evaluation(request, stop, items, pause_s)


def saved_version(comparison: Comparison, index: int, target: NewFolder) -> Saved:
    """What is said of a version that was saved."""
    result = comparison.variants[index]
    assert result.coverage is not None
    loaded = Loaded(
        load_s=1.0, load_peak_bytes=9, weights_bytes=3 * 2**20, saved_bytes=3 * 2**20, projected_bytes=None, dtype="float32",
        coverage=result.coverage, snippet="",
    )  # fmt: skip
    return Saved(
        model=result.model, scheme=result.scheme, label=result.label, kind=result.kind, host=comparison.host, where=str(target.place),
        loads_from=target.path.name, files=(SavedFile(name="config.json", size_bytes=2),), narrowed=None, loaded=loaded,
        check=ReloadCheck(tokens=16, equal=True, apart_nats=0.0, allowed_nats=0.001),
        snippet=f"folder = {target.path.name!r}\nmodel = AutoModelForImageTextToText.from_pretrained(folder)\n",
    )  # fmt: skip


def inspector_report(key: str) -> InspectorReport:
    """A variant of two parts in one file."""
    scheme = find_scheme(key)
    part = PartInside(part="language", counted=600, parameters=1000, stored={"uint8": 500, "float32": 400}, computes_in=("bfloat16",))
    return InspectorReport(
        model="tiny-vlm", scheme=key, label=scheme.label, kind=scheme.kind, dtype="float32", counted=1200, parameters=2000,
        parts=(part, part.model_copy(update={"part": "<vision>"})), quantized=None, weights_bytes=1800, estimate_bytes=4800,
        footprint_bytes=1800, saved=(SavedFile(name="model.safetensors", size_bytes=1900),), saved_as={"U8": 1000, "F32": 800},
        quantization_config={"quant_method": "<script>"},
        explanations=(Explanation(question="Why did the parameter count fall?", answer="Two <4-bit> weights share a byte."),),
    )  # fmt: skip


def variant_result(key: str, answer: str, *, slowdown: float = 1.5, model: str = "tiny-vlm") -> VariantResult:
    """A measured variant: the baseline takes 18 ms and 3 ms a token, others `slowdown` times that."""
    scheme = find_scheme(key)
    factor = 1.0 if scheme.key == "original" else slowdown
    size = int(20 * 2**20 * SIZES.get(key, 1.0))
    return VariantResult(
        scheme=key, label=scheme.label, kind=scheme.kind, status="ok", model=model, answer=answer, new_tokens=12, answer_complete=True,
        dtype="float32", bits=scheme.bits, latency=_latency(factor), coverage=Coverage(quantized=0 if scheme.is_baseline else 60, total=62),
        memory=Memory(
            weights_bytes=size, load_peak_bytes=size * 2, peak_bytes=size + 10 * 2**20, saved_bytes=size, estimated_bytes=size,
            projected_bytes=int(7.6 * 2**20) if scheme.kind == "simulated" else None,
        ),
        agreement=None if scheme.key == "original" else NEAR, scores_finite=True if scheme.key == "original" else None,
        snippet=f"model = AutoModelForImageTextToText.from_pretrained({model!r})  # {key}\n",
    )  # fmt: skip


def failed_result(key: str, error: ErrorRecord, status: str = "failed") -> VariantResult:
    """A variant that did not make it."""
    scheme = find_scheme(key)
    return VariantResult.model_validate(
        {"scheme": key, "label": scheme.label, "kind": scheme.kind, "status": status, "model": "tiny-vlm", "error": error}
    )


def answered_result(key: str, answer: str) -> VariantResult:
    """A variant that has answered and was not timed."""
    done = variant_result(key, answer)
    assert done.memory is not None
    return done.model_copy(update={"latency": None, "memory": done.memory.model_copy(update={"peak_bytes": None})})


def comparison_of(request: Request, *results: VariantResult, noise: float | None = 0.04, rounds: Rounds | None = None) -> Comparison:
    """A finished comparison of `results`, the baseline first; without `rounds` as earlier versions timed, one variant after another."""
    floor = None if noise is None else NoiseFloor(relative=noise, first_median_s=0.17, again_median_s=0.177)
    done = tuple(relative_to(result, results[0]) for result in results)
    if rounds is None:
        done = tuple(map(_unpaired, done))
    return Comparison(host=planning.host_of(request), request=request, noise_floor=floor, rounds=rounds, variants=done)


def _unpaired(result: VariantResult) -> VariantResult:
    apart = {"total": None, "ttft": None, "tpot": None}
    return result.model_copy(update={"relative": result.relative and result.relative.model_copy(update=apart)})


def _finished(request: Request, results: Sequence[VariantResult], timed: bool) -> Comparison:
    rounds = Rounds(taken=request.measurement.runs, repeated=1, busy=0.12, busy_before=0.1) if timed else None
    return comparison_of(request, *results, noise=0.04 if timed else None, rounds=rounds)


def _answer(request: Request, index: int, stop: StopEvent) -> Generator[Event, None, VariantResult]:
    key, prompt = request.variants[index].scheme, request.prompt
    pause = 0.08 if "slow" in prompt else 0.005
    if stop.is_set():
        return failed_result(key, CANCELLED, "skipped")
    yield Progress(index=index, stage="loading", fraction=0.5)
    if "fail" in prompt and index == 1:
        return failed_result(key, OUT_OF_MEMORY)
    answer = "<script>document.title='owned'</script><b>bold</b>" if "script" in prompt else f"{key} says {prompt}"
    yield Progress(index=index, stage="answering")
    endless = request.variants[index].model == ENDLESS
    for end in range(1, len(answer) + 1):
        yield AnswerText(index=index, text=answer[:end])
        stop.wait(LONG_S if endless and end == len(answer) // 2 else pause)
        if stop.is_set():
            return failed_result(key, CANCELLED, "skipped")
    yield Progress(index=index, stage="scoring")
    named = {
        "label": planning.labels_of(request.variants)[index],
        "model": request.variants[index].model,
        "agreement": agreement_of(f"original says {prompt}", find_scheme(key).bits or 16) if index else None,
    }
    return answered_result(key, answer).model_copy(update=named)


def agreement_of(answer: str, bits: int) -> Agreement:
    """An invented agreement along `answer`, further away with fewer bits and in the later words."""
    words = [f" {word}" for word in answer.split()[:40]] or [""]
    scale = 4.0 ** (4 - bits)
    kl = [scale * (place + 1) / len(words) for place in range(len(words))]
    spread = (sum((value - fmean(kl)) ** 2 for value in kl) / max(1, len(kl) - 1)) ** 0.5
    said = zip(words, kl, strict=True)
    return Agreement(
        kl_mean_nats=fmean(kl),
        kl_se=spread / len(kl) ** 0.5,
        top1=fmean(value < 0.5 for value in kl),
        ppl_original=1.1,
        ppl=1.1 + fmean(kl),
        first_divergence=next((place for place, value in enumerate(kl) if value >= 0.5), None),
        tokens=len(kl),
        per_token=tuple(TokenAgreement(piece=word, kl_nats=value, instead=" star" if value >= 0.5 else None) for word, value in said),
    )


def _latency(factor: float) -> Latency:
    def timing(median_s: float) -> Timing:
        return Timing.of([median_s * (1 + 0.01 * run) for run in range(-2, 3)])

    first, token = 0.018 * factor, 0.003 * factor
    return Latency(
        load_s=0.4, preprocess_s=timing(0.004), ttft_s=timing(first), tpot_s=timing(token), total_s=timing(first + 49 * token),
        tokens_per_s=timing(1 / token),
    )  # fmt: skip


def main(*arguments: str) -> None:
    """Serve the page over the script.

    With "gpus", as on a machine that has two of them, one old and one that is not NVIDIA's; "impatient": runs that nobody follows end soon.
    """
    from qdash.ui.layout import build  # noqa: PLC0415 - gradio takes seconds, and the record builders above are used without it
    from qdash.ui.serve import serve  # noqa: PLC0415
    from qdash.ui.server import runs  # noqa: PLC0415
    from qdash.ui.server.tabs import Tabs  # noqa: PLC0415

    if "impatient" in arguments:
        runs.UNFOLLOWED_S = 1.0
    if "gpus" in arguments:
        facts: dict[str, Any] = {"memory_bytes": 15 * 2**30, "free_bytes": 14 * 2**30}
        old = machine.Accelerator(device="cuda:0", name="NVIDIA T4", bfloat16=False, compute_capability=(7, 5), **facts)
        other = machine.Accelerator(device="xpu:0", name="Intel Arc", bfloat16=True, **facts)
        found = machine.this_machine().model_copy(update={"accelerators": (old, other), "problems": ()}).on("auto")
        machine._probed = lambda: found
    tabs = Tabs()
    serve(build(ScriptedBackend(), tabs), tabs)


if __name__ == "__main__":
    main(*sys.argv[1:])
