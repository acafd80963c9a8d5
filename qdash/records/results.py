"""The results: one per variant, and the comparison that holds them with its conditions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Literal, Self

from pydantic import Field

from qdash import __version__
from qdash.errors import ErrorKind, QdashError
from qdash.records.agreement import Agreement
from qdash.records.base import Record
from qdash.records.request import Request
from qdash.records.types import Device, Kind, Status


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

    `peak_bytes` and `load_peak_bytes` are above the worker's idle level: memory that torch allocated on a GPU, private memory on a CPU.
    """

    weights_bytes: int
    load_peak_bytes: int
    peak_bytes: int | None
    """None for a variant that was not timed."""
    saved_bytes: int
    estimated_bytes: int | None = None
    projected_bytes: int | None = None
    """Simulated schemes only: what the weights would take if really stored in the format, scales included."""
    reserved_bytes: int | None = None
    """GPUs only: the most that torch's allocator held, cache included."""
    process_bytes: int | None = None
    """CUDA only: the worker's memory on the device as NVML sees it."""


class Skip(Record):
    """Weights that a scheme left as they were, and why: a linear layer, fused experts, a convolution, an embedding.

    `parameters` is their number; None in records of earlier versions.
    """

    name: str
    reason: str
    parameters: int | None = None


class PartCoverage(Record):
    """How much of a part was quantized. `part`: a name of `catalog.parts`, or of a recipe's rule; None: no rule's.

    `quantized` of `total` linear layers; `quantized_parameters` of `parameters` weights, None in records of earlier versions.
    """

    part: str | None
    quantized: int
    total: int
    scheme: str | None = None
    """What the recipe's rule asks for; None where there is no recipe."""
    quantized_parameters: int | None = None
    parameters: int | None = None


class CacheCoverage(Record):
    """How the keys and values of earlier tokens are kept while an answer is made, if not as floats.

    In `bits` each, in groups of `group_size` with a scale and a zero point; up to `float_tokens` of the newest tokens stay floats.
    `backend`: what stores them for transformers' quantized cache; None: the rounding is simulated. Of one token, all layers together take
    `token_bytes` in these bits, `float_token_bytes` as floats.
    """

    bits: int
    group_size: int
    float_tokens: int
    backend: str | None
    token_bytes: int
    float_token_bytes: int


class PrunedShare(Record):
    """Of `weights` that there were, `zero` are zero now, and `removed` were cut out."""

    weights: int
    zero: int
    removed: int

    @property
    def share(self) -> float:
        """What was pruned, 0 to 1."""
        return (self.zero + self.removed) / self.weights if self.weights else 0.0


class PrunedPart(PrunedShare):
    """One part of the model: a name of `catalog.parts`. All its parameters count."""

    part: str


class PrunedLayer(PrunedShare):
    """One layer that was pruned: its path. The biases of what was cut out count too."""

    name: str


class Pruned(PrunedShare):
    """How sparse pruning made a model: all its parameters, each part's, and each pruned layer's weights.

    Three sizes: `dense_bytes` of the weights before anything was pruned, `left_bytes` of what is in memory, zeros stored like any other
    number, and `sparse_bytes` of that as a sparse file, which has a mask of one bit a weight, and the values that are not zero, for each
    layer with zeros; None where there are none.
    """

    parts: tuple[PrunedPart, ...]
    layers: tuple[PrunedLayer, ...]
    dense_bytes: int
    left_bytes: int
    sparse_bytes: int | None


class Coverage(Record):
    """How much of the model was really quantized, in all and part by part: linear layers, and parameters of every kind.

    A weight that two layers share counts once. `quantized_parameters` and `parameters` are None in records of earlier versions. `cache`:
    the KV cache, None where it is left as it is. `pruned`: how sparse it is, None where nothing was pruned.
    """

    quantized: int
    total: int
    skipped: tuple[Skip, ...] = ()
    parts: tuple[PartCoverage, ...] = ()
    quantized_parameters: int | None = None
    parameters: int | None = None
    cache: CacheCoverage | None = None
    pruned: Pruned | None = None

    @property
    def pruned_alone(self) -> bool:
        """Whether every layer that a scheme took was pruned, and none quantized."""
        return self.pruned is not None and len(self.pruned.layers) == self.quantized

    @property
    def share(self) -> float | None:
        """The share of the model's parameters that were quantized, 0 to 1; None where it is not known."""
        return None if self.quantized_parameters is None or not self.parameters else self.quantized_parameters / self.parameters


class Ratio(Record):
    """A time divided by the baseline's within the same round: the median of the rounds' ratios with its 95% interval.

    `low` and `high` are None where there were fewer than 3 rounds. `strict_low` and `strict_high` are the interval that errs in two of a
    thousand cases, from 9 rounds on. `rounds` is how many the ratio rests on, `noise` how far apart the baseline's times in these rounds
    are, as a share, and `busy` the share of the device's time that other programs took in them; None in records of earlier versions.
    """

    value: float
    low: float | None
    high: float | None
    strict_low: float | None = None
    strict_high: float | None = None
    rounds: int | None = None
    noise: float | None = None
    busy: float | None = None


class Relative(Record):
    """Divided by the baseline's: end-to-end latency, weights memory, tokens per second. None for simulated speed and memory.

    `total`, `ttft` and `tpot` hold the paired ratios of the three times with their intervals; None where the variant was not timed in
    rounds with the baseline, as in records of earlier versions.
    """

    latency: float | None
    memory: float | None
    tokens_per_s: float | None
    total: Ratio | None = None
    ttft: Ratio | None = None
    tpot: Ratio | None = None


BUSY_SHARE = 0.1
"""From this share of its time on that other programs take, a machine is called busy; a page in a browser and system services take less."""


class Rounds(Record):
    """How the timing of a comparison went: rounds in which every variant was timed once, one after another.

    `taken` is the fewest rounds that any ratio rests on; `repeated` were measured again because other programs disturbed them. `busy` is
    the share (0 to 1) of the processor's or GPU's time that other programs took during the rounds that count, `busy_before` that in the
    moment before them; None: not known.
    """

    taken: int
    repeated: int = 0
    busy: float | None = None
    busy_before: float | None = None

    @property
    def disturbed(self) -> bool:
        """Whether other programs took more than a small share during the rounds that count."""
        return self.busy is not None and self.busy > BUSY_SHARE


class VariantResult(Record):
    """Everything known of one variant. Measurements are None unless `status` is "ok".

    `latency` is None too where a variant has answered and was not timed: because the run was stopped, or is not that far yet.
    """

    scheme: str
    label: str
    kind: Kind
    status: Status
    model: str
    error: ErrorRecord | None = None
    answer: str | None = None
    """None too for a model with random weights, whose answers mean nothing."""
    new_tokens: int | None = None
    """Tokens of the answer, its end token not counted."""
    answer_complete: bool | None = None
    """False if the answer was cut at `max_answer_tokens`."""
    correct: bool | None = None
    """Whether the answer is right; None where the right one is not known."""
    dtype: str | None = None
    """dtype of the parameters that are not quantized, and of the arithmetic between them: "float32" …"""
    latency: Latency | None = None
    memory: Memory | None = None
    relative: Relative | None = None
    coverage: Coverage | None = None
    bits: int | None = None
    """Fewest bits of its quantized weights; None where they are plain floats as published."""
    snippet: str | None = None
    """Python that builds the same model with transformers."""
    agreement: Agreement | None = None
    """With the original, along its answer. None for the baseline itself, for random weights, and where `agreement_problem` says why."""
    agreement_text: Agreement | None = None
    """The same along the request's `reference_text`."""
    agreement_problem: str | None = None
    """Why this variant could not be compared with the original token by token."""
    scores_finite: bool | None = None
    """The original only: whether the scores along its own answer are numbers. False: nothing can be judged. None: not known."""
    notes: tuple[str, ...] = ()
    """What a person should know of its files and how they were loaded, a sentence each: weights left out, an adapter not applied."""


class NoiseFloor(Record):
    """How far two measurements of the same baseline lie apart: below it, a difference is "≈ same".

    `relative` is that of the total time, `ttft` and `tpot` those of its two parts, as shares; `kl_nats` is the divergence of the baseline
    from itself, nearly always 0.
    """

    relative: float
    first_median_s: float
    again_median_s: float
    ttft: float | None = None
    tpot: float | None = None
    kl_nats: float | None = None


class Host(Record):
    """The conditions of every number: where, with what, how many threads."""

    device: Device
    device_name: str
    threads: int
    memory_bytes: int
    """Of the device."""
    no_gpu: str | None = None
    """Why no GPU could be used; None where one could, and in records of earlier versions."""
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
    rounds: Rounds | None = None
    """None where nothing was timed in rounds, as in records of earlier versions."""
    variants: tuple[VariantResult, ...]
