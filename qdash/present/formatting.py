"""Numbers as people read them. Records hold seconds, bytes and decibels; only what is shown goes through here."""

import re
from collections import Counter
from collections.abc import Iterable
from math import floor, isfinite, log10
from typing import NamedTuple

from qdash.catalog.schemes import libraries
from qdash.present.layer_names import Placed, spoken_kind
from qdash.records import (
    BUSY_SHARE,
    Comparison,
    Coverage,
    Evaluation,
    Host,
    InspectorReport,
    LayerWeights,
    PartCoverage,
    SchemeWeights,
    Skip,
    WeightReport,
)

_NUMBER = re.compile(r"\.\d+")
_USUALLY_LEFT = ("embedding", "output head")

ANSWERS_HIDDEN = "Random weights: answers hidden."


def ms(seconds: float) -> str:
    """Seconds as “3.1 ms”, “173 ms” or, from 10 s, “12.4 s”."""
    if seconds >= 10:
        return f"{seconds:.1f} s"
    milliseconds = seconds * 1e3
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:,.0f} ms"


def mib(size_bytes: float) -> str:
    """Bytes as “9.4 MiB” or, from 10 000 MiB, “12.3 GiB”."""
    mebibytes = size_bytes / 2**20
    if mebibytes >= 10_000:
        return f"{mebibytes / 1024:.1f} GiB"
    return f"{mebibytes:.1f} MiB" if mebibytes < 100 else f"{mebibytes:,.0f} MiB"


def percent(share: float) -> str:
    """A change of size with its sign: “−52%”, “+3%”, “≈ same”."""
    if not isfinite(share):
        return "not known"
    points = round(abs(share) * 100)
    if not points:
        return "≈ same"
    return f"{'−' if share < 0 else '+'}{points}%"


def points_of(difference: float) -> str:
    """A difference of two shares in percentage points, with its sign: “−25.0”, “+0.4”, “0.0”."""
    points = f"{difference * 100:+.1f}"
    return "0.0" if points in ("+0.0", "-0.0") else points.replace("-", "−")


def share(part: float, places: int = 0) -> str:
    """“4%”, or with `places` 1 “4.2%”: a share without a sign."""
    if not isfinite(part):
        return "not known"
    return f"{part * 100:.{places}f}%"


def between(low: float, high: float, places: int = 1) -> str:
    """“88.8–97.8%”: an interval of shares."""
    return f"{low * 100:.{places}f}–{share(high, places)}"


def nats(divergence: float | None) -> str:
    """A divergence with two digits that count: “0.21”, “0.0031”, “< 0.0001”; “not finite” for scores that are none."""
    if divergence is None or not isfinite(divergence):
        return "not finite"
    if divergence < 1e-4:
        return "0" if divergence == 0 else "< 0.0001"
    return f"{divergence:.1f}" if divergence >= 0.995 else f"{divergence:.{1 - floor(log10(divergence))}f}"


def several(number: int, one: str, many: str) -> str:
    """“1 run”, “5 runs”, “1,000 runs”."""
    return f"{number:,} {one if number == 1 else many}"


def and_listed(names: list[str]) -> str:
    """“A”, “A and B”, “A, B and C”."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def stand_in(dtype: str | None) -> str:
    """What a simulated format is run as, by the type of its numbers: “32-bit stand-in”; without a width where that is not known."""
    bits = {"float32": "32-bit ", "float16": "16-bit ", "bfloat16": "16-bit "}.get(dtype or "", "")
    return f"{bits}stand-in"


def ordinal(place: int) -> str:
    """“1st”, “2nd”, “3rd”, “11th”."""
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


def versions(host: Host) -> str:
    """The packages that decide what a number is: “torch 2.11.0 · transformers 5.23.0 …”."""
    return " · ".join(f"{name} {host.versions[name]}" for name in libraries() if name in host.versions)


def device_words(host: Host) -> str:
    """“Intel Xeon, 2 threads”, “NVIDIA T4”: where the numbers were measured."""
    threads = f", {several(host.threads, 'thread', 'threads')}" if host.device == "cpu" else ""
    return f"{host.device_name}{threads}"


def no_gpu_words(host: Host) -> str | None:
    """Why no GPU was used, where none could be; None where one could."""
    return f"no GPU: {host.no_gpu}".rstrip(".") if host.no_gpu else None


def busy_words(share_of_others: float | None) -> str | None:
    """“other programs used 60% of this machine's time”; None where they took little, or that is not known."""
    if share_of_others is None or share_of_others <= BUSY_SHARE:
        return None
    return f"other programs used {share(share_of_others)} of this machine's time"


def evaluation_conditions(evaluation: Evaluation) -> tuple[str, ...]:
    """What was asked, how and where: without it the figures of an evaluation mean nothing. Noise and versions not counted."""
    host, noise, request = evaluation.host, evaluation.noise_floor, evaluation.request
    questions, source = len(evaluation.questions), f" from {request.source}" if request.source else ""
    one_by_one = [result.label for result in evaluation.variants if result.batch_size == 1 and request.batch_size > 1]
    padding = any(result.reads_padding for result in evaluation.variants)
    why = ", as questions that share a batch change this model's answers" if padding else ""
    again = f"{noise.changed} of {noise.items} answers of the original differed when asked again" if noise and noise.changed else None
    said = (
        f"{evaluation.task_label}{source}: {several(questions, 'question', 'questions')}",
        f"{request.batch_size} at a time" + (f" ({', '.join(one_by_one)}: one by one{why})" if one_by_one else ""),
        f"greedy, at most {several(evaluation.max_new_tokens, 'token', 'tokens')}",
        device_words(host),
        no_gpu_words(host),
        f"{evaluation.variants[0].dtype or 'unknown'} baseline",
        again,
        *dict.fromkeys(note for result in evaluation.variants for note in result.notes),
    )
    return tuple(filter(None, said))


def timing_conditions(comparison: Comparison) -> tuple[str, ...]:
    """How times were taken, how far equal ones lie apart, and how busy the machine was with other work."""
    measurement, rounds, floor = comparison.request.measurement, comparison.rounds, comparison.noise_floor
    if not any(result.latency for result in comparison.variants):
        return ("not timed",)
    count, unit = (measurement.runs, "run") if rounds is None else (rounds.taken, "round")
    taken, warm = several(count, unit, f"{unit}s"), several(measurement.warmup, "warm-up run", "warm-up runs")
    said = [f"{several(measurement.max_new_tokens, 'token', 'tokens')} × {taken} after {warm}"]
    if rounds is not None and rounds.repeated:
        said.append(f"{rounds.repeated} more repeated")
    if rounds is not None and rounds.busy is not None:
        said.append(f"other programs used {share(rounds.busy)} of the {'processor' if comparison.host.device == 'cpu' else 'GPU'}")
    return (*said, f"noise ±{share(floor.relative)}" if floor else "noise unknown")


def covered(coverage: Coverage) -> str:
    """“62% of the weights, 8 of 9 linear layers”; the layers alone in records that know no more."""
    layers = f"{coverage.quantized} of {coverage.total}"
    return f"{layers} layers" if coverage.share is None else f"{part_of_all(coverage.share)} of the weights, {layers} linear layers"


def covered_briefly(coverage: Coverage) -> str:
    """“62%” of the weights, or “8 of 9” layers in records that know no more: for a column."""
    return f"{coverage.quantized} of {coverage.total}" if coverage.share is None else part_of_all(coverage.share)


def part_of_all(part: float) -> str:
    """A share that is 0% or 100% only if it is nothing or all: “under 1%”, “over 99%”."""
    if 0 < part < 0.005:
        return "under 1%"
    return "over 99%" if 0.995 <= part < 1 else share(part)


def covered_by_part(coverage: Coverage) -> str:
    """“vision 90% · language 62%” of the weights; for a recipe with what each part was asked for: “language=bnb-nf4 62% · other 0%”.

    In records that know no weights, layers: “vision 12 of 12”.
    """
    parts = ((part, f"={part.scheme}" if part.scheme else "") for part in coverage.parts)
    return " · ".join(f"{part.part or 'other'}{asked} {_covered_part(part)}" for part, asked in parts)


def _covered_part(part: PartCoverage) -> str:
    if part.quantized_parameters is None or not part.parameters:
        return f"{part.quantized} of {part.total}"
    return part_of_all(part.quantized_parameters / part.parameters)


class Left(NamedTuple):
    """Weights that were left as they were for one reason. `names` stands for `count` of them: “model.layers.*.mlp.gate”."""

    names: str
    count: int
    parameters: int | None
    reason: str


def left_alone(coverage: Coverage) -> tuple[Left, ...]:
    """What a scheme did not quantize, alike ones of several blocks together, those with most weights first."""
    groups: dict[tuple[str, str], list[Skip]] = {}
    for skip in coverage.skipped:
        groups.setdefault((_NUMBER.sub(".*", skip.name), skip.reason), []).append(skip)
    found = [
        Left(names if len(skips) > 1 else skips[0].name, len(skips), _sum(skip.parameters for skip in skips), reason)
        for (names, reason), skips in groups.items()
    ]
    return tuple(sorted(found, key=lambda left: -(left.parameters or 0)))


def left_words(coverage: Coverage) -> str | None:
    """“fused experts 61% (…); embedding 5% (…)”: what was left, as shares of all weights; None where nothing worth naming was."""
    if not coverage.parameters:
        return None
    amounts: Counter[str] = Counter()
    for skip in coverage.skipped:
        amounts[skip.reason] += skip.parameters or 0
    large = [(reason, amount / coverage.parameters) for reason, amount in amounts.most_common() if amount >= 0.01 * coverage.parameters]
    return "; ".join(_left_words(reason, part) for reason, part in large) or None


def left_unusual(coverage: Coverage) -> bool:
    """Whether more was left than embeddings, the output head and what is small: a person will want to know why."""
    usual = sum(skip.parameters or 0 for skip in coverage.skipped if skip.reason.startswith(_USUALLY_LEFT))
    unusual = sum(skip.parameters or 0 for skip in coverage.skipped) - usual
    return bool(coverage.parameters) and (coverage.quantized_parameters == 0 or unusual >= 0.05 * (coverage.parameters or 0))


def unweighed(report: WeightReport) -> str | None:
    """What of the model was not measured, said of the scheme that left most; None where that is no more than people expect."""
    known = [scheme.coverage for scheme in report.schemes if scheme.coverage is not None and left_unusual(scheme.coverage)]
    least = min(known, key=lambda coverage: coverage.quantized_parameters or 0, default=None)
    left = left_words(least) if least is not None else None
    return f"Not measured: {left}." if left else None


def _left_words(reason: str, part: float) -> str:
    what, colon, why = reason.partition(": ")
    return f"{what} {part_of_all(part)} ({why})" if colon else f"linear layers {part_of_all(part)} ({reason})"


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def sizes(report: InspectorReport) -> list[tuple[str, str, str]]:
    """The sizes of a variant that are easily mixed up: name, size and what it is."""
    written = "not written" if report.saved_bytes is None else mib(report.saved_bytes)
    rows = [
        ("in memory", mib(report.weights_bytes), "exact: all tensors, scales and codes included"),
        ("in files", written, report.not_saved or "written by save_pretrained"),
        ("estimate", mib(report.estimate_bytes), f"number of parameters × bytes of {report.dtype}"),
        ("footprint", mib(report.footprint_bytes), "get_memory_footprint()"),
    ]
    if report.projected_bytes is not None:
        rows.append(("projected", mib(report.projected_bytes), f"if stored as {report.label}"))
    return rows


Words = tuple[tuple[str, bool], ...]
"""Pieces of a sentence, and whether each is to stand out."""


def disturbed(report: WeightReport) -> Words:
    """Which rounding error is larger, by how much, and where it is largest; then who quantizes nothing."""
    idle = [scheme.label for scheme in report.schemes if not scheme.layers]
    ranked = sorted((scheme for scheme in report.schemes if scheme.layers), key=decibels_of)
    nothing = f"{and_listed(idle)} {'quantizes' if len(idle) == 1 else 'quantize'} nothing in this model." if idle else ""
    if not ranked:
        return ((nothing, False),)
    return (*_ranked(ranked), *(((f" {nothing}", False),) if idle else ()))


def _ranked(ranked: list[SchemeWeights]) -> Words:
    worst, best = ranked[0], ranked[-1]
    layer = min(worst.layers, key=decibels_of, default=None)
    where: Words = ((" Most affected: ", False), *owner(layer), (".", False)) if layer else ()
    unknown = [scheme.label for scheme in ranked if _none_finite(scheme)]
    if unknown:
        return ((f"The weights that {and_listed(unknown)} would quantize are NaN or infinite, so there is no error to measure.", False),)
    if worst is best:
        return (f"With {worst.label}, the weights are ", False), (decibels(worst), True), (" above the rounding error.", False), *where
    if best.sqnr_db is None:
        return (f"{best.label} changes nothing; {worst.label} rounds the weights.", False), *where
    factor = 10 ** ((decibels_of(best) - decibels_of(worst)) / 20)
    times = f"{factor:.1f}×" if factor < 9.95 else f"{factor:.0f}×"
    return (f"With {worst.label}, the rounding error is ", False), (f"{times} larger", True), (f" than with {best.label}.", False), *where


def owner(layer: Placed) -> Words:
    """“layer 3’s down projection”; a layer outside the language model with its part."""
    block = "" if layer.block is None else f"layer {layer.block}"
    of = " ".join(filter(None, ("" if layer.part == "language" and block else layer.part, block)))
    return (f"{of}’s ", False), (spoken_kind(layer.projection), True)


def decibels(error: SchemeWeights | LayerWeights) -> str:
    """An SQNR, or why there is none."""
    if error.sqnr_db is not None and isfinite(error.sqnr_db):
        return f"{error.sqnr_db:.1f} dB"
    if isinstance(error, SchemeWeights) and not error.layers:
        return "nothing quantized"
    return "no finite weights" if error.sqnr_db is not None or _none_finite(error) else "no error"


def left_out(nonfinite: int) -> str:
    """“1 weight is NaN or infinite and left out of all figures”."""
    return f"{several(nonfinite, 'weight is', 'weights are')} NaN or infinite and left out of all figures"


def _none_finite(error: SchemeWeights | LayerWeights) -> bool:
    """Whether all its weights are NaN or infinite."""
    return 0 < error.parameters <= error.nonfinite


def decibels_of(error: SchemeWeights | LayerWeights) -> float:
    """An SQNR to sort by: no error is the best there is."""
    return float("inf") if error.sqnr_db is None else error.sqnr_db
