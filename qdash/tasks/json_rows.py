"""Rows of JSON: an object a line, objects over several lines, or one array of them. Numbers keep the spelling that the file has."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from qdash.errors import QdashError
from qdash.tasks.rows import MOST_COLUMNS, Columns, FileRow, at_line, check_names, normal

_SPACE = re.compile(r"[ \t\r\n]*+")
_LINE_END = re.compile(r"\r\n?|\n")


@dataclass(frozen=True)
class _Object:
    """An object as the pairs it was written as, so that what is there twice can be told."""

    pairs: list[tuple[str, Any]]


# NaN and the infinities, which JSON does not have but pandas writes, are as good as nothing.
_DECODER = json.JSONDecoder(object_pairs_hook=_Object, parse_float=str, parse_int=str, parse_constant=lambda _: None)


def json_rows(text: str, name: str, columns: Columns) -> Iterator[FileRow]:
    """The objects of a text, in order. Raises QdashError with line and column."""
    place = _after_space(text, 0)
    array = text[place : place + 1] == "["
    place, line, counted = place + array, 1, 0
    while True:
        place = _after_space(text, place)
        if place >= len(text) or (array and text[place] == "]"):
            break
        line, counted = line + len(_LINE_END.findall(text, counted, place)), place
        value, place = _value(text, place, name)
        if not isinstance(value, _Object):
            raise QdashError(f"{name}, line {line:,}: this is not a JSON object.", columns.example)
        yield FileRow(line, _values(value, columns, at_line(name, line)), is_csv=False)
        place = _after_comma(text, place, name) if array else place
    if array:
        _check_end(text, place, name)


def _values(found: _Object, columns: Columns, where: str) -> dict[str, Any]:
    if len(found.pairs) > MOST_COLUMNS:
        raise QdashError(f"{where}: there are more than {MOST_COLUMNS:,} keys.", "Keep those that are needed.")
    check_names([key for key, _ in found.pairs], columns, where, "key")
    return {normal(key): value for key, value in found.pairs}


def _value(text: str, place: int, name: str) -> tuple[Any, int]:
    """The value at `place` and where it ends. Of a line that is broken the fault is told in that line, not where the next one begins."""
    try:
        return _DECODER.raw_decode(text, place)
    except json.JSONDecodeError as error:
        ends = _LINE_END.search(text, place)
        line = text[place : ends.start() if ends else len(text)]
        inner = next(iter(text[ends.end() :].lstrip()), "") if ends else ""
        at = min(error.pos, place + len(line)) if inner in ("{", "") else error.pos
        raise _not_json(text, at, name, error.msg) from None
    except (ValueError, RecursionError):
        raise _not_json(text, place, name, "it is nested too deeply") from None


def _after_comma(text: str, place: int, name: str) -> int:
    place = _after_space(text, place)
    if text[place : place + 1] == ",":
        return place + 1
    if text[place : place + 1] == "]":
        return place
    raise _not_json(text, place, name, "Expecting ',' or ']'")


def _check_end(text: str, place: int, name: str) -> None:
    if text[place : place + 1] != "]":
        raise _not_json(text, place, name, "the array is not closed")
    rest = _after_space(text, place + 1)
    if rest < len(text):
        raise _not_json(text, rest, name, "something follows the array")


def _after_space(text: str, place: int) -> int:
    return _SPACE.match(text, place).end()  # type: ignore[union-attr] - matches anything


def _not_json(text: str, place: int, name: str, why: str) -> QdashError:
    before = _LINE_END.split(text[:place])
    where = f"line {len(before):,}, column {len(before[-1]) + 1:,}"
    return QdashError(f"{name}, {where}: this is not JSON ({why}).", 'Write one object per line: {"prompt": "2 + 2 = ?", "answer": "4"}.')
