"""Reads users' files of questions within bounds; faults name the line.

What a file is, its contents tell: a text that begins with a brace or bracket is JSON, one whose first line has the columns is CSV. The
name decides only about what is neither, so that the complaint is about the right format.
"""

from collections.abc import Iterator
from pathlib import Path

from qdash.errors import QdashError
from qdash.inputs import check_bytes, foreign, read_file, text_of
from qdash.records.evaluation import MAX_ITEMS
from qdash.tasks.csv_rows import csv_rows, has_columns
from qdash.tasks.json_rows import json_rows
from qdash.tasks.rows import Columns, FileRow

_SAVE = "Save it as UTF-8; in a spreadsheet choose “CSV UTF-8”."
_TABLES = (".csv", ".tsv", ".tab", ".txt", ".xls", ".xlsx", ".ods")


def read_rows(source: Path | bytes, name: str, columns: Columns) -> Iterator[FileRow]:
    """Rows of a file of CSV or JSON objects, text in UTF-8 or UTF-16, that has `columns`.

    Raises QdashError for a file that is none of that, and after MAX_ITEMS of them.
    """
    text = _text(source, name)
    for count, row in enumerate(_rows(text, name, columns)):
        if count == MAX_ITEMS:
            raise QdashError(f"{name} has more than {MAX_ITEMS:,} questions.", "Keep fewer.")
        yield row


def _text(source: Path | bytes, name: str) -> str:
    data = read_file(source, "questions") if isinstance(source, Path) else source
    if data:
        check_bytes(len(data), name, "questions")
    kind = foreign(data)
    if kind is not None and kind.is_text and kind.remedy_for_text:
        raise QdashError(f"{name} is {kind.name}, not a file of questions.", kind.remedy_for_text)
    return text_of(data, name, _SAVE)


def _rows(text: str, name: str, columns: Columns) -> Iterator[FileRow]:
    if text.lstrip()[:1] in ("{", "["):
        return json_rows(text, name, columns)
    if has_columns(text, columns) or (name.lower().endswith(_TABLES) and text.strip()):
        return csv_rows(text, name, columns)
    return json_rows(text, name, columns)
