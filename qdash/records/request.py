"""What is asked: the variants, the question, how to measure."""

from pydantic import Field

from qdash.records.base import Record
from qdash.records.types import DeviceChoice, Dtype


class Variant(Record):
    """A model under a scheme: `model` is a catalogue key, a folder or a hub id; `scheme` a catalogue key."""

    model: str
    scheme: str


class Picture(Record):
    """The metadata of an image; its pixels travel beside the request, not in it."""

    width: int
    height: int
    sha256: str
    notes: tuple[str, ...] = ()
    """What is to be said of how it is shown, such as a range of values that was stretched to black and white."""


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
    device: DeviceChoice = "auto"
    baseline_dtype: Dtype | None = None
    """dtype of `original`; None: float32 on a CPU; on a GPU bfloat16 for models that are stored in it, float16 for others."""
    reference_text: str | None = None
    """A longer text to compare every variant with the original along, after the question and in place of an answer."""
