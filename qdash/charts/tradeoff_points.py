"""From records to the dots of a trade-off chart: what each variant costs, how good it is, and how sure both are.

Two qualities: the distance from the original's answer (KL divergence, smaller is better) and the share of right answers (larger is
better). Three costs. A simulated variant's projected size is its own; its memory and time are those of the 16- or 32-bit stand-in that it
runs as, so there it has no dot.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

from qdash.charts.pareto import pareto_front
from qdash.present.formatting import between, mib, ms, nats, percent
from qdash.present.language import N_, _
from qdash.records import Comparison, EvaluatedVariant, Evaluation, VariantResult
from qdash.records.agreement import SAME_NATS
from qdash.verdict import Grade, judge
from qdash.verdict.evaluations import costs, evaluation_pace
from qdash.verdict.evidence import pace_of

Against = Literal["size", "peak", "time"]
AGAINST: dict[Against, str] = {"size": N_("Size"), "peak": N_("Peak"), "time": N_("Time")}
"""Costs by their key, and what a switch calls them."""

_ERRORS = 2  # standard errors to both sides: about 95%
_PEAKED, _TIMED = N_("simulated: its peak is that of a stand-in"), N_("simulated: its time is that of a stand-in")


@dataclass(frozen=True)
class TradeCost:
    """What a variant costs, in bytes or seconds, with the ends of its whiskers."""

    value: float
    low: float
    high: float
    said: str


@dataclass(frozen=True)
class Trade:
    """One dot. `place`: of the variant in its record. `quality` with the ends of its whiskers is in nats or a share."""

    place: int
    label: str
    bits: int | None
    simulated: bool
    cost: TradeCost
    quality: float
    low: float
    high: float
    said: str
    judged: bool = True
    """Whether it can be called one of the best trades: its quality was judged and is not clearly worse, and the cost was judged too."""


@dataclass(frozen=True)
class Trades:
    """All dots, and what has none, as (label, why). `better`: whether more or less of the quality is."""

    against: Against
    better: Literal["less", "more"]
    points: tuple[Trade, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def compares(self) -> bool:
        """Whether there is a dot besides the original's."""
        return any(point.place for point in self.points)

    @property
    def front(self) -> list[Trade]:
        """The best trades, in order of cost."""
        sign = 1 if self.better == "less" else -1
        judged = [point for point in self.points if point.judged]
        return [judged[index] for index in pareto_front([(point.cost.value, sign * point.quality) for point in judged])]


def against_of(value: object) -> Against:
    """What a switch says; size for anything else."""
    for key in AGAINST:
        if key == value:
            return key
    return "size"


def comparison_trades(comparison: Comparison, against: Against = "size") -> Trades:
    """Cost against the mean divergence from the original, which itself is at 0.

    A variant that is not judged, or whose answer is lost, has a dot, but is no trade; nor is anything one of the best by time where speeds
    cannot be told.
    """
    points, left_out = [], []
    for place, result in enumerate(comparison.variants):
        point = _compared(place, result, against, is_original=place == 0)
        if isinstance(point, Trade) and place:
            judgement = judge(result, comparison.variants[0], comparison)
            judged = judgement is not None and judgement.grade is not Grade.NOT_JUDGED and not judgement.grade.lost
            point = replace(point, judged=judged and (against != "time" or bool(pace_of(result, comparison).words)))
        (points if isinstance(point, Trade) else left_out).append(point if isinstance(point, Trade) else (result.label, point))
    return Trades(against, "less", tuple(points), tuple(left_out))


def evaluation_trades(evaluation: Evaluation, against: Against = "size") -> Trades:
    """Cost against the share of right answers. What is not judged, or clearly worse, is no trade."""
    floor = evaluation.noise_floor
    noise = floor.relative if floor is not None and isfinite(floor.relative) and floor.relative > 0 else 0.0
    points, left_out = [], []
    judged = {id(cost.result) for cost in costs(evaluation) if cost.judged not in ("not judged", "worse")}
    for place, result in enumerate(evaluation.variants):
        point = _evaluated(place, result, against, noise)
        if isinstance(point, Trade) and place:
            told = against != "time" or bool(evaluation_pace(result, evaluation).words)
            point = replace(point, judged=id(result) in judged and told)
        (points if isinstance(point, Trade) else left_out).append(point if isinstance(point, Trade) else (result.label, point))
    return Trades(against, "more", tuple(points), tuple(left_out))


def _compared(place: int, result: VariantResult, against: Against, *, is_original: bool) -> Trade | str:
    if result.status != "ok":
        return _("not run")
    cost = _COSTS[against](result)
    if isinstance(cost, str):
        return cost
    if is_original and result.scores_finite is False:
        return _("its scores are NaN or infinite")
    if is_original:
        return _trade(place, result, cost, 0.0, 0.0, 0.0, _("the original itself"))
    agreement = result.agreement
    if agreement is None:
        return _("not compared token by token")
    mean = agreement.kl_mean_nats
    if mean is None or not isfinite(mean):
        return _("broken: its scores are NaN or infinite")
    error = agreement.kl_se or 0.0
    doubt = _ERRORS * error if isfinite(error) and error > 0 else 0.0
    mean = 0.0 if mean <= SAME_NATS else mean  # rounding is drawn as none
    sure = f" ± {nats(doubt)}" if doubt else ""
    said = f"KL {nats(mean)}{sure} nats · {_('same word {share}', share=percent(agreement.top1))}"
    return _trade(place, result, cost, mean, max(mean - doubt, 0.0), mean + doubt, said)


def _evaluated(place: int, result: EvaluatedVariant, against: Against, noise: float) -> Trade | str:
    share = result.accuracy
    if share is None:
        return _("not run")
    cost = _evaluated_cost(result, against, noise)
    if isinstance(cost, str):
        return cost
    said = _(
        "{share} right ({interval}), {right} of {total}",
        share=percent(share.value, 1),
        interval=between(share.low, share.high),
        right=share.successes,
        total=share.total,
    )
    return _trade(place, result, cost, share.value, share.low, share.high, said)


def _trade(
    place: int, result: VariantResult | EvaluatedVariant, cost: TradeCost, quality: float, low: float, high: float, said: str
) -> Trade:
    return Trade(place, result.label, result.bits, result.kind == "simulated", cost, quality, low, high, said)


def _exactly(size: float, said: str) -> TradeCost:
    return TradeCost(size, size, size, said)


def _size(result: VariantResult) -> TradeCost | str:
    if result.memory is None:
        return _("size not measured")
    if result.kind == "simulated":
        projected = result.memory.projected_bytes
        return _exactly(projected, _weights(projected, projected=True)) if projected else _("its size in the format is not known")
    return _exactly(result.memory.weights_bytes, _weights(result.memory.weights_bytes))


def _weights(size: int, *, projected: bool = False) -> str:
    return _("weights {size}, projected", size=mib(size)) if projected else _("weights {size}", size=mib(size))


def _peak(result: VariantResult) -> TradeCost | str:
    if result.memory is None:
        return _("size not measured")
    if result.kind == "simulated":
        return _(_PEAKED)
    if result.memory.peak_bytes is None:
        return _("not timed, so its peak is not known")
    peak = max(result.memory.peak_bytes, result.memory.weights_bytes)
    return _exactly(peak, _("peak {size}", size=mib(peak)))


def _time(result: VariantResult) -> TradeCost | str:
    if result.latency is None:
        return _("not timed")
    if result.kind == "simulated":
        return _(_TIMED)
    timing = result.latency.tpot_s
    said = _("{time} a token (p10–p90 {low} – {high})", time=ms(timing.median), low=ms(timing.p10), high=ms(timing.p90))
    return TradeCost(timing.median, timing.p10, timing.p90, said)


_COSTS: dict[Against, Callable[[VariantResult], TradeCost | str]] = {"size": _size, "peak": _peak, "time": _time}


def _evaluated_cost(result: EvaluatedVariant, against: Against, noise: float) -> TradeCost | str:
    if against == "size":
        size = result.projected_bytes if result.kind == "simulated" else result.weights_bytes
        return _exactly(size, _weights(size, projected=result.kind == "simulated")) if size else _("its size is not known")
    if against == "peak":
        if result.kind == "simulated":
            return _(_PEAKED)
        peak = result.peak_bytes
        return _exactly(peak, _("peak {size}", size=mib(peak))) if peak else _("its peak is not known")
    if result.kind == "simulated":
        return _(_TIMED)
    if result.per_item_s is None:
        return _("not timed")
    time = result.per_item_s
    return TradeCost(time, time / (1 + noise), time * (1 + noise), _("{time} a question", time=ms(time)))
