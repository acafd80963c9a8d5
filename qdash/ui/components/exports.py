"""Results as files to download. If they cannot be written, the page says why and what to do, and no result is lost."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
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
class Exports:
    """`paths`: format → file; None for all where they could not be written, and `problem` then says why."""

    paths: dict[str, str | None]
    problem: QdashError | None = None


def write_exports(comparison: Comparison, folder: MakeFolder, picture: bytes | None = None) -> Exports:
    """Write one file per format into what `folder` makes. The name carries the time, so a second run does not overwrite.

    `picture`: what was asked about, for the report.
    """
    stem = f"qdash-{comparison.created_at:%Y%m%d-%H%M%S}"
    return _write(folder, stem, {"json": to_json(comparison), "csv": to_csv(comparison), "html": to_html(comparison, picture)})


def write_weight_exports(report: WeightReport, folder: MakeFolder) -> Exports:
    """The same for a weight report."""
    stem = f"qdash-weights-{report.created_at:%Y%m%d-%H%M%S}"
    return _write(folder, stem, {"json": weights_to_json(report), "csv": weights_to_csv(report), "html": weights_to_html(report)})


def write_evaluation_exports(evaluation: Evaluation, folder: MakeFolder) -> Exports:
    """The same for an evaluation; “items.csv” has one row a question."""
    stem = f"qdash-evaluation-{evaluation.created_at:%Y%m%d-%H%M%S}"
    contents = {
        "json": evaluation_to_json(evaluation),
        "csv": evaluation_to_csv(evaluation),
        "items.csv": evaluation_items_to_csv(evaluation),
        "html": evaluation_to_html(evaluation),
    }
    return _write(folder, stem, contents)


def write_history(content: str, folder: MakeFolder) -> Exports:
    """Write runs of a history; no two files have one name."""
    return _write(folder, f"qdash-history-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}", {"json": content})


def _write(folder: MakeFolder, stem: str, contents: dict[str, str]) -> Exports:
    try:
        place = folder()
        return Exports({suffix: _written(place / f"{stem}.{suffix}", content) for suffix, content in contents.items()})
    except OSError as error:
        return Exports(dict.fromkeys(contents), _not_written(error))


def _written(path: Path, content: str) -> str:
    """Write a file; returns its copy where Gradio serves files from. It is made here, where a failure is caught; else Gradio makes it."""
    path.write_text(content, encoding="utf-8")
    return save_file_to_cache(path, str(settings().uploads))


def _not_written(error: OSError) -> QdashError:
    message = f"The files to download could not be written ({error.strerror or error})."
    free = "Free some space, or set QDASH_CACHE_DIR and TMPDIR to folders that can be written."
    return QdashError(message, f"No result is lost. {by_reader(owner=free, visitor=TELL)}", "unavailable")
