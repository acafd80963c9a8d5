"""Numbers as people read them. Records hold seconds, bytes and decibels; only what is shown goes through here."""

from math import floor, log10

from qdash.naming import Placed, spoken_kind
from qdash.records import Coverage, Evaluation, Host, InspectorReport, LayerWeights, SchemeWeights, WeightReport

_VERSIONS = ("torch", "transformers", "bitsandbytes", "torchao")

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
    """A change of size with its sign: “−52 %”, “+3 %”, “≈ same”."""
    points = round(abs(share) * 100)
    if not points:
        return "≈ same"
    return f"{'−' if share < 0 else '+'}{points} %"


def share(part: float, places: int = 0) -> str:
    """“4 %”, or with `places` 1 “4.2 %”: a share without a sign."""
    return f"{part * 100:.{places}f} %"


def speed(ratio: float, noise: float) -> str:
    """Time divided by the baseline's, in words; a difference inside the noise floor is never a win or a loss."""
    if abs(ratio - 1) <= max(noise, 0.005):
        return "≈ same"
    return f"{ratio:.1f}× slower" if ratio > 1 else f"{1 / ratio:.1f}× faster"


def nats(divergence: float | None) -> str:
    """A divergence with two digits that count: “0.21”, “0.0031”, “< 0.0001”; “no number” for scores that are none."""
    if divergence is None:
        return "no number"
    if divergence < 1e-4:
        return "0" if divergence == 0 else "< 0.0001"
    return f"{divergence:.1f}" if divergence >= 0.995 else f"{divergence:.{1 - floor(log10(divergence))}f}"


def versions(host: Host) -> str:
    """The packages that decide what a number is: “torch 2.11.0 · transformers 5.23.0 …”."""
    return " · ".join(f"{name} {host.versions[name]}" for name in _VERSIONS if name in host.versions)


def evaluation_conditions(evaluation: Evaluation) -> tuple[str, ...]:
    """What was asked, how and where: without it the figures of an evaluation mean nothing. Noise and versions not counted."""
    host, noise, request = evaluation.host, evaluation.noise_floor, evaluation.request
    questions, source = len(evaluation.questions), f" from {request.source}" if request.source else ""
    one_by_one = [result.label for result in evaluation.variants if result.batch_size == 1 and request.batch_size > 1]
    threads = f", {host.threads} thread{'' if host.threads == 1 else 's'}" if host.device == "cpu" else ""
    again = f"{noise.changed} of {noise.items} answers of the original were not the same again" if noise and noise.changed else None
    said = (
        f"{evaluation.task_label}{source}: {questions:,} question{'' if questions == 1 else 's'}",
        f"{request.batch_size} at a time" + (f" ({', '.join(one_by_one)}: one by one)" if one_by_one else ""),
        f"greedy, at most {evaluation.max_new_tokens} tokens",
        f"{host.device_name}{threads}",
        f"{evaluation.variants[0].dtype or 'unknown'} baseline",
        again,
    )
    return tuple(filter(None, said))


def layers_by_part(coverage: Coverage) -> str:
    """“vision 12 of 12 · language 40 of 41”; for a recipe with what each part was asked for: “language=bnb-nf4 40 of 41 · other 0 of 2”."""
    parts = ((part, f"={part.scheme}" if part.scheme else "") for part in coverage.parts)
    return " · ".join(f"{part.part or 'other'}{asked} {part.quantized} of {part.total}" for part, asked in parts)


def sizes(report: InspectorReport) -> list[tuple[str, str, str]]:
    """The sizes of a variant that are easily mixed up: name, size and what it is."""
    written = "not written" if report.saved_bytes is None else mib(report.saved_bytes)
    rows = [
        ("in memory", mib(report.weights_bytes), "exact: every tensor, with scales and codes"),
        ("in files", written, report.not_saved or "as save_pretrained writes it"),
        ("estimate", mib(report.estimate_bytes), f"counted numbers × bytes of {report.dtype}, as tutorials print it"),
        ("footprint", mib(report.footprint_bytes), "get_memory_footprint()"),
    ]
    if report.projected_bytes is not None:
        rows.append(("projected", mib(report.projected_bytes), f"if really stored in {report.label}"))
    return rows


Words = tuple[tuple[str, bool], ...]
"""Pieces of a sentence, and whether each is to stand out."""


def disturbed(report: WeightReport) -> Words:
    """Who disturbs the weights more, by how much, and where it hurts most."""
    ranked = sorted(report.schemes, key=decibels_of)
    worst, best = ranked[0], ranked[-1]
    layer = min(worst.layers, key=decibels_of, default=None)
    where: Words = ((" Worst hit: ", False), *owner(layer), (".", False)) if layer else ()
    if worst is best:
        return (f"{worst.label} keeps the weights at ", False), (decibels(worst), True), (" above its error.", False), *where
    if best.sqnr_db is None:
        return (f"{best.label} changes nothing; {worst.label} disturbs the weights.", False), *where
    factor = 10 ** ((decibels_of(best) - decibels_of(worst)) / 20)
    times = f"{factor:.1f}×" if factor < 9.95 else f"{factor:.0f}×"
    return (f"{worst.label} disturbs the weights ", False), (f"{times} more", True), (f" than {best.label}.", False), *where


def owner(layer: Placed) -> Words:
    """“layer 3’s down projection”; a layer outside the language model with its part."""
    block = "" if layer.block is None else f"layer {layer.block}"
    of = " ".join(filter(None, ("" if layer.part == "language" and block else layer.part, block)))
    return (f"{of}’s ", False), (spoken_kind(layer.projection), True)


def decibels(error: SchemeWeights | LayerWeights) -> str:
    """An SQNR."""
    return "no error" if error.sqnr_db is None else f"{error.sqnr_db:.1f} dB"


def decibels_of(error: SchemeWeights | LayerWeights) -> float:
    """An SQNR to sort by: no error is the best there is."""
    return float("inf") if error.sqnr_db is None else error.sqnr_db
