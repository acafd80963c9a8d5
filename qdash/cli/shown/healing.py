"""A healed version: what held-out passages said while it was trained, and what to do with it now."""

from collections.abc import Iterator

from qdash.cli.display.blocks import Block, Paragraph, Table
from qdash.present.healing import healed_words, healing_facts, points_table
from qdash.records import Evaluation, HealReport
from qdash.verdict.healing import check_facts, check_headline, check_table


def heal_blocks(report: HealReport) -> Iterator[Block]:
    """Everything that `qdash heal` says."""
    headings, rows = points_table(report.points)
    yield Table(headings, tuple(rows), numbers_from=0)
    yield Paragraph("\n" + " ".join((healed_words(report), *healing_facts(report))))
    if report.stopped:
        yield Paragraph("It was stopped; the best so far is kept. The same command goes on from there.")
    if report.check is not None:
        yield Table(*_rows(report.check))
        yield Paragraph("\n" + " ".join((check_headline(report.check), *check_facts(report.check))))
        return
    yield Paragraph(
        f"See what it is worth: qdash eval --model {report.model} --schemes original,{report.unhealed},{report.scheme}", "remark"
    )


def _rows(check: Evaluation) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    headings, rows = check_table(check)
    return headings, tuple(rows)
