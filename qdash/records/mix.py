"""A mix of schemes within a budget: which layer gets which, what that should cost, and what it costs on items it was not chosen by."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from qdash import __version__
from qdash.records.base import Record
from qdash.records.measured_mix import KlDifference, MeasuredMix
from qdash.records.progressive import ProgressiveReport
from qdash.records.results import Host
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


class MixProof(MeasuredMix):
    """One variant on the items that the search did not see. `versus_mix`: the mix's divergence minus this one's."""

    name: ProofName
    versus_mix: KlDifference | None = None


class MixReport(Record):
    """The mix, and the proof and the orders of quantizing where they were asked for.

    `budget`: as it was given; `budget_bytes`: of weights, what it comes to.
    """

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
    progressive: ProgressiveReport | None = None
    sensitivity: SensitivityReport
