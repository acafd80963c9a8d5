"""A healed version: what held-out passages said while it was trained, and what to do with it now."""

from collections.abc import Iterator

from qdash.cli.display.blocks import Block, Paragraph, Table
from qdash.present.formatting import mib
from qdash.records import HealEstimate, HealPoint, HealReport


def estimate_words(estimate: HealEstimate, minutes: float) -> str:
    """What training will take, as the first step says it."""
    needed, available = mib(estimate.needed_bytes), mib(estimate.available_bytes)
    return f"{minutes:g} min of training, about {needed} of memory ({available} may be used)"


def heal_blocks(report: HealReport) -> Iterator[Block]:
    """Everything that `qdash heal` says."""
    yield Table(("minutes", "steps", "training", "held out"), tuple(map(_row, report.points)), numbers_from=0)
    best, before = report.best, report.unhealed_kl
    yield Paragraph(
        f"\n{report.label}: the divergence from the original on {report.held_out:,} passages that were not trained on fell from "
        f"{before:.4f} to {best.held_out_kl:.4f} nats per token, after {best.seconds / 60:.1f} min on {report.passages:,} passages of "
        f"{report.source}."
    )
    if report.stopped:
        yield Paragraph("It was stopped; the best so far is kept. The same command goes on from there.")
    yield Paragraph(
        f"See what it is worth: qdash eval --model {report.model} --schemes original,{report.unhealed},{report.scheme}", "remark"
    )
    yield Paragraph(_memory(report), "remark")


def _row(point: HealPoint) -> tuple[str, ...]:
    training = "" if point.train_kl is None else f"{point.train_kl:.4f}"
    return (f"{point.seconds / 60:.1f}", f"{point.steps:,}", training, f"{point.held_out_kl:.4f}")


def _memory(report: HealReport) -> str:
    estimate = f"Training was estimated to take {mib(report.estimate.needed_bytes)} of memory"
    if report.healed is None:
        return f"{estimate}."
    return f"{estimate}, and took {mib(report.healed.peak_bytes)}. Products were computed in {report.healed.compute_dtype}."
