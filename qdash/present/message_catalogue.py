"""All sentences of qdash for translators: `python -m qdash.present.message_catalogue zh` makes or updates languages/zh.po.

Sentences are found in the source. In Python they are the arguments of `_`, `ngettext` and `N_`, what an error is raised with, and the
keyword arguments of SHOWN; in templates and scripts the arguments of `_` and `ngettext`. An f-string of an error becomes a sentence with
names in braces. What the catalogue's rows say of models, schemes, formats and presets is read from the rows themselves.
"""

import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any

from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from qdash.catalog.formats import FORMATS
from qdash.catalog.models import ASSETS, MODELS
from qdash.catalog.needs import MISSING
from qdash.catalog.presets import PRESETS
from qdash.catalog.schemes import SCHEMES
from qdash.errors import QdashError
from qdash.present.language import SOURCE
from qdash.settings import LANGUAGES

PACKAGE = Path(__file__).parents[1]
SHOWN = {"about", "detail", "hint", "label", "note", "problem", "reason", "remedy", "words"}
"""Keyword arguments whose text people read."""
DESCRIBING = {
    "BESIDE_MULTIPLYING", "CACHE_IN_MEMORY", "CHANGES_ITSELF", "FILES_OWN", "ONE_QUANTIZATION", "PACKED_OBJECTS", "PROTOTYPE",
    "QUANTIZED_AFTERWARDS", "ROUNDS_INPUTS", "UNPACKING", "UNSAVEABLE", "dtype_remark", "example", "group", "kernel_work", "overhead",
    "rounding_inputs", "uncounted", "unpacking_weights", "where",
    "without_bits",
}  # fmt: skip
"""Constants, attributes and functions that hold or return such a text: of the catalogue of schemes, and places in files."""
NOTES = re.compile(r"\w*notes?")
"""Functions that return notes for people, and lists to which they are added."""
ERRORS = {"QdashError"}
MARKERS = {"_": 1, "N_": 1, "ngettext": 2}
"""Functions and how many of their arguments are forms of a sentence."""

_METHODS = [("**.py", "qdash.present.message_catalogue:python_messages"), ("**.jinja", "jinja2"), ("**.js", "javascript")]
_KEYWORDS: dict[str, tuple[int, ...] | None] = {"_": None, "ngettext": (1, 2)}

Found = tuple[int, str | None, str | tuple[str, ...], list[str]]
"""Line, function, a sentence or its forms, comments: what Babel wants of an extractor."""


def main(arguments: list[str]) -> None:
    """Make or update the file of one language; what is translated stays, what has changed is marked as fuzzy."""
    if len(arguments) != 1 or not arguments[0].isidentifier() or arguments[0] == SOURCE:
        raise SystemExit("Give the language to translate into, as in: python -m qdash.present.message_catalogue zh")
    try:
        print(f"{update(arguments[0])} sentences are in {LANGUAGES / arguments[0]}.po")
    except (QdashError, OSError) as error:
        raise SystemExit(str(error)) from None


def update(language: str, folder: Path = LANGUAGES) -> int:
    """Write `folder`/`language`.po with all sentences; returns how many there are."""
    try:
        locale = Locale.parse(language)
    except (UnknownLocaleError, ValueError) as error:
        raise QdashError(f"There is no language “{language}”.", "Use a code such as zh, de or pt_BR.") from error
    file, found = folder / f"{language}.po", messages()
    catalogue = Catalog(locale, project="qdash", fuzzy=False)
    if file.exists():
        with file.open("rb") as lines:
            catalogue = read_po(lines, locale=locale)
    catalogue.update(found)
    with file.open("wb") as lines:
        write_po(lines, catalogue, width=100, omit_header=False, ignore_obsolete=True, sort_by_file=True)
    return len(found)


def messages() -> Catalog:
    """Every sentence of the package with the places where it stands."""
    catalogue = sentences_in(PACKAGE)
    for text in filter(None, _of_rows()):
        catalogue.add(text, locations=[("catalog", 0)])
    return catalogue


def _of_rows() -> Iterator[str]:
    """Names, descriptions and needs in the catalogue, and what is said of the sample pictures."""
    yield from MISSING.values()
    for scheme in SCHEMES.values():
        yield from (scheme.label, scheme.about, scheme.family.group)
        yield from (remedy for need in scheme.needs for remedy in (need.remedy, need.elsewhere))
    for number_format in FORMATS.values():
        yield from (number_format.label, number_format.about, number_format.hint)
    for row in (*MODELS.values(), *PRESETS):
        yield from (row.label, row.about)
    samples = json.loads((ASSETS / "samples" / "samples.json").read_text(encoding="utf-8"))
    yield from (sample[name] for sample in samples for name in ("title", "shows"))


def sentences_in(folder: Path) -> Catalog:
    """The sentences in the files of `folder`."""
    catalogue = Catalog(project="qdash")
    options = {"**.jinja": {"extensions": "qdash.markup.environment.Layout"}}
    for name, line, text, comments, _context in extract_from_dir(folder, _METHODS, options, _KEYWORDS):
        if text:
            catalogue.add(text, locations=[(name, line)], auto_comments=comments)
    return catalogue


def python_messages(file: IO[bytes], _keywords: Any, _tags: Any, options: Any) -> Iterator[Found]:  # noqa: ARG001 - Babel names it
    """Babel's extractor for the sentences of a Python file."""
    yield from Source(file.read()).messages()


class Source:
    """A Python file, read for its sentences."""

    def __init__(self, source: str | bytes) -> None:
        self.tree = ast.parse(source)

    def messages(self) -> Iterator[Found]:
        """The sentences in order, without those that are empty."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                for text in self._of_call(node):
                    yield node.lineno, "_" if isinstance(text, str) else "ngettext", text, []
        for line, expression in self._described():
            yield from ((line, "_", text, []) for text in self.sentences(expression) if text)

    def _described(self) -> Iterator[tuple[int, ast.expr]]:
        """(line, expression) of what DESCRIBING names: the values of constants and attributes, what functions return."""
        for node in ast.walk(self.tree):
            match node:
                case ast.FunctionDef(name=name) if name in DESCRIBING or NOTES.fullmatch(name):
                    returned = (part for part in ast.walk(node) if isinstance(part, ast.Return | ast.Yield))
                    yield from ((part.lineno, part.value) for part in returned if part.value is not None)
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[value]) if NOTES.fullmatch(name):
                    yield node.lineno, value
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in DESCRIBING:
                    yield node.lineno, value

    def errors(self) -> Iterator[tuple[int, ast.expr]]:
        """(line, expression) of each message and remedy that an error is raised with."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and _name(node.func) in ERRORS:
                yield from ((node.lineno, argument) for argument in _texts_of(node))

    def sentences(self, expression: ast.expr, within: frozenset[str] = frozenset()) -> list[str]:
        """All sentences that `expression` may be, values as names in braces; an f-string's own values are looked into as well.

        `within`: the names that are being looked up, of which one may be given a value made from itself.
        """
        inside = partial(self._sentences_of, within=within)
        match expression:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=parts):
                inner = inside([part.value for part in parts if isinstance(part, ast.FormattedValue)])
                return [_template(expression), *(text for text in inner if " " in text)]
            case ast.IfExp(body=body, orelse=other):
                return inside([body, other])
            case ast.BoolOp(values=parts) | ast.Tuple(elts=parts):
                return inside(parts)
            case ast.Call(args=positional, keywords=named) if _name(expression.func) == "by_reader":
                return inside([*positional, *(word.value for word in named)])
            case ast.Call(args=positional) if _name(expression.func) in DESCRIBING:
                return inside(positional)
            case ast.Call(func=ast.Name(id=name)) if name in self._returned and name not in within:
                return self._sentences_of(self._returned[name], within | {name})
            case ast.Name(id=name) if name not in within:
                return self._sentences_of(self._assigned.get(name, []), within | {name})
            case ast.Subscript(value=ast.Name(id=name)) | ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get")):
                tables = [value for value in self._assigned.get(name, []) if isinstance(value, ast.Dict)]
                return inside([value for table in tables for value in table.values])
        return []

    def _sentences_of(self, expressions: Iterable[ast.expr], within: frozenset[str]) -> list[str]:
        return [text for expression in expressions for text in self.sentences(expression, within)]

    def _of_call(self, node: ast.Call) -> Iterator[str | tuple[str, ...]]:
        name = _name(node.func)
        if name in MARKERS:
            forms = [argument.value for argument in node.args[: MARKERS[name]] if isinstance(argument, ast.Constant)]
            texts = [form for form in forms if isinstance(form, str)]
            if len(texts) == MARKERS[name] and texts[0]:
                yield texts[0] if len(texts) == 1 else tuple(texts)
            return
        shown: Iterable[ast.expr] = _texts_of(node) if name in ERRORS else (word.value for word in node.keywords if word.arg in SHOWN)
        for expression in shown:
            yield from filter(None, self.sentences(expression))

    @cached_property
    def _returned(self) -> dict[str, list[ast.expr]]:
        """What each function of the file may return, if that is said to be a text."""
        functions = [node for node in self.tree.body if isinstance(node, ast.FunctionDef) and node.returns is not None]
        texts = [function for function in functions if ast.unparse(function.returns or function).startswith("str")]
        return {
            function.name: [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None]
            for function in texts
        }

    @cached_property
    def _assigned(self) -> dict[str, list[ast.expr]]:
        """The values that each name is given anywhere in the file."""
        found: dict[str, list[ast.expr]] = {}
        for node in ast.walk(self.tree):
            match node:
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                    pairs = list(zip(names, values, strict=False))
                case ast.Assign(targets=names, value=value):
                    pairs = [(name, value) for name in names]
                case ast.AnnAssign(target=name, value=ast.expr() as value):
                    pairs = [(name, value)]
                case _:
                    continue
            for name, value in pairs:
                if isinstance(name, ast.Name):
                    found.setdefault(name.id, []).append(value)
        return found


def _texts_of(call: ast.Call) -> list[ast.expr]:
    named = [word.value for word in call.keywords if word.arg in ("message", "remedy")]
    return [*call.args[:2], *named]


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""


def _template(text: ast.JoinedStr) -> str:
    """An f-string as a sentence: each value becomes the last name in its expression, numbered where one occurs twice."""
    parts, seen = [], dict[str, int]()
    for part in text.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value).replace("{", "{{").replace("}", "}}"))
        elif isinstance(part, ast.FormattedValue):
            functions = {id(node.func) for node in ast.walk(part.value) if isinstance(node, ast.Call)}
            names = [_name(node) for node in ast.walk(part.value) if isinstance(node, ast.expr) and id(node) not in functions]
            name = next(filter(None, names), "value")
            seen[name] = seen.get(name, 0) + 1
            parts.append(f"{{{name}}}" if seen[name] == 1 else f"{{{name}_{seen[name]}}}")
    return "".join(parts)


if __name__ == "__main__":
    main(sys.argv[1:])
