"""From timed runs to the figures of a result: times, ratios within rounds with their intervals, and the noise of the baseline."""

from collections.abc import Sequence

from qdash.records import Latency, NoiseFloor, Ratio, Relative, TimedRun, Timing, VariantResult
from qdash.stats.paired import MANY_PAIRS, median_with_interval, order_interval, strict_interval


def latency_of(load_s: float, runs: Sequence[TimedRun]) -> Latency:
    """The times of one or more runs of a variant, in the order of the rounds."""
    return Latency(
        load_s=load_s,
        preprocess_s=Timing.of([run.preprocess_s for run in runs]),
        ttft_s=Timing.of([run.ttft_s for run in runs]),
        tpot_s=Timing.of([run.tpot_s for run in runs]),
        total_s=Timing.of([run.total_s for run in runs]),
        tokens_per_s=Timing.of([1 / run.tpot_s for run in runs]),
    )


def relative_to(result: VariantResult, baseline: VariantResult, beside: Latency | None = None) -> VariantResult:
    """`result` with its ratios to `baseline`; a simulated variant's speed and memory are its stand-in's, so it gets none.

    `beside`: the baseline's times in the same rounds, run for run (None: all it has).
    """
    if result.memory is None or baseline.memory is None:
        return result
    if result.kind == "simulated":
        return result.model_copy(update={"relative": Relative(latency=None, memory=None, tokens_per_s=None)})
    times, memory = _ratios(result.latency, beside or baseline.latency), result.memory.weights_bytes / baseline.memory.weights_bytes
    total, tpot = times.get("total"), times.get("tpot")
    relative = Relative(latency=total and total.value, memory=memory, tokens_per_s=tpot and 1 / tpot.value, **times)
    return result.model_copy(update={"relative": relative})


def in_rounds(relative: Relative, baseline: Latency, busy: float | None) -> Relative:
    """`relative` with the noise and busyness of the rounds it rests on, in which the baseline took these times.

    Later rounds, which others take, may be more disturbed: they tell nothing of these.
    """
    floor = noise_floor(baseline, None)
    if floor is None:
        return relative
    noises = {"total": floor.relative, "ttft": floor.ttft, "tpot": floor.tpot}
    ratios = {part: ratio for part in noises if (ratio := getattr(relative, part)) is not None}
    return relative.model_copy(
        update={part: ratio.model_copy(update={"noise": noises[part], "busy": busy}) for part, ratio in ratios.items()}
    )


def _ratios(ours: Latency | None, theirs: Latency | None) -> dict[str, Ratio]:
    if ours is None or theirs is None:
        return {}
    return {part: paired(getattr(ours, f"{part}_s"), getattr(theirs, f"{part}_s")) for part in ("total", "ttft", "tpot")}


def paired(ours: Timing, theirs: Timing) -> Ratio:
    """The ratio of two times, from the rounds they share; with its interval if there are three rounds or more."""
    if len(ours.runs) != len(theirs.runs):
        return Ratio(value=ours.median / theirs.median, low=None, high=None)
    return ratio_of([our / their for our, their in zip(ours.runs, theirs.runs, strict=True)])


def ratio_of(ratios: Sequence[float]) -> Ratio:
    """The ratio that those of one or more rounds give, with its interval if there are three or more."""
    middle, low, high = median_with_interval(ratios) or (Timing.of(ratios).median, None, None)
    strict_low, strict_high = strict_interval(ratios) or (None, None)
    return Ratio(value=middle, low=low, high=high, strict_low=strict_low, strict_high=strict_high, rounds=len(ratios))


def noise_floor(latency: Latency, kl_nats: float | None) -> NoiseFloor | None:
    """How far apart the baseline's typical times may be; None for a single run.

    Of a few runs: their spread, or how far their second half is from their first. Of many: half the 95% interval of their median, which a
    few disturbed runs hardly change.
    """
    if len(latency.total_s.runs) < 2:
        return None
    first, again = _halves(latency.total_s)
    parts = {part: _wandering(getattr(latency, f"{part}_s")) for part in ("ttft", "tpot")}
    relative = _wandering(latency.total_s)
    return NoiseFloor(relative=relative, first_median_s=first.median, again_median_s=again.median, kl_nats=kl_nats, **parts)


def noise_of(first: Timing, again: Timing) -> NoiseFloor:
    """The larger of the drift between two medians and the half-spread (p90 − p10)/2 of the runs, relative to the median."""
    drift = abs(again.median - first.median) / first.median
    return NoiseFloor(relative=max(drift, _spread(first), _spread(again)), first_median_s=first.median, again_median_s=again.median)


def _wandering(timing: Timing) -> float:
    if len(timing.runs) >= MANY_PAIRS:
        low, high = order_interval(timing.runs)
        return (high - low) / 2 / timing.median
    return max(noise_of(*_halves(timing)).relative, _spread(timing))


def _halves(timing: Timing) -> tuple[Timing, Timing]:
    half = len(timing.runs) // 2
    return Timing.of(timing.runs[:half]), Timing.of(timing.runs[-half:])


def _spread(timing: Timing) -> float:
    return (timing.p90 - timing.p10) / 2 / timing.median
