"""What is said of healing: what training will take, how near to the original a healed version has come, and on what it was trained."""

from collections.abc import Iterator, Sequence

from qdash.present.formatting import mib, nats, percent
from qdash.present.language import _, decimal, ngettext, recorded
from qdash.records import HealEstimate, HealPoint, HealReport


def estimate_words(estimate: HealEstimate, minutes: float) -> str:
    """What training will take."""
    return _(
        "{minutes} min of training, about {needed} of memory ({available} may be used)",
        minutes=f"{minutes:g}", needed=mib(estimate.needed_bytes), available=mib(estimate.available_bytes),
    )  # fmt: skip


def points_table(points: Sequence[HealPoint]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows: minutes, steps, divergence while training and on what was held out; zeros where some are made."""
    headings = (_("minutes"), _("steps"), _("training"), _("held out"))
    if points[0].zeros is not None:
        headings = (*headings, _("zeros"))
    return headings, [_cells(point) for point in points]


def _cells(point: HealPoint) -> tuple[str, ...]:
    training = "" if point.train_kl is None else nats(point.train_kl)
    zeros = () if point.zeros is None else (percent(point.zeros),)
    return (decimal(point.seconds / 60, 1), decimal(point.steps), training, nats(point.held_out_kl), *zeros)


def healed_words(report: HealReport) -> str:
    """One sentence: from what divergence to what."""
    return _(
        "{label}: the divergence from the original on what was held out fell from {before} to {after} nats per token.",
        label=recorded(report.label), before=nats(report.unhealed_kl), after=nats(report.best.held_out_kl),
    )  # fmt: skip


def healing_facts(report: HealReport) -> Iterator[str]:
    """The sentences that a healed version cannot be understood without."""
    minutes = decimal(report.best.seconds / 60, 1)
    yield ngettext(
        "Trained for {minutes} min, {number} step, with the original as teacher.",
        "Trained for {minutes} min, {number} steps, with the original as teacher.",
        report.best.steps,
        minutes=minutes,
    )
    yield _(
        "{passages} passages of {source}; {held_out} others were scored and not trained on.",
        passages=decimal(report.passages), source=recorded(report.source), held_out=decimal(report.held_out),
    )  # fmt: skip
    yield memory_words(report)


def memory_words(report: HealReport) -> str:
    """What training was estimated to take, and what it took where that is known."""
    estimated = mib(report.estimate.needed_bytes)
    if report.healed is None:
        return _("Training was estimated to take {estimated} of memory.", estimated=estimated)
    return _(
        "Training was estimated to take {estimated} of memory, and took {peak}. Products were computed in {dtype}.",
        estimated=estimated, peak=mib(report.healed.peak_bytes), dtype=report.healed.compute_dtype,
    )  # fmt: skip
