"""A language made from the sentences of the source, each in ⟦brackets⟧: what a page shows outside of brackets was not translated."""

import re
from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache
from html import unescape
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from qdash.present import language
from qdash.present.message_catalogue import messages

NAME = "eo"
_BRACKETS = re.compile(r"⟦[^⟦⟧]*⟧")
_MARKUP = re.compile(r"<(script|style|svg|code|pre)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_SHOWN_ATTRIBUTES = re.compile(r"""\b(?:title|aria-label|placeholder|alt|data-tip)="([^"]*)\"""")
_SENTENCE = re.compile(r"[A-Za-z’']{2,}(?:[ ,]+[a-z’']{2,})+")
"""Two words or more, which no name of a model, scheme or package is."""


@cache
def _messages() -> Catalog:
    """Reading the whole source takes seconds."""
    return messages()


def write_pseudo_language(folder: Path) -> None:
    """Write `folder`/eo.po."""
    catalogue = Catalog(Locale.parse(NAME), project="qdash", fuzzy=False)
    for found in _messages():
        if found.id:
            forms = (found.id,) if isinstance(found.id, str) else tuple(found.id)
            translated = tuple(f"⟦{form}⟧" for form in forms)
            catalogue.add(found.id, translated[0] if isinstance(found.id, str) else translated)
    with (folder / f"{NAME}.po").open("wb") as file:
        write_po(file, catalogue)


def use_pseudo_language(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it the language of everything that is shown, until the test ends."""
    write_pseudo_language(folder)
    monkeypatch.setattr(language, "LANGUAGES", folder)
    for cached in (language._translations, language._templates, language._recorded):
        cached.cache_clear()
    monkeypatch.setattr(language, "_chosen", ContextVar("language", default=NAME))


def pseudo_language(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The same for all tests of a module, as a fixture of that module."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_pseudo_language(tmp_path_factory.mktemp("language"), monkeypatch)
        yield


def untranslated(shown: str) -> list[str]:
    """The English in a text or in markup that stands outside of brackets."""
    text = " ¦ ".join((_MARKUP.sub(" ¦ ", shown), *_SHOWN_ATTRIBUTES.findall(shown)))
    text, before = unescape(text), ""
    while text != before:
        before, text = text, _BRACKETS.sub("¦", text)
    return _SENTENCE.findall(text)
