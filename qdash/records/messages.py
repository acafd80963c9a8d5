"""Messages between runs and workers: what a worker is told, what it emits, what it returns."""

from collections.abc import Sequence

from pydantic import Field

from qdash.records.base import Record
from qdash.records.results import Coverage
from qdash.records.sensitivity import LayerDamage, SensitivityBegun
from qdash.records.types import Device, Dtype, ModelTask, Preparation
from qdash.records.weights import LayerPlace, StoredType


class WorkerSpec(Record):
    """All a worker needs to build one variant from local files. Equal specs share a warm worker.

    `dtype` is that of every parameter the scheme does not quantize. `scheme` None: a worker that holds no model, for weight statistics.
    """

    folder: str
    revision: str
    task: ModelTask
    scheme: str | None
    device: Device
    dtype: Dtype
    threads: int
    healed: tuple[str, ...] = ()
    """Folders of the healed versions of this checkpoint that the schemes may need; each begins with its scheme's key."""

    owner: str = ""
    """Whose worker it is alone, which changes its model; empty: everybody's."""


class WeightFile(Record):
    """A model whose weights are compared with those of another: `name` is what it was asked for by.

    `types`: path of a parameter → how its file stores it; None where the tensors that are read are as the file stores them.
    """

    name: str
    spec: WorkerSpec
    types: dict[str, StoredType] | None = Field(None, repr=False)


class Question(Record):
    """A question to a worker: text, and an image as PNG bytes (RGB, already checked). A `plain` text is to be gone on from as it stands."""

    prompt: str
    plain: bool = False
    png: bytes | None = Field(default=None, repr=False)


class Passage(Record):
    """What a model is trained to say after a question: `answer`, and then to end where it `ends`."""

    question: Question
    answer: str
    ends: bool = True


class Step(Record):
    """A call moved on: `fraction` of it done (None: unknown). `preparation`: where a model is fetched in several ways, the one at work."""

    fraction: float | None = None
    detail: str = ""
    preparation: Preparation | None = None


class HealPoint(Record):
    """Where training stood after `seconds` and `steps`. `train_kl`: mean over the steps since the point before (None: none yet);
    `held_out_kl`: on passages that are not trained on. Both are the divergence from the original in nats per token. `zeros`: the share of
    the trained weights that was zero then (None: none is made zero).
    """

    seconds: float
    steps: int
    train_kl: float | None
    held_out_kl: float
    zeros: float | None = None


def candidates(points: Sequence[HealPoint]) -> list[HealPoint]:
    """The points of which the best is kept: those with as many zeros as the first, which was scored without training."""
    return [point for point in points if point.zeros is None or point.zeros >= (points[0].zeros or 0.0)]


class Healing(Step):
    """Training moved on, to its step number `steps`. `points`: all scores of the held-out passages so far; the weights of the best are kept
    by then. `train_kl`: the mean over the steps since the last of them (None: none yet).
    """

    points: tuple[HealPoint, ...]
    steps: int = 0
    train_kl: float | None = None


class TextSoFar(Record):
    """A worker's answer so far, whole."""

    text: str


class MeasuredLayer(LayerPlace):
    """A layer has been measured: its SQNR under each scheme that quantizes it (None: no error)."""

    sqnr_db: dict[str, float | None]


class Reply(Record):
    """The answer to question `index` of a batch request. `on_target`: it begins with exactly the target's tokens (None: no target).

    `margins`: by how much each token, and the end token after them, was ahead of the second likeliest, 0 to 1. None: no number.
    """

    index: int
    text: str
    tokens: tuple[int, ...] = ()
    margins: tuple[float | None, ...] = ()
    on_target: bool | None = None


class BatchAnswered(Record):
    """A worker answered a batch in `seconds`: `done` of `total` questions, about `eta_s` to go."""

    replies: tuple[Reply, ...]
    seconds: float
    done: int
    total: int
    eta_s: float


Emitted = Step | Healing | TextSoFar | MeasuredLayer | BatchAnswered | SensitivityBegun | LayerDamage
"""What a worker may emit while a call runs; `execution.client` tells which call emits what."""


class Loaded(Record):
    """The result of loading a variant. Bytes, seconds; see `Memory` and `Latency`."""

    load_s: float
    load_peak_bytes: int
    weights_bytes: int
    saved_bytes: int
    projected_bytes: int | None
    dtype: str
    coverage: Coverage
    snippet: str
    notes: tuple[str, ...] = ()
    """What a person should know of how it was loaded, a sentence each."""


class Answer(Record):
    """An answer to its natural end, or cut at the limit (`complete` False)."""

    text: str
    new_tokens: int
    complete: bool
    tokens: tuple[int, ...] = ()
    """Every token made, the end token included."""


class MemoryWatched(Record):
    """The most memory that a generation took, of the length that is timed; see `Memory` for the bytes."""

    peak_bytes: int
    reserved_bytes: int | None = None
    process_bytes: int | None = None


class TimedRun(Record):
    """One timed run in seconds: `ttft_s` includes `preprocess_s`, `total_s` ends with the last of `tokens` tokens."""

    preprocess_s: float
    ttft_s: float
    total_s: float
    tokens: int

    @property
    def tpot_s(self) -> float:
        """Seconds per token after the first."""
        return (self.total_s - self.ttft_s) / (self.tokens - 1)


class BatchRequest(Record):
    """Questions to be answered in batches. Where `plain`, prompts are texts to continue and see no chat template.

    `targets`: what would continue each plain prompt exactly, or empty. `batches`: how many to answer (None: all), from number `first` on.
    `can_share`: that an answer does not depend on what else is in its batch is known of this model; False: two questions tell.
    """

    questions: tuple[Question, ...]
    targets: tuple[str, ...] = ()
    plain: bool
    max_new_tokens: int
    batch_size: int
    batches: int | None = None
    first: int = 0
    can_share: bool = False


class BatchStats(Record):
    """The batches are answered: `total_s` from the first question to the last answer, `peak_bytes` as in `Memory`, of the largest batch.

    `batch_size`: questions answered at a time, 1 where the model's answers depend on what else is in their batch. `paused_at`: the number
    of the batch to go on from, where others were given the device before all were answered.
    """

    total_s: float
    peak_bytes: int
    batch_size: int | None = None
    paused_at: int | None = None
