"""Healing: training the weights that a scheme quantizes so that the model, once it is quantized, says what the original says."""

from datetime import UTC, datetime

from pydantic import Field

from qdash import __version__
from qdash.records.base import Record
from qdash.records.evaluation import Evaluation
from qdash.records.messages import HealPoint, Passage, candidates
from qdash.records.results import Host
from qdash.records.types import Device, Dtype


class HealJob(Record):
    """What a worker trains. `scheme`: the one to heal for; `seconds`: of training in all, earlier runs included.

    `folder`: where the best weights and the state of the training are kept, and read again. `digest` tells which passages these are: a
    state that was trained on others is not gone on from.
    """

    scheme: str
    passages: tuple[Passage, ...] = Field(repr=False)
    held_out: tuple[Passage, ...] = Field(repr=False)
    digest: str
    seconds: float
    folder: str
    seed: int = 0


class Healed(Record):
    """What came of it: every point since the first run, and the peak of the memory that training took."""

    points: tuple[HealPoint, ...]
    peak_bytes: int
    compute_dtype: Dtype
    """What the products were computed in; weights and updates are float32."""
    trained_parameters: int
    batch: int
    """Passages of a step."""


class HealEstimate(Record):
    """What training will take, told before: bytes of memory, and seconds besides those that were asked for."""

    needed_bytes: int
    available_bytes: int
    trained_parameters: int
    rough: bool = False


class HealReport(Record):
    """A healed version of a model, or of what a stopped training got to.

    `unhealed`: the scheme with the same format whose weights are only rounded. `source`: what it was trained on, as it was named.
    `stopped`: training ended before its `minutes` were over. The best of `points` is what was kept.

    `learned`: which of a person's own questions were trained on, as `qdash.tasks.item_id` tells them; empty for anything else. `check`: the
    right answers of the original, the unhealed version and this one, in this order, to questions that were not trained on; None: not known.
    """

    qdash_version: str = __version__
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    model: str
    revision: str
    scheme: str
    label: str
    unhealed: str
    source: str
    passages: int
    held_out: int
    minutes: float
    points: tuple[HealPoint, ...]
    estimate: HealEstimate
    healed: Healed | None = None
    """None where it was stopped: then only the points are known."""
    device: Device
    host: Host | None = None
    stopped: bool = False
    learned: tuple[str, ...] = Field(default=(), repr=False)
    check: Evaluation | None = None

    @property
    def unhealed_kl(self) -> float:
        """Held-out divergence before any training."""
        return self.points[0].held_out_kl

    @property
    def best(self) -> HealPoint:
        """The point whose weights were kept."""
        return min(candidates(self.points), key=lambda point: point.held_out_kl)
