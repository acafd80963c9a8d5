"""What a person does to a working copy of a model, and what it then says."""

from typing import Literal

from pydantic import Field

from qdash.records.base import Record
from qdash.records.messages import Question

EVERYTHING = "everything"
"""All layers that schemes quantize; other places are a part ("vision", "projector", "language") or the path of one layer."""

MOST_ACTIONS = 100
MOST_REMOVED = 100


class Reformat(Record):
    """Round the weights there, from the unrounded ones: `series` is a key of `catalog.format_series`."""

    where: str
    series: str
    bits: int = Field(ge=1, le=16)


class RemoveWeights(Record):
    """Set `count` weights there to zero: those farthest from it, or random ones."""

    where: str
    which: Literal["largest", "random"]
    count: int = Field(ge=1, le=MOST_REMOVED)
    seed: int = 0


class AddNoise(Record):
    """Add normal noise; `share` of the standard deviation of each layer's weights."""

    where: str
    share: float = Field(gt=0, le=10)
    seed: int = 0


class Restore(Record):
    """Take back all that was done there."""

    where: str


PlayAction = Reformat | RemoveWeights | AddNoise | Restore


class PlayRequest(Record):
    """All that was done to the original, in order, and what to ask then. The histogram is of the largest layer at `where`."""

    actions: tuple[PlayAction, ...] = Field((), max_length=MOST_ACTIONS)
    question: Question
    max_tokens: int
    where: str = EVERYTHING


class PlayAnswer(Record):
    """An answer, token by token. `differs`: the first token that is not the original's, None where none differs.

    Where an answer ends sooner than the other, `differs` is the number of its tokens.
    """

    pieces: tuple[str, ...]
    differs: int | None = None


class PlayLayer(Record):
    """A layer that can be changed: its path, its part and how many weights it has."""

    name: str
    part: str
    weights: int


class Levels(Record):
    """Weights of the layer at path `layer`, relative to the range of what shares their scale: counts in equal bins from −1 to 1.

    What lies beyond counts in the last bin on its side. `levels`: how many values the format allows within a range, None where the layer
    is not rounded.
    """

    layer: str
    original: tuple[int, ...]
    now: tuple[int, ...]
    levels: int | None


class Played(Record):
    """What the working copy is and says. `kl_mean_nats`: along the original's answer, None where its scores are not finite.

    `changed`: layers that are not as the original has them. Bytes are those of all weights as they would be stored. `seconds`: what the
    move took in the worker.
    """

    original: PlayAnswer
    answer: PlayAnswer
    kl_mean_nats: float | None
    bytes: int
    original_bytes: int
    changed: int
    layers: tuple[PlayLayer, ...]
    histogram: Levels
    seconds: float
