"""A backend that plays a script instead of running a model: odd answers, failures and slowness on demand, without torch.

The prompt chooses what happens: “slow” takes its time, “script” answers with markup, “fail” lets the second variant run out of memory.
The model `ENDLESS` begins whatever it is asked for and goes on until it is stopped.
`python -m tests.ui.scripted` serves the real page over it.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from statistics import fmean
from threading import Event as StopEvent

from qdash import planning
from qdash.catalog.models import MODELS, Task
from qdash.catalog.schemes import find_scheme
from qdash.comparison import relative_to
from qdash.errors import QdashError
from qdash.planning import Plan, VariantPlan
from qdash.records import (
    Agreement,
    AnswerText,
    Comparison,
    ComparisonDone,
    Coverage,
    ErrorRecord,
    EvaluationEvent,
    EvaluationRequest,
    Event,
    Explanation,
    InspectorReport,
    Latency,
    LayerDetail,
    Memory,
    NoiseFloor,
    PartInside,
    Progress,
    Request,
    SavedFile,
    Step,
    Timing,
    TokenAgreement,
    VariantDone,
    VariantResult,
    WeightReport,
)
from qdash.tasks import Item
from qdash.weighing import Weighed
from tests.ui.scripted_evaluation import play_evaluation
from tests.ui.scripted_weights import layer_detail, report_of, weighed_layers

OUT_OF_MEMORY = ErrorRecord(kind="out_of_memory", message="This variant needs more memory than there is.", remedy="Choose fewer bits.")
CANCELLED = ErrorRecord(kind="cancelled", message="Stopped.", remedy="Press Compare to run it again.")
ENDLESS, LONG_S = "endless", 600.0
SIZES = {"bnb-int8": 0.48, "bnb-nf4": 0.29, "bnb-nf4-fp32": 0.29, "bnb-fp4": 0.29, "fp16": 0.5, "bf16": 0.5}


class ScriptedBackend:
    """See `qdash.ui.backend.Backend`. `pause_s`: seconds that reading a layer takes."""

    def __init__(self, pause_s: float = 0.01) -> None:
        self.pause_s = pause_s

    def task(self, model: str) -> Task:
        """The catalogue's, else pictures."""
        return MODELS[model].task if model in MODELS else "image-text-to-text"

    def plan(self, request: Request) -> Plan:
        """A small model that always fits."""
        known = {"estimated_bytes": 20 * 2**20, "loading_bytes": 20 * 2**20, "unavailable": None}
        variants = tuple(VariantPlan.model_validate({**variant.model_dump(), **known}) for variant in request.variants)
        return Plan(
            model=request.variants[0].model, parameters=4_900_000, variants=variants, needed_bytes=200_000_000,
            available_bytes=8_000_000_000, download_bytes=0,
        )  # fmt: skip

    def compare(self, request: Request, png: bytes | None, stop: StopEvent) -> Iterator[Event]:
        """Play the script that the prompt names."""
        results: list[VariantResult] = []
        for index in range(len(request.variants)):
            result = yield from _play(request, index, stop)
            results.append(relative_to(result, results[0] if results else result))
            yield VariantDone(index=index, result=results[-1])
        noise = None if stop.is_set() else NoiseFloor(relative=0.04, first_median_s=0.17, again_median_s=0.177)
        host = planning.host_of(request)
        yield ComparisonDone(comparison=Comparison(host=host, request=request, noise_floor=noise, variants=tuple(results)))

    def weigh(self, model: str, schemes: Sequence[str], stop: StopEvent) -> Generator[Weighed, None, WeightReport]:
        """Invented errors, worse with fewer bits, layer by layer."""
        keys = [key for key in schemes if not find_scheme(key).is_baseline]
        if not keys:
            raise QdashError("No quantization scheme is chosen.", "Choose at least one besides the original.")
        layers = list(weighed_layers(keys))
        for done, layer in enumerate(layers):
            if stop.is_set():
                raise CANCELLED.raised()
            if done % 16 == 0:
                yield Step(fraction=done / len(layers), detail=layer.name)
            yield layer
            stop.wait(LONG_S if model == ENDLESS and done == len(layers) // 2 else self.pause_s)
        return report_of(*keys)

    def weigh_layer(
        self, model: str, scheme: str, layer: str, stop: StopEvent, *, row: int | None, column: int
    ) -> Generator[Weighed, None, LayerDetail]:
        """Random numbers, really rounded."""
        yield Step(detail="Reading this layer.")
        return layer_detail(scheme, layer, row, column)

    def inspect(self, comparison: Comparison, index: int, stop: StopEvent) -> Generator[Step, None, InspectorReport]:
        """Invented contents."""
        for done in range(4):
            if stop.is_set():
                raise CANCELLED.raised()
            yield Step(fraction=done / 4, detail="saving")
            time.sleep(0.05)
        return inspector_report(comparison.variants[index].scheme)

    def evaluate(self, request: EvaluationRequest, stop: StopEvent, items: Sequence[Item] | None = None) -> Iterator[EvaluationEvent]:
        """Invented answers, worse with fewer bits; `request.source` with “fail” in it lets the second variant fail."""
        pause_s = LONG_S if request.variants[0].model == ENDLESS else self.pause_s
        return play_evaluation(request, stop, items, pause_s)


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
        snippet=f"model = AutoModelForImageTextToText.from_pretrained({model!r})  # {key}\n",
    )  # fmt: skip


def failed_result(key: str, error: ErrorRecord, status: str = "failed") -> VariantResult:
    """A variant that did not make it."""
    scheme = find_scheme(key)
    return VariantResult.model_validate(
        {"scheme": key, "label": scheme.label, "kind": scheme.kind, "status": status, "model": "tiny-vlm", "error": error}
    )


def comparison_of(request: Request, *results: VariantResult, noise: float | None = 0.04) -> Comparison:
    """A finished comparison of `results`, the baseline first."""
    floor = None if noise is None else NoiseFloor(relative=noise, first_median_s=0.17, again_median_s=0.177)
    done = tuple(relative_to(result, results[0]) for result in results)
    return Comparison(host=planning.host_of(request), request=request, noise_floor=floor, variants=done)


def _play(request: Request, index: int, stop: StopEvent) -> Generator[Event, None, VariantResult]:
    key, prompt = request.variants[index].scheme, request.prompt
    pause = 0.08 if "slow" in prompt else 0.005
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
    yield Progress(index=index, stage="timing", fraction=0.4, detail="run 2 of 5")
    time.sleep(pause)
    yield Progress(index=index, stage="scoring")
    named = {
        "label": planning.labels_of(request.variants)[index],
        "model": request.variants[index].model,
        "agreement": agreement_of(f"original says {prompt}", find_scheme(key).bits or 16) if index else None,
    }
    return variant_result(key, answer).model_copy(update=named)


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


def main() -> None:
    """Serve the page over the script."""
    from qdash.ui.layout import build  # noqa: PLC0415 - gradio takes seconds, and the record builders above are used without it
    from qdash.ui.serve import serve  # noqa: PLC0415

    serve(build(ScriptedBackend()))


if __name__ == "__main__":
    main()
