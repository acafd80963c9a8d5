"""What happens while a comparison runs. Everything a screen shows meanwhile is drawn from these."""

from typing import Annotated, Literal

from pydantic import Field

from qdash.records.base import Record
from qdash.records.results import Comparison, VariantResult
from qdash.records.types import Preparation

Stage = Literal["queued", "locating", Preparation, "loading", "answering", "warming up", "timing", "scoring"]


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


class VariantAnswered(Record):
    """A variant has answered and was compared with the original; it will be timed when all have answered."""

    event: Literal["answered"] = "answered"
    index: int
    result: VariantResult


class VariantDone(Record):
    """A variant is finished: measured, failed or skipped."""

    event: Literal["variant"] = "variant"
    index: int
    result: VariantResult


class ComparisonDone(Record):
    """Everything is finished. The results repeat, now with the noise floor known."""

    event: Literal["comparison"] = "comparison"
    comparison: Comparison


Event = Annotated[Progress | AnswerText | VariantAnswered | VariantDone | ComparisonDone, Field(discriminator="event")]
