"""What was saved, where, and how it was checked."""

from collections.abc import Iterator

from qdash.cli.display.blocks import Block, Paragraph, Table
from qdash.present.saving import checked_words, form_words
from qdash.records import Saved


def saved_blocks(saved: Saved) -> Iterator[Block]:
    """Everything that `qdash save` says."""
    yield Paragraph(f"{saved.label} is saved: {saved.where}", "headline")
    yield Paragraph(form_words(saved))
    yield Paragraph(f"{checked_words(saved.check)}\n")
    yield Table(("file", "bytes"), tuple((file.name, f"{file.size_bytes:,}") for file in saved.files), numbers_from=1)
    yield Paragraph(f"\n{saved.snippet_here.rstrip()}")
