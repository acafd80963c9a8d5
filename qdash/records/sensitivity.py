"""What quantizing one layer, and only that layer, does to what a model says."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from qdash import __version__
from qdash.records.base import Record
from qdash.records.types import Device

SensitivityMethod = Literal["measured", "estimated"]
"""Measured: the layer was quantized and the model led along the reference answers. Estimated: from backward passes."""


class FollowedItem(Record):
    """A question whose answer is followed: the original's own of at most `max_tokens` tokens, or `text` where one is given.

    `id` tells it from others, see `tasks.item_id`. `plain` and `png` are those of `Question`.
    """

    id: str
    prompt: str
    plain: bool = False
    png: bytes | None = Field(default=None, repr=False)
    text: str | None = None
    max_tokens: int = 1


class SensitivityRequest(Record):
    """What a worker is to find out. `method` None: measured if that is expected to take no longer than `within_s` seconds."""

    items: tuple[FollowedItem, ...]
    schemes: tuple[str, ...]
    method: SensitivityMethod | None = None
    within_s: float = 120.0


class SensitivityBegun(Record):
    """What is known before the first layer: how it is found out, and how many layers under schemes there are."""

    method: SensitivityMethod
    tokens: int
    fixed_bytes: int
    dtype: str
    entries: int


class LayerDamage(Record):
    """One layer under one scheme, all others as they are. KL divergence from the original's next-token distributions, in nats.

    `kl_se` is the standard error of the mean over the items, None where there is one item only. `estimated_nats`: what the estimate said of
    a layer that was also measured. `problem`: why there is no figure, as a clause.
    """

    name: str
    """The module's path in the model, as a recipe's rules may name it."""
    part: str
    """"vision", "projector", "language" or "head"."""
    scheme: str
    kl_mean_nats: float | None
    kl_se: float | None
    bytes: int
    """What the layer's weight takes under this scheme, scales included."""
    original_bytes: int
    """What it takes as the original has it."""
    estimated_nats: float | None = None
    problem: str | None = None


class SensitivityReport(Record):
    """What each layer costs under each scheme. A layer that a scheme does not quantize has no entry for it."""

    qdash_version: str = __version__
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    model: str
    revision: str
    device: Device
    dtype: str
    method: SensitivityMethod
    items: tuple[str, ...]
    """Identifiers of the items whose answers were followed: those that a search may use, never those that prove its result."""
    tokens: int
    """Tokens of these answers."""
    spearman: float | None
    """Rank correlation of estimate and measurement over the layers that were measured as well; None where nothing was estimated."""
    checked: int
    """How many layers this was told from."""
    held_out: int = 0
    """How many other items there are to prove a result on; none where only one item was given."""
    complete: bool = True
    """Whether every layer is in it; not where it was stopped."""
    fixed_bytes: int
    """All weights that no scheme quantizes: embeddings, norms, biases, the head. Tied weights count once."""
    layers: tuple[LayerDamage, ...]
