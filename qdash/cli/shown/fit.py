"""What a context takes: a line a scheme for this machine and for cards, then what was measured."""

from collections.abc import Iterator

from qdash.cli.display.blocks import Block, Paragraph, Table
from qdash.present.fit import conditions, fits_here, fitting_cards, off, too_long
from qdash.present.formatting import mib
from qdash.records import FitReport, FitScheme, FitSizes, MeasuredContext

_PARTS = ("weights", "cache", "working", "total")


def fit_blocks(report: FitReport) -> Iterator[Block]:
    """Everything that `qdash fit` says."""
    yield Table(("scheme", *_PARTS, "fits here"), tuple(_here(scheme) for scheme in report.schemes), numbers_from=1)
    yield Paragraph(f"\nOn a graphics card, in {report.card_dtype}:")
    yield Table(("scheme", *_PARTS, "fits a card of"), tuple(_on_card(scheme) for scheme in report.schemes), numbers_from=1)
    if report.measured:
        yield Paragraph("\nMeasured here:")
        rows = tuple(_measured(entry, report) for entry in report.measured if entry.peak_bytes is not None)
        yield Table(("scheme", "tokens", "estimate", "peak", "estimate is off by"), rows, numbers_from=1)
    for entry in report.measured:
        if entry.problem is not None:
            yield Paragraph(f"{_label(entry, report)}, {entry.context:,} tokens: {entry.problem.message} {entry.problem.remedy}")
    if warning := too_long(report):
        yield Paragraph(f"\n{warning}")
    yield Paragraph("\n" + "\n".join(conditions(report)), "remark")


def _here(scheme: FitScheme) -> tuple[str, ...]:
    return (scheme.label, *_sizes(scheme.here), fits_here(scheme))


def _on_card(scheme: FitScheme) -> tuple[str, ...]:
    return (scheme.label, *_sizes(scheme.on_card), fitting_cards(scheme))


def _sizes(sizes: FitSizes) -> tuple[str, ...]:
    return tuple(map(mib, (sizes.weights_bytes, sizes.cache_bytes, sizes.working_bytes, sizes.total_bytes)))


def _measured(entry: MeasuredContext, report: FitReport) -> tuple[str, ...]:
    return (_label(entry, report), f"{entry.context:,}", mib(entry.estimated_bytes), mib(entry.peak_bytes or 0), off(entry))


def _label(entry: MeasuredContext, report: FitReport) -> str:
    return next(scheme.label for scheme in report.schemes if scheme.scheme == entry.scheme)
