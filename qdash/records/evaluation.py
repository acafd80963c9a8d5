"""The results of a task: how many of its questions each variant answers right, how certain that is, and how long it took.

A task is a list of questions with one right answer each. An evaluation holds the questions once, and of every variant what it
answered to each, so that two variants can be compared question by question.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from qdash import __version__
from qdash.records.base import Record
from qdash.records.request import Picture, Variant
from qdash.records.results import Coverage, ErrorRecord, Host, Ratio
from qdash.records.types import DeviceChoice, Dtype, Kind, Preparation, Status

TaskKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
"""The key of a row in `qdash.tasks.TASKS`, or, in a saved run, of one that another version had."""

Rule = Literal["exact", "first_word", "words"]
"""When an answer is right: it is the target; its first word is; the target's words are among its own (see `qdash.tasks.rules`)."""

EvaluationStage = Literal["queued", "locating", Preparation, "loading", "answering", "re-timing"]

MAX_ITEMS = 10_000
"""Questions of one evaluation at most."""


class TaskItem(Record):
    """A question with its right answer. `group` is its kind ("places", "count_all"), `language` "en", "zh" or None."""

    prompt: str
    answer: str
    alternatives: tuple[str, ...] = ()
    """Other answers that are right as well."""
    group: str | None = None
    language: str | None = None
    picture: Picture | None = None

    @property
    def answers(self) -> tuple[str, ...]:
        """All answers that are right, the main one first."""
        return (self.answer, *self.alternatives)

    @property
    def expected(self) -> str:
        """The right answers, for people."""
        return " or ".join(self.answers)


class Proportion(Record):
    """A share of successes, with its 95% Wilson interval: `value` = `successes`/`total`, `low` ≤ `value` ≤ `high`, all 0 to 1."""

    value: float
    low: float
    high: float
    successes: int
    total: int


class Paired(Record):
    """A variant beside the original on the questions that both answered: those that only one of them got right decide.

    `p_value`: exact McNemar test, two-sided; the chance of so uneven a split if both were equally good.
    """

    only_original: int
    only_variant: int
    p_value: float


class ItemResult(Record):
    """What a variant answered to question `index` of the evaluation."""

    index: int
    answer: str
    """As the model gave it: untrusted."""
    correct: bool
    last_word: bool | None = None
    """Whether greedy decoding makes exactly the target's tokens first, which is what lm-eval counts. None for other tasks."""
    margin_original: float | None = None
    """At the token where this answer leaves the original's: by how much the original's own token was ahead of the second likeliest, as
    probabilities (0 to 1). None where the answers are the same, for the original, another model, and in records of earlier versions."""
    margin: float | None = None
    """The same of this variant's token there."""


class EvaluatedVariant(Record):
    """Everything known of one variant. A variant that was stopped keeps the answers it had: `accuracy` is over these."""

    scheme: str
    label: str
    kind: Kind
    status: Status
    model: str
    error: ErrorRecord | None = None
    accuracy: Proportion | None = None
    """By the task's own rule."""
    drop: float | None = None
    """Accuracy of the original minus this one's, over the questions that both answered; None for the original."""
    paired: Paired | None = None
    last_word: Proportion | None = None
    """By the standard rule; tasks that continue a text only."""
    groups: dict[str, Proportion] = {}
    """Accuracy by `TaskItem.group`, in the task's order."""
    total_s: float | None = None
    """From the first question to the last answer, loading and warm-up not counted. Of a simulated variant it is the stand-in's."""
    per_item_s: float | None = None
    speedup: float | None = None
    """Time of the original divided by this one's, both over all questions; None if simulated, stopped or the original itself."""
    time: Ratio | None = None
    """Seconds of a batch divided by the original's for the same batch: the median over the batches with its 95% interval.

    None if simulated, or if its batches are others. The two answer one after the other: what slowed one alone shows only in `busy`.
    """
    busy: float | None = None
    """The share (0 to 1) of the processor's or GPU's time that other programs took while it answered; None: not known."""
    new_tokens: int | None = None
    """Tokens of all answers."""
    batch_size: int | None = None
    """Questions answered at a time; 1 where it simulates a format that rounds all rows of a batch with one scale, or `reads_padding`."""
    reads_padding: bool = False
    """Whether the model's answers depend on what else is in their batch, as those of some recurrent models: it was asked one by one."""
    scales_span_rows: bool = False
    """Whether its kernels do that, so that an answer depends a little on what else is in its batch."""
    notes: tuple[str, ...] = ()
    """What a person should know of its files and how they were loaded, a sentence each: weights left out, an adapter not applied."""
    load_s: float | None = None
    coverage: Coverage | None = None
    """How much was really quantized; None where it never ran, and in records of earlier versions."""
    scores_finite: bool | None = None
    """The original only: whether its scores along its first answer are numbers. None: not known."""
    weights_bytes: int | None = None
    projected_bytes: int | None = None
    """Simulated schemes only, as in `Memory`."""
    peak_bytes: int | None = None
    """As in `Memory`, while the largest batch was answered. Of a simulated variant it is the stand-in's."""
    dtype: str | None = None
    bits: int | None = None
    items: tuple[ItemResult, ...] = ()
    """In the order of the questions; those not answered are missing."""


class EvaluationRequest(Record):
    """One evaluation: the variants in order, baseline first, and the task all of them get."""

    variants: tuple[Variant, ...]
    task: TaskKey
    limit: int | None = Field(default=None, ge=1, le=MAX_ITEMS)
    """How many questions, an equal number of each kind and language; None: all."""
    source: str | None = None
    """Name of the file the questions come from, for tasks that have one."""
    rule: Rule | None = None
    """None: the task's own."""
    max_new_tokens: int | None = Field(default=None, ge=1, le=512)
    """Where an answer is cut; None: the task's own."""
    batch_size: int = Field(default=32, ge=1, le=256)
    """Questions answered at a time; 1 is one after the other."""
    device: DeviceChoice = "auto"
    baseline_dtype: Dtype | None = None


class EvaluationNoise(Record):
    """The first batches of the baseline answered again at the end: below `relative`, a difference in time is "≈ same".

    `first_s` and `again_s` are seconds for the same `items` questions; `changed` counts answers that were not the same again.
    """

    relative: float
    first_s: float
    again_s: float
    items: int
    changed: int = 0


class Evaluation(Record):
    """A finished evaluation, as saved, exported and reopened."""

    qdash_version: str = __version__
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    host: Host
    request: EvaluationRequest
    task_label: str
    rule: Rule
    max_new_tokens: int
    noise_floor: EvaluationNoise | None = None
    variants: tuple[EvaluatedVariant, ...]
    questions: tuple[TaskItem, ...]


class EvaluationProgress(Record):
    """A variant entered a stage, or moved on in it: `done` of `total` questions, `eta_s` seconds to go for this variant."""

    event: Literal["evaluation_progress"] = "evaluation_progress"
    index: int
    stage: EvaluationStage
    fraction: float | None = None
    detail: str = ""
    done: int = 0
    total: int = 0
    eta_s: float | None = None


class ItemsAnswered(Record):
    """A variant answered a batch of questions. `accuracy` is over all it has answered so far."""

    event: Literal["items"] = "items"
    index: int
    items: tuple[ItemResult, ...]
    accuracy: Proportion


class EvaluatedVariantDone(Record):
    """A variant is finished: evaluated, stopped, failed or skipped."""

    event: Literal["evaluated"] = "evaluated"
    index: int
    result: EvaluatedVariant


class EvaluationDone(Record):
    """Everything is finished. The results repeat."""

    event: Literal["evaluation"] = "evaluation"
    evaluation: Evaluation


EvaluationEvent = Annotated[EvaluationProgress | ItemsAnswered | EvaluatedVariantDone | EvaluationDone, Field(discriminator="event")]
