"""A mix of schemes within a budget: which layer gets which, what that should cost, and what it costs on items it was not chosen by."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from qdash import __version__
from qdash.records.base import Record
from qdash.records.evaluation import Proportion
from qdash.records.results import ErrorRecord, Host
from qdash.records.sensitivity import SensitivityReport
from qdash.records.types import Dtype, Kind

ProofName = Literal["original", "mix", "uniform", "random"]
"""Random: a mix of the same schemes and about the same size, drawn by chance."""


class MixLayer(Record):
    """What a layer gets; `scheme` is “original” where it stays as it is. `kl_mean_nats`: what that costs alone, 0 for the original."""

    name: str
    scheme: str
    bytes: int
    kl_mean_nats: float


class Mix(Record):
    """The choice of a scheme for each layer. `recipe`: the same as a scheme's key; “original” where nothing is quantized.

    `weights_bytes` counts all weights of the model, `original_bytes` those of the original. `bits`: of a weight, on average over the layers
    that some scheme quantizes, scales included. `predicted_kl_nats` adds up what each layer costs alone.
    """

    recipe: str
    label: str
    kind: Kind
    weights_bytes: int
    original_bytes: int
    bits: float
    predicted_kl_nats: float
    layers: tuple[MixLayer, ...]


class KlDifference(Record):
    """The mean over the items of one mix's KL divergence minus another variant's, with its 95% interval; below 0 it is closer."""

    mean_nats: float
    low_nats: float
    high_nats: float


class MixProof(Record):
    """One variant on the items that the search did not see.

    `weights_bytes` are as if a simulated scheme were really stored. KL divergence from the original's next-token distributions in nats: the
    mean over the items with its 95% interval, which is None for one item; `kl_nats`: of each item. `top1`: the share of tokens whose
    likeliest is the original's. `accuracy`: of right answers, None for a task without. `versus_mix`: the mix's divergence minus this one's.
    """

    name: ProofName
    scheme: str
    label: str
    kind: Kind
    weights_bytes: int | None = None
    kl_mean_nats: float | None = None
    kl_low: float | None = None
    kl_high: float | None = None
    kl_nats: tuple[float, ...] = ()
    top1: float | None = None
    accuracy: Proportion | None = None
    versus_mix: KlDifference | None = None
    problem: ErrorRecord | None = None


class MixReport(Record):
    """The mix, and the proof where it was asked for. `budget`: as it was given; `budget_bytes`: of weights, what it comes to."""

    qdash_version: str = __version__
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    host: Host | None = None
    model: str
    revision: str
    dtype: Dtype
    task: str
    recipe: str
    budget: str
    budget_bytes: int
    predicted_kl_nats: float
    mix: Mix
    proof_items: tuple[str, ...] = ()
    proof_tokens: int = 0
    proof: tuple[MixProof, ...] = ()
    snippet: str | None = None
    sensitivity: SensitivityReport
