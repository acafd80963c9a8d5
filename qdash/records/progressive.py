"""A model that is quantized one step after another, in several orders: how far it is from the original after each step."""

from typing import Literal

from qdash.records.base import Record
from qdash.records.measured_mix import KlDifference, MeasuredMix
from qdash.records.types import Kind

Order = Literal["damage", "part", "random"]
"""Least damage first; part by part, each from its first layer to its last; drawn by chance."""


class ProgressiveStep(MeasuredMix):
    """The model after a step. `added`: the layers that this step quantized, none in the first; `quantized`: how many are by then."""

    added: tuple[str, ...]
    quantized: int


class Progression(Record):
    """One order: the original, then step by step until every layer is quantized.

    `halfway`: the place of the step that is compared with the other orders. Of an order other than “damage”, it is the nearest that is not
    smaller than the one of that, and `versus` is the divergence there of least damage first minus this one's, item by item.
    """

    order: Order
    steps: tuple[ProgressiveStep, ...]
    halfway: int | None = None
    versus: KlDifference | None = None


class ProgressiveReport(Record):
    """All orders under one scheme, on items that the layers' damage was not measured on; `tokens`: of the answers to them.

    `bits`: of the scheme. Not `complete`: it was stopped, or goes on, and steps are missing.
    """

    model: str
    revision: str
    scheme: str
    label: str
    kind: Kind
    bits: int | None
    task: str
    items: tuple[str, ...]
    tokens: int
    complete: bool
    progressions: tuple[Progression, ...]
