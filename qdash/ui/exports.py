"""A comparison as files to take away."""

from datetime import UTC, datetime
from pathlib import Path

from qdash.records import Comparison, Evaluation, WeightReport
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


def write_exports(comparison: Comparison, folder: Path, picture: bytes | None = None) -> dict[str, Path]:
    """Write one file per format into `folder`; returns format → path. The name carries the time, so a second run does not overwrite.

    `picture`: what was asked about, for the report.
    """
    stem = f"qdash-{comparison.created_at:%Y%m%d-%H%M%S}"
    return _write(folder, stem, {"json": to_json(comparison), "csv": to_csv(comparison), "html": to_html(comparison, picture)})


def write_weight_exports(report: WeightReport, folder: Path) -> dict[str, Path]:
    """The same for a weight report."""
    stem = f"qdash-weights-{report.created_at:%Y%m%d-%H%M%S}"
    return _write(folder, stem, {"json": weights_to_json(report), "csv": weights_to_csv(report), "html": weights_to_html(report)})


def write_evaluation_exports(evaluation: Evaluation, folder: Path) -> dict[str, Path]:
    """The same for an evaluation; “items.csv” has one row a question."""
    stem = f"qdash-evaluation-{evaluation.created_at:%Y%m%d-%H%M%S}"
    contents = {
        "json": evaluation_to_json(evaluation),
        "csv": evaluation_to_csv(evaluation),
        "items.csv": evaluation_items_to_csv(evaluation),
        "html": evaluation_to_html(evaluation),
    }
    return _write(folder, stem, contents)


def write_history(content: str, folder: Path) -> Path:
    """Write runs of a history; no two files have one name."""
    path = folder / f"qdash-history-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.json"
    path.write_text(content, encoding="utf-8")
    return path


def _write(folder: Path, stem: str, contents: dict[str, str]) -> dict[str, Path]:
    paths = {suffix: folder / f"{stem}.{suffix}" for suffix in contents}
    for suffix, content in contents.items():
        paths[suffix].write_text(content, encoding="utf-8")
    return paths
