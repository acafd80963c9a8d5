"""Results as files to download."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gradio.processing_utils import save_file_to_cache

from qdash.errors import QdashError
from qdash.records import Comparison, Evaluation, WeightReport
from qdash.remedies import TELL, by_reader
from qdash.report import (
    evaluation_items_to_csv,
    evaluation_to_csv,
    evaluation_to_html,
    evaluation_to_json,
    to_csv,
    to_html,
    to_json,
    weights_to_csv,
    weights_to_html,
    weights_to_json,
)
from qdash.settings import settings

MakeFolder = Callable[[], Path]


@dataclass(frozen=True)
class Export:
    """A result as files: what they are called, and what is in the file of each format. The name carries the time of the run."""

    stem: str
    contents: Mapping[str, Callable[[], str]]


def comparison_export(comparison: Comparison, picture: bytes | None = None) -> Export:
    """The files of a comparison. `picture`: what was asked about, for the report."""
    contents = {"json": partial(to_json, comparison), "csv": partial(to_csv, comparison), "html": partial(to_html, comparison, picture)}
    return Export(f"qdash-{comparison.created_at:%Y%m%d-%H%M%S}", contents)


def weights_export(report: WeightReport) -> Export:
    """The files of a weight report."""
    contents = {"json": partial(weights_to_json, report), "csv": partial(weights_to_csv, report), "html": partial(weights_to_html, report)}
    return Export(f"qdash-weights-{report.created_at:%Y%m%d-%H%M%S}", contents)


def evaluation_export(evaluation: Evaluation) -> Export:
    """The files of an evaluation; “items.csv” has one row a question."""
    contents = {
        "json": partial(evaluation_to_json, evaluation),
        "csv": partial(evaluation_to_csv, evaluation),
        "items.csv": partial(evaluation_items_to_csv, evaluation),
        "html": partial(evaluation_to_html, evaluation),
    }
    return Export(f"qdash-evaluation-{evaluation.created_at:%Y%m%d-%H%M%S}", contents)


def history_export(content: str) -> Export:
    """Runs of a history, in the format “json”; no two files have one name."""
    return Export(f"qdash-history-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}", {"json": lambda: content})


def write_export(export: Export, suffix: str, folder: MakeFolder) -> str:
    """Write the file of a format into what `folder` makes.

    Returns its copy where Gradio serves files from. The copy is made here, where a failure is caught; else Gradio makes it. Raises
    QdashError if there is no room, or no right to write.
    """
    content = export.contents[suffix]()
    try:
        path = folder() / f"{export.stem}.{suffix}"
        path.write_text(content, encoding="utf-8")
        return save_file_to_cache(path, str(settings().uploads))
    except OSError as error:
        raise _not_written(error) from error


def _not_written(error: OSError) -> QdashError:
    message = f"The file to download could not be written ({error.strerror or error})."
    free = "Free some space, or set QDASH_CACHE_DIR and TMPDIR to folders that can be written."
    return QdashError(message, f"No result is lost. {by_reader(owner=free, visitor=TELL)}", "unavailable")
