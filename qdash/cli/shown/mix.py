"""A mix: the verdict, a line for each variant of the proof, the recipe and the code."""

from collections.abc import Iterator

from qdash.cli.display.blocks import Block, Paragraph, Table
from qdash.present.mix import is_graded, mix_facts, mix_verdict, proof_cells
from qdash.present.progressive import is_graded as steps_graded
from qdash.present.progressive import progressive_facts, progressive_rows, progressive_verdict
from qdash.records import MixReport, ProgressiveReport

_HEADINGS = ("variant", "scheme", "weights", "KL (nats)", "95% confidence", "same next token")


def mix_blocks(report: MixReport) -> Iterator[Block]:
    """Everything that `qdash mix` says."""
    yield Paragraph(mix_verdict(report), "headline")
    yield Paragraph("\n".join(mix_facts(report)) + "\n")
    if report.proof:
        graded = is_graded(report)
        rows = tuple(proof_cells(proof, graded) for proof in report.proof)
        yield Table((*_HEADINGS, *(("right answers",) if graded else ())), rows, numbers_from=2)
    for proof in report.proof:
        if proof.problem is not None:
            yield Paragraph(f"{proof.label}: {proof.problem.message} {proof.problem.remedy}")
    if report.progressive is not None:
        yield from _progressive(report.progressive)
    yield Paragraph(f"\nThe recipe:\n{report.recipe}")
    if report.snippet is not None:
        yield Paragraph(f"\n{report.snippet.rstrip()}")


def _progressive(report: ProgressiveReport) -> Iterator[Block]:
    yield Paragraph(f"\n{progressive_verdict(report)}", "headline")
    yield Paragraph("\n".join(progressive_facts(report)) + "\n")
    right = ("right answers",) if steps_graded(report) else ()
    yield Table(("order", "step", "layers", *_HEADINGS[2:], *right), tuple(progressive_rows(report)), numbers_from=2)
