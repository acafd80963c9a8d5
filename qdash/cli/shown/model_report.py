"""What is inside a variant of a model: its parts, sizes and files, and what the numbers mean."""

import json
from collections.abc import Iterator
from textwrap import fill

from qdash.cli.display.blocks import Block, Paragraph, Table
from qdash.present.coverage import Left, covered, left_alone
from qdash.present.formatting import mib
from qdash.present.sizes import sizes
from qdash.records import InspectorReport, PartInside

_WIDTH = 120
_PARTS = ("part", "parameters", "torch counts", "memory", "computes in", "stored as")


def model_report_blocks(report: InspectorReport) -> Iterator[Block]:
    """Everything that `qdash inspect` says."""
    yield Paragraph(f"{report.model}, {report.label}{' (simulated)' if report.kind == 'simulated' else ''}\n")
    yield Table(_PARTS, tuple(map(_part, report.parts)))
    yield Paragraph(f"\n{report.parameters:,} parameters, of which torch counts {report.counted:,}; dtype says {report.dtype}")
    if report.coverage is not None and report.coverage.skipped:
        whole, pruned = covered(report.coverage), report.coverage.pruned_alone
        yield Paragraph(f"{whole}; left as they are:\n" if pruned else f"quantized: {whole}; not quantized:\n")
        yield Table(("weights", "", "why"), tuple(map(_left, left_alone(report.coverage))))
    yield Paragraph()
    yield Table(("size", "", ""), tuple(sizes(report)))
    if report.saved is not None:
        yield Paragraph()
        yield Table(("file written by save_pretrained", "bytes"), tuple((file.name, f"{file.size_bytes:,}") for file in report.saved))
    if report.quantization_config is not None:
        yield Paragraph(f"\nquantization_config {json.dumps(report.quantization_config, ensure_ascii=False)}")
    for explanation in report.explanations:
        yield Paragraph(f"\n{explanation.question}\n{fill(explanation.answer, _WIDTH)}")


def _left(left: Left) -> tuple[str, ...]:
    return left.names, "" if left.parameters is None else f"{left.parameters:,}", left.reason


def _part(part: PartInside) -> tuple[str, ...]:
    stored = " · ".join(f"{dtype} {mib(size)}" for dtype, size in part.stored.items())
    return (part.part, f"{part.parameters:,}", f"{part.counted:,}", mib(part.size_bytes), "+".join(part.computes_in), stored)
