"""Rows of a CSV file, read so that everything that does not add up is told with its place.

Written anew beside Python's module, which reads a row with a comma too many as another question, knows where a row ends but not where it
begins, and refuses long fields, such as a picture in base64, unless a limit is raised for the whole process.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qdash.errors import QdashError
from qdash.tasks.rows import MOST_COLUMNS, Columns, FileRow, at_line, check_names, listed, normal

_DELIMITERS = ",;\t|"
_NAMED = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
# What spreadsheets are told their delimiter by; they do not show this line.
_SEP = re.compile(r'"?sep=(.)"?[,;\t| ]*(\r\n?|\n|$)', re.IGNORECASE)
_BLANK = re.compile(r"(?:[ \t]*+(?:\r\n?|\n))*+")
_LINE_END = re.compile(r"\r\n?|\n")
_QUOTED = re.compile(r' *+"([^"]*+(?:""[^"]*+)*+)" *+')
_DOUBLED = 'Put the whole field into quotation marks, and write those inside it twice: "She said ""yes"".".'


@dataclass(frozen=True)
class _Field:
    text: str
    place: int


@dataclass(frozen=True)
class _Text:
    """A file's text, its name for messages, and what stands between its fields."""

    text: str
    name: str
    delimiter: str

    def where(self, place: int) -> str:
        before = _LINE_END.split(self.text[:place])
        return f"{self.name}, line {len(before):,}, column {len(before[-1]) + 1:,}"


def csv_rows(text: str, name: str, columns: Columns) -> Iterator[FileRow]:
    """Rows below a header, which tells the delimiter: comma, semicolon, tab or vertical bar, or the one that a line `sep=` names.

    Quoted fields may have line ends in them. Lines and rows without anything are left out. Raises QdashError with line and column.
    """
    told = _SEP.match(text)
    start = _BLANK.match(text, told.end() if told else 0).end()  # type: ignore[union-attr] - matches anything
    content = _Text(text, name, told[1] if told else _delimiter(text, name, start, columns))
    header, place = _record(content, start, MOST_COLUMNS)
    names = [field.text for field in header]
    check_names([found for found in names if normal(found)], columns, at_line(name, _line_ends(text, 0, start) + 1), "column")
    line = 1 + _line_ends(text, 0, place)
    while place < len(text):
        fields, end = _record(content, place, len(names))
        if any(field.text.strip() for field in fields):
            yield FileRow(line, _values(content, names, fields, line), is_csv=True)
        line += _line_ends(text, place, end)
        place = end


def has_columns(text: str, columns: Columns) -> bool:
    """Whether a text begins as a CSV file that has the needed columns."""
    told = _SEP.match(text)
    if told:
        return True
    start = _BLANK.match(text).end()  # type: ignore[union-attr] - matches anything
    return any(_fits(_Text(text, "", delimiter), start, columns) for delimiter in _DELIMITERS)


def _delimiter(text: str, name: str, start: int, columns: Columns) -> str:
    """The one that finds the needed columns in the header; if none does, the one that finds most columns."""
    found = next((sign for sign in _DELIMITERS if _fits(_Text(text, name, sign), start, columns)), None)
    return found or max(_DELIMITERS, key=lambda sign: len(_header(_Text(text, name, sign), start)))


def _fits(content: _Text, start: int, columns: Columns) -> bool:
    names = {normal(name) for name in _header(content, start)}
    return all(name in names for name in columns.needed)


def _header(content: _Text, start: int) -> list[str]:
    try:
        return [field.text for field in _record(content, start, MOST_COLUMNS)[0]]
    except QdashError:
        return []


def _values(content: _Text, names: Sequence[str], fields: Sequence[_Field], line: int) -> dict[str, str]:
    """The fields by name."""
    if len(fields) < len(names):
        found = f"{content.name}, line {line:,}: this row has {_fields(len(fields))}, the first line {len(names)}: {listed(names)}."
        raise QdashError(found, _as_fields(content.delimiter))
    unnamed = next((field for name, field in zip(names, fields, strict=True) if not name.strip() and field.text.strip()), None)
    if unnamed is not None:
        raise QdashError(
            f"{content.where(unnamed.place)}: this field is in a column without a name.", "Name the column, or empty the field."
        )
    if all(normal(field.text) == normal(name) for name, field in zip(names, fields, strict=True)):
        raise QdashError(f"{content.name}, line {line:,}: this line repeats the column names.", "Remove this line.")
    return {normal(name): field.text for name, field in zip(names, fields, strict=True)}


def _record(content: _Text, place: int, most: int) -> tuple[list[_Field], int]:
    """The fields of the row that begins at `place`, and where the next row begins. Empty fields beyond `most` are left out."""
    plain = re.compile(f"[^{re.escape(content.delimiter)}\r\n]*+")
    fields: list[_Field] = []
    while True:
        field, end = _field(content, place, plain)
        if len(fields) < most:
            fields.append(field)
        elif field.text.strip():
            raise _too_many(content, field, fields, most)
        if content.text[end : end + 1] != content.delimiter:
            return fields, _LINE_END.match(content.text, end).end() if end < len(content.text) else end  # type: ignore[union-attr] - a line ends here
        place = end + 1


def _field(content: _Text, place: int, plain: re.Pattern[str]) -> tuple[_Field, int]:
    quoted = _QUOTED.match(content.text, place)
    if quoted is None:
        match = plain.match(content.text, place)
        assert match is not None  # it matches nothing, too
        if match[0].lstrip(" ").startswith('"'):
            raise QdashError(f"{content.where(place)}: the quotation mark here is never closed.", _DOUBLED)
        return _Field(match[0], place), match.end()
    end = quoted.end()
    if end < len(content.text) and content.text[end] not in (content.delimiter, "\r", "\n"):
        begun = content.where(place).removeprefix(f"{content.name}, ")
        after = content.text[end : end + 20].split("\n")[0]
        message = f"{content.where(end)}: “{after}” follows the end of a field in quotation marks, which began in {begun}."
        raise QdashError(message, _DOUBLED)
    return _Field(quoted[1].replace('""', '"'), place), end


def _too_many(content: _Text, field: _Field, fields: list[_Field], most: int) -> QdashError:
    if most == MOST_COLUMNS:
        return QdashError(f"{content.where(field.place)}: there are more than {most:,} columns.", "Keep those that are needed.")
    message = (
        f"{content.where(field.place)}: this row has more than the {_fields(most)} of the first line: “{field.text.strip()[:40]}” is left."
    )
    return QdashError(message, _as_fields(content.delimiter))


def _as_fields(delimiter: str) -> str:
    sign = _NAMED.get(delimiter, delimiter)
    return f"Give every row as many fields as the first line has; put text with a {sign} in it into quotation marks."


def _fields(count: int) -> str:
    return f"{count:,} field" if count == 1 else f"{count:,} fields"


def _line_ends(text: str, start: int, end: int) -> int:
    return len(_LINE_END.findall(text, start, end))
