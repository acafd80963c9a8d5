"""Files of questions, as people hand them in: read within bounds, line by line, with the line's number for whoever has to mend it."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qdash.errors import QdashError
from qdash.records.evaluation import MAX_ITEMS
from qdash.settings import settings

Row = Mapping[str, Any]
_LINES = 'JSON lines look like {"prompt": "2 + 2 = ?", "answer": "4"}, one question each; CSV needs these columns.'


def read_rows(source: Path | bytes, name: str) -> Iterator[tuple[int, Row]]:
    """Lines of a file with their numbers: CSV where `name` ends in .csv or .tsv, else JSON objects.

    Raises QdashError for a file that is none of that, and after MAX_ITEMS of them.
    """
    text = _decoded(_read(source) if isinstance(source, Path) else source, name)
    rows = _csv_rows(text, name) if name.lower().endswith((".csv", ".tsv")) else _json_rows(text, name)
    for count, row in enumerate(rows):
        if count == MAX_ITEMS:
            raise QdashError(f"{name} has more than {MAX_ITEMS:,} questions.", "Keep fewer.")
        yield row


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise QdashError(f"“{path}” {'is a folder' if path.is_dir() else 'does not exist'}.", "Check the path of the file.")
    try:
        # The size first: what is too large is never read.
        _check_size(path.stat().st_size, path.name)
        return path.read_bytes()
    except OSError as error:
        raise QdashError(f"“{path}” cannot be read ({error.strerror}).", "Check its permissions.") from None


def _decoded(data: bytes, name: str) -> str:
    _check_size(len(data), name)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise QdashError(f"{name} is not UTF-8 text.", "Save it as UTF-8; in a spreadsheet choose “CSV UTF-8”.") from None


def _check_size(size: int, name: str) -> None:
    limit = settings().max_upload_bytes
    if size > limit:
        message = f"{name} has {size / 2**20:,.1f} MiB; at most {limit / 2**20:,.0f} are allowed."
        raise QdashError(message, "Keep fewer questions.")


def _json_rows(text: str, name: str) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise QdashError(f"{name}, line {number}: this is not JSON.", _LINES) from None
        if not isinstance(row, dict):
            raise QdashError(f"{name}, line {number}: this is not a JSON object.", _LINES)
        yield number, row


def _csv_rows(text: str, name: str) -> Iterator[tuple[int, Row]]:
    """Commas, semicolons or tabs, whichever the header has: spreadsheets write what their country uses."""
    header = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    try:
        for row in reader:
            yield reader.line_num, {str(column).strip().lower(): value for column, value in row.items()}
    except csv.Error as error:
        raise QdashError(f"{name}, line {reader.line_num}: this is not CSV ({error}).", _LINES) from None
