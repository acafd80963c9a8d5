"""A mix of schemes as it was measured on items that it was not chosen by."""

from qdash.records.base import Record
from qdash.records.evaluation import Proportion
from qdash.records.results import ErrorRecord
from qdash.records.types import Kind


class KlDifference(Record):
    """The mean over the items of one variant's KL divergence minus another's, with its 95% interval; below 0 the first is closer."""

    mean_nats: float
    low_nats: float
    high_nats: float


class MeasuredMix(Record):
    """One variant along the original's own answers.

    `weights_bytes` are as if a simulated scheme were really stored. KL divergence from the original's next-token distributions in nats: the
    mean over the items with its 95% interval, which is None for one item; `kl_nats`: of each item. `top1`: the share of tokens whose
    likeliest is the original's. `accuracy`: of right answers, None for a task without. `problem`: why there are no figures.
    """

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
    problem: ErrorRecord | None = None
