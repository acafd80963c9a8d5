"""`qdash history`: the saved runs, without the page. Also saves the command line's own runs.

This is the local user's history; the histories of a public server's visitors cannot be reached from here.
"""

from pathlib import Path
from typing import Annotated

import typer

from qdash.cli.arguments import JsonOption
from qdash.cli.display import display
from qdash.cli.display.blocks import Paragraph, Table
from qdash.cli.outputs import Outputs
from qdash.cli.shown.comparison import comparison_blocks
from qdash.errors import QdashError
from qdash.history import History, Kept, history
from qdash.history.exchange import MOST_FILE_BYTES, export_runs, import_runs
from qdash.history.figures import figures_of
from qdash.history.kinds import has_results
from qdash.present.formatting import several
from qdash.present.language import _
from qdash.records import Comparison

commands = typer.Typer(help="List, show, export, import and delete saved runs.")

_SHORT = 8
_Runs = Annotated[list[str], typer.Argument(metavar="RUN…", help="Runs, by the first characters of their key in “list”.")]


@commands.callback(invoke_without_command=True)
def _listing(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_runs()


@commands.command("list")
def list_runs(
    search: Annotated[str, typer.Argument(help="Words that must all occur in model, schemes, headline or question.")] = "",
    limit: Annotated[int, typer.Option(help="Most runs to show, newest first.")] = 30,
) -> None:
    """List saved runs, newest first."""
    unusable = history().why_in_memory()
    if unusable is not None:
        display().warn(f"new runs are not saved. {unusable}")
    listing = history().listing(search=search, limit=max(limit, 1))
    rows = tuple(
        (entry.key[:_SHORT], f"{entry.created_at.astimezone():%Y-%m-%d %H:%M}", entry.model, entry.headline) for entry in listing.entries
    )
    display().show(Table(("run", "when", "model", "headline"), rows))
    if listing.total > len(rows):
        display().show(Paragraph(f"{listing.total - len(rows)} more: use --limit."))


@commands.command()
def show(run: Annotated[str, typer.Argument(metavar="RUN", help="The first characters of its key.")]) -> None:
    """Show a saved run again."""
    record = history().open(_key(run)).record
    if isinstance(record, Comparison):
        display().show(*comparison_blocks(record))
        return
    figures = figures_of(record)
    names = list(dict.fromkeys(_(figure.name) for variant in figures.variants for figure in variant.figures))
    said = [(variant.label, {_(figure.name): figure.said for figure in variant.figures}) for variant in figures.variants]
    rows = tuple((label, *(cells.get(name, "–") for name in names)) for label, cells in said)
    display().show(Table(("scheme", *names), rows))


@commands.command()
def export(
    json: JsonOption = "-", runs: Annotated[list[str] | None, typer.Argument(metavar="RUN…", help="All if left out.")] = None
) -> None:
    """Write runs as JSON, to move, archive or share them."""
    outputs = Outputs({"json": json})
    outputs.check()
    keys = [_key(run) for run in runs] if runs else history().all_keys()
    outputs.write(export_runs(history(), keys), {"json": str})


@commands.command("import")
def import_file(file: Annotated[Path, typer.Argument(help="A JSON file that “export”, the page or “run --json” wrote.")]) -> None:
    """Import the runs of a file."""
    try:
        if file.stat().st_size > MOST_FILE_BYTES:
            raise QdashError(f"{file} is larger than {MOST_FILE_BYTES // 2**20} MiB.", "Export fewer runs at a time.")
        data = file.read_bytes()
    except OSError as error:
        raise QdashError(f"{file} cannot be read ({error.strerror}).", "Check its name and permissions.") from None
    found = import_runs(_on_disk(), data, name=str(file))
    there = len(found.keys) - found.new
    known = f"; {several(there, 'was', 'were')} there already" if there else ""
    display().show(Paragraph(f"{several(found.new, 'run', 'runs')} imported{known}."))


@commands.command()
def delete(runs: _Runs) -> None:
    """Delete runs."""
    deleted = _on_disk().delete([_key(run) for run in runs])
    display().show(Paragraph(f"{several(deleted, 'run', 'runs')} deleted."))


def remember(record: Kept, png: bytes | None = None) -> None:
    """Save a finished run. A failure is one line on standard error and does not fail the command."""
    if has_results(record):
        try:
            _on_disk().keep(record, png=png)
        except QdashError as error:
            display().warn(f"not kept in the history. {error}")


def _on_disk() -> History:
    """The history, to change it; raises QdashError if it is in memory, where changes would end with this command."""
    unusable = history().why_in_memory()
    if unusable is not None:
        raise unusable
    return history()


def _key(beginning: str) -> str:
    """The key that begins so; raises QdashError for none, or for several."""
    found = [key for key in history().all_keys() if beginning and key.startswith(beginning)]
    if len(found) != 1:
        number = "No run" if not found else f"{len(found)} runs"
        raise QdashError(f"{number} in the history begin{'s' if not found else ''} with “{beginning[:40]}”.", "See “qdash history list”.")
    return found[0]
