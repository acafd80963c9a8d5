"""The words of the page, the terminal and the reports, in the language that is set.

English is the source: a sentence stands where it is used, as `_("{done} of {total} done", done=3, total=5)`. Another language is one
file, `languages/<language>.po`, in gettext's format; a sentence that it lacks stays English. `message_catalogue` makes and updates it.

Records and errors are always English, whoever made them, so that a saved run can be read in any language: `recorded` translates their
sentences when they are shown.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from math import isfinite
from string import Formatter
from typing import Any, NamedTuple

from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from markupsafe import Markup, escape

from qdash.errors import QdashError
from qdash.settings import LANGUAGES, settings

SOURCE = "en"
LONGEST = 4_000
"""Characters of a recorded text that is looked up; a longer one is no sentence of qdash's."""

LEAST_WORDS, LEAST_WORDS_AFTER_A_VALUE = 3, 4
"""Characters that a sentence has besides its values if recorded texts are looked up by it."""

_NEXT_SENTENCE = re.compile(r"(?<=[.?!]) (?=[A-Z“]|[a-z]+_)")  # a name in code may begin a sentence
_chosen: ContextVar[str | None] = ContextVar("language", default=None)


def languages() -> tuple[str, ...]:
    """The languages there are, English first: “en”, “zh”."""
    return SOURCE, *sorted(file.stem for file in LANGUAGES.glob("*.po"))


def language() -> str:
    """The language of what is shown now: that of the surrounding `in_language`, else QDASH_LANGUAGE."""
    return _chosen.get() or settings().language


@contextmanager
def in_language(name: str) -> Iterator[None]:
    """Show everything in the language `name` within the block."""
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


def _(text: str, /, **values: Any) -> str:
    """`text` in the language that is set, with `values` for its names in braces.

    If a value is markup, so is the result, and everything else in it is escaped.
    """
    return _filled(_translations(language()).gettext(text) if text else "", values)


def ngettext(one: str, many: str, number: int, /, **values: Any) -> str:
    """`one` or `many`, or whatever forms the language has, for `number`, which is also the value of {number}."""
    return _filled(_translations(language()).ngettext(one, many, number), {"number": decimal(number), **values})


def N_(text: str) -> str:  # noqa: N802 - gettext's name for it
    """`text` as it is. It marks a constant as a sentence; `_` translates it where it is shown."""
    return text


def catalogue(name: str) -> Catalog:
    """The file of the language `name`, which is not English; raises QdashError if there is none."""
    try:
        with (LANGUAGES / f"{name}.po").open("rb") as lines:
            return read_po(lines, locale=name)
    except (OSError, UnknownLocaleError, ValueError) as error:
        raise QdashError(f"There is no language “{name}”.", f"Use one of {', '.join(languages())}.") from error


def decimal(number: float, places: int = 0, *, grouped: bool = True) -> str:
    """A number with the separators of the language: “1,000”, “3.14”."""
    digits = f"{number:{',' if grouped else ''}.{places}f}"
    if language() == SOURCE or not isfinite(number):
        return digits
    pattern = f"{'#,##0' if grouped else '0'}.{'0' * places}".rstrip(".")
    return format_decimal(Decimal(digits.replace(",", "")), format=pattern, locale=_locale(language()))


@lru_cache(maxsize=4096)
def _recorded(text: str, name: str) -> str:
    """`text` as one sentence that is known, else sentence by sentence, else as one whose values are sentences too."""
    known = _translations(name).gettext(text)
    if known != text:
        return known
    whole = _by_template(text, name, sentences=False)
    if whole is None and _NEXT_SENTENCE.search(text):
        one_by_one = " ".join(_recorded(sentence, name) for sentence in _NEXT_SENTENCE.split(text))
        whole = one_by_one if one_by_one != text else _by_template(text, name, sentences=True)
    return text if whole is None else whole


def _by_template(text: str, name: str, *, sentences: bool) -> str | None:
    """`text` by the most specific sentence that it is made from, with its values translated too; None if there is none.

    `sentences`: whether a value may go beyond the end of a sentence.
    """
    for template in _templates(name):
        values = _values(text, template.literals)
        if values is not None and (sentences or not any(map(_NEXT_SENTENCE.search, values))):
            named = dict(zip(template.names, values, strict=True))
            number = named.get("number", "").replace(",", "")
            sentence = template.translated(_translations(name), int(number) if number.isdecimal() else 2)
            translated = {key: _recorded(value, name) for key, value in named.items()}
            return _filled(sentence, translated | ({"number": decimal(int(number))} if number.isdecimal() else {}))
    return None


def recorded(text: str) -> str:
    """Sentences of a record or an error, which are English, in the language that is set. Those that are not known stay as they are."""
    return text if language() == SOURCE or len(text) > LONGEST or not text else _recorded(text, language())


def _filled(template: str, values: dict[str, Any]) -> str:
    if not values:
        return template
    return (escape(template) if any(isinstance(value, Markup) for value in values.values()) else template).format(**values)


@cache
def _translations(name: str) -> NullTranslations:
    if name == SOURCE:
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, catalogue(name))
    compiled.seek(0)
    return GNUTranslations(compiled)


@cache
def _locale(name: str) -> Locale:
    return Locale.parse(name)


class _Template(NamedTuple):
    """A sentence that has values: the texts between these and their names. `forms`: all forms of a plural, of which this is one."""

    literals: list[str]
    names: list[str]
    forms: tuple[str, ...]

    @property
    def own_words(self) -> int:
        """Characters that are not the values'."""
        return len("".join(self.literals).strip())

    def translated(self, translations: NullTranslations, number: int) -> str:
        """The sentence in another language, in the form for `number`."""
        one, many = self.forms[0], self.forms[-1]
        return translations.gettext(one) if one == many else translations.ngettext(one, many, number)


@cache
def _templates(name: str) -> list[_Template]:
    """The translated sentences that have values, the most specific first.

    One that begins with a value must have some words of its own: many a sentence is “{name} is {size}.”.
    """
    sources = [(entry.id,) if isinstance(entry.id, str) else tuple(entry.id) for entry in catalogue(name) if entry.id and entry.string]
    found = []
    for forms in sources:
        for form in dict.fromkeys(form for form in forms if "{" in form):
            names, literals = list[str](), [""]
            for literal, field, _format, _conversion in Formatter().parse(form):
                literals[-1] += literal
                if field is not None:
                    names.append(field)
                    literals.append("")
            template = _Template(literals, names, forms)
            if names and template.own_words > (LEAST_WORDS if literals[0] else LEAST_WORDS_AFTER_A_VALUE):
                found.append(template)
    return sorted(found, key=lambda template: -template.own_words)


def _values(text: str, literals: list[str]) -> list[str] | None:
    """What stands in `text` between `literals`, or None if it is not made of them. Takes time linear in the length of `text`."""
    first, *middle, last = literals
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return None
    values, place, end = [], len(first), len(text) - len(last)
    for literal in middle:
        found = text.find(literal, place, end) if literal else -1
        if found < 0:
            return None
        values.append(text[place:found])
        place = found + len(literal)
    return [*values, text[place:end]]
