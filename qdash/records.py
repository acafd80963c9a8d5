"""The one vocabulary: what is asked, what happens meanwhile, what came out.

Everything that crosses a process, a file or the screen is one of these frozen records. They hold SI units (seconds, bytes, dB),
never formatted text, and round-trip through JSON, which is also the documented output of the command line. No torch, no gradio.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from qdash import __version__
from qdash.errors import ErrorKind, QdashError

Kind = Literal["real", "simulated"]
Status = Literal["ok", "failed", "skipped"]
Stage = Literal["queued", "downloading", "loading", "answering", "warming up", "timing", "re-timing"]


class Record(BaseModel):
    """Base of all records: immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────────


class Variant(Record):
    """A model under a scheme: `model` is a catalogue key, a folder or a hub id; `scheme` a catalogue key."""

    model: str
    scheme: str


class Picture(Record):
    """What a record remembers of an image: its pixels travel beside the request, not in it."""

    width: int
    height: int
    sha256: str


class Measurement(Record):
    """How a comparison is timed. Every variant makes exactly `max_new_tokens` tokens in each timed run."""

    runs: int = Field(default=5, ge=1, le=100)
    warmup: int = Field(default=1, ge=0, le=20)
    max_new_tokens: int = Field(default=50, ge=2, le=2048)
    max_answer_tokens: int = Field(default=256, ge=1, le=4096)
    """The answer people read ends by itself; this only stops one that would not."""


class Request(Record):
    """One comparison: the variants in order, baseline first, and the question all of them get."""

    variants: tuple[Variant, ...]
    prompt: str
    picture: Picture | None = None
    measurement: Measurement = Measurement()
    device: Literal["auto", "cpu", "cuda"] = "auto"
    baseline_dtype: Literal["float32", "float16", "bfloat16"] | None = None
    """dtype of `original`; None: float16 on CUDA, float32 on a CPU."""


# ── what happens meanwhile ───────────────────────────────────────────────────────────────────────────────────────


class Progress(Record):
    """A variant entered a stage, or moved on in it. `fraction` is None where the end is unknown; `detail` is plain text."""

    event: Literal["progress"] = "progress"
    index: int
    stage: Stage
    fraction: float | None = None
    detail: str = ""


class AnswerText(Record):
    """The answer of a variant so far (the whole text, so that a lost event costs nothing)."""

    event: Literal["answer"] = "answer"
    index: int
    text: str


class VariantDone(Record):
    """A variant is finished: measured, failed or skipped."""

    event: Literal["variant"] = "variant"
    index: int
    result: "VariantResult"


class ComparisonDone(Record):
    """Everything is finished. The results repeat, now with the noise floor known."""

    event: Literal["comparison"] = "comparison"
    comparison: "Comparison"


Event = Annotated[Progress | AnswerText | VariantDone | ComparisonDone, Field(discriminator="event")]


# ── what came out ────────────────────────────────────────────────────────────────────────────────────────────────


class ErrorRecord(Record):
    """A `QdashError` as data."""

    kind: ErrorKind
    message: str
    remedy: str

    @classmethod
    def of(cls, error: QdashError) -> Self:
        """The record of `error`."""
        return cls(kind=error.kind, message=error.message, remedy=error.remedy)

    def raised(self) -> QdashError:
        """The error again, to raise on this side of a process or file."""
        return QdashError(self.message, self.remedy, self.kind)


class Timing(Record):
    """One quantity over the timed runs: median, 10th and 90th percentile (linear interpolation), and the runs themselves."""

    median: float
    p10: float
    p90: float
    runs: tuple[float, ...]

    @classmethod
    def of(cls, runs: Sequence[float]) -> Self:
        """Summarise at least one run."""
        return cls(median=median(runs), p10=_percentile(runs, 0.1), p90=_percentile(runs, 0.9), runs=tuple(runs))


def _percentile(values: Sequence[float], share: float) -> float:
    """Linear interpolation between order statistics, as numpy.percentile does by default."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * share
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


class Latency(Record):
    """Seconds. `ttft_s` includes preprocessing and vision tower; `tpot_s` = (total − ttft)/(tokens − 1); `tokens_per_s` = 1/tpot."""

    load_s: float
    preprocess_s: Timing
    ttft_s: Timing
    tpot_s: Timing
    total_s: Timing
    tokens_per_s: Timing


class Memory(Record):
    """Bytes. Four figures that are never mixed, the estimate made before loading, and the format's own size if simulated.

    `peak_bytes` and `load_peak_bytes` are memory allocated on CUDA; on a CPU, private memory above the worker's idle level.
    """

    weights_bytes: int
    load_peak_bytes: int
    peak_bytes: int
    saved_bytes: int
    estimated_bytes: int | None = None
    projected_bytes: int | None = None
    """Simulated schemes only: what the weights would take if really stored in the format, scales included."""
    reserved_bytes: int | None = None
    """CUDA only: peak memory the allocator reserved."""
    process_bytes: int | None = None
    """CUDA only: the worker's memory on the device as NVML sees it."""


class Skip(Record):
    """A layer that a scheme left as it was, and why."""

    name: str
    reason: str


class Coverage(Record):
    """How many of the model's linear layers were really quantized."""

    quantized: int
    total: int
    skipped: tuple[Skip, ...] = ()


class Relative(Record):
    """Divided by the baseline's: end-to-end latency, weights memory, tokens per second. None for simulated speed and memory."""

    latency: float | None
    memory: float | None
    tokens_per_s: float | None


class VariantResult(Record):
    """Everything known of one variant. Measurements are None unless `status` is "ok"."""

    scheme: str
    label: str
    kind: Kind
    status: Status
    model: str
    error: ErrorRecord | None = None
    answer: str | None = None
    new_tokens: int | None = None
    """Tokens of the answer, its end token not counted."""
    answer_complete: bool | None = None
    """False if the answer was cut at `max_answer_tokens`."""
    dtype: str | None = None
    """dtype of the parameters that are not quantized, and of the arithmetic between them: "float32" …"""
    latency: Latency | None = None
    memory: Memory | None = None
    relative: Relative | None = None
    coverage: Coverage | None = None
    snippet: str | None = None
    """Python that builds the same model with transformers."""


class NoiseFloor(Record):
    """How far two timings of the same baseline lie apart: below `relative`, a difference is "≈ same"."""

    relative: float
    first_median_s: float
    again_median_s: float


class Host(Record):
    """The conditions of every number: where, with what, how many threads."""

    device: Literal["cpu", "cuda"]
    device_name: str
    threads: int
    memory_bytes: int
    platform: str
    execution: Literal["eager"] = "eager"
    versions: dict[str, str]


class Comparison(Record):
    """A finished comparison, as saved, exported and reopened."""

    qdash_version: str = __version__
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    host: Host
    request: Request
    noise_floor: NoiseFloor | None = None
    variants: tuple[VariantResult, ...]


# ── between a comparison and its workers ─────────────────────────────────────────────────────────────────────────


class WorkerSpec(Record):
    """All a worker needs to build one variant from local files. Equal specs share a warm worker.

    `dtype` is that of every parameter the scheme does not quantize. `scheme` None: a worker that holds no model, for weight statistics.
    """

    folder: str
    revision: str
    task: Literal["image-text-to-text", "text-generation"]
    scheme: str | None
    device: Literal["cpu", "cuda"]
    dtype: Literal["float32", "float16", "bfloat16"]
    threads: int


class Question(Record):
    """What a worker is asked: text, and an image as PNG bytes (RGB, already checked)."""

    prompt: str
    png: bytes | None = Field(None, repr=False)


class Step(Record):
    """A worker moved on: `fraction` of the call done (None: unknown)."""

    fraction: float | None = None
    detail: str = ""


class TextSoFar(Record):
    """A worker's answer so far, whole."""

    text: str


class Loaded(Record):
    """What loading a variant took and gave. Bytes, seconds; see `Memory` and `Latency`."""

    load_s: float
    load_peak_bytes: int
    weights_bytes: int
    saved_bytes: int
    projected_bytes: int | None
    dtype: str
    coverage: Coverage
    snippet: str


class Answer(Record):
    """An answer to its natural end, or cut at the limit (`complete` False)."""

    text: str
    new_tokens: int
    complete: bool


class Timed(Record):
    """Timed runs of equal length; see `Latency` for the quantities and `Memory` for the bytes."""

    preprocess_s: Timing
    ttft_s: Timing
    tpot_s: Timing
    total_s: Timing
    tokens_per_s: Timing
    peak_bytes: int
    reserved_bytes: int | None = None
    process_bytes: int | None = None


# ── weights ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Histogram(Record):
    """Counts over equal bins between `low` and `high`; the outermost bins hold everything beyond, so that all weights are counted."""

    low: float
    high: float
    counts: tuple[int, ...]


class WeightError(Record):
    """Error e = Ŵ − W over every weight: SQNR 10·log10(Σw²/Σe²) (None: no error at all), MSE, max |e|, cosine of W and Ŵ."""

    sqnr_db: float | None
    mse: float
    max_abs_error: float
    cosine: float


class LayerHistograms(Record):
    """Original and dequantized weights on common bins, and the error on its own."""

    original: Histogram
    dequantized: Histogram
    error: Histogram


class LayerWeights(WeightError):
    """Error of one layer; `name` is the module's path in the checkpoint."""

    name: str
    shape: tuple[int, ...]
    histograms: LayerHistograms | None = None


class SchemeWeights(WeightError):
    """Error of a scheme over all layers it quantizes, and layer by layer."""

    scheme: str
    label: str
    kind: Kind
    layers: tuple[LayerWeights, ...]
    histograms: LayerHistograms | None = None


class WeightReport(Record):
    """What quantization did to the weights of a model, scheme by scheme."""

    qdash_version: str = __version__
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    model: str
    schemes: tuple[SchemeWeights, ...]
