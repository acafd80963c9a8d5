"""Markdown documents, such as model cards, from templates of their own: whatever they print is text, neither markup nor HTML.

A hub renders a card as HTML, so what could begin a tag, a link or a table cell is escaped. A template is named for what it makes:
report/model_card.md.jinja. Line breaks in it are those of the document.
"""

import re
from functools import cache
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from qdash.present.language import _, ngettext, recorded

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~!])")


def markdown_template(name: str) -> Template:
    """The template of a Markdown document."""
    return _environment().get_template(name)


def plain(text: object) -> Markup:
    """`text` as Markdown that shows exactly it, in one line; what is markup already stays."""
    if isinstance(text, Markup):
        return text
    words = " ".join(str(text).split())
    return Markup(_SPECIAL.sub(r"\\\1", words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")))


def code(text: str) -> Markup:
    """`text` in the line as code, whatever backticks are in it. A pipe would end a table's cell, so it becomes a broken bar."""
    words = " ".join(text.split()).replace("|", "\u00a6")
    fence = "`" * (_longest_run(words) + 1)
    padded = f" {words} " if words.startswith("`") or words.endswith("`") else words
    return Markup(f"{fence}{padded}{fence}")


def code_block(text: str, language: str) -> Markup:
    """`text` as a block of code that nothing in it can end."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return Markup(f"{fence}{language}\n{text.rstrip()}\n{fence}")


def _longest_run(text: str) -> int:
    return max((len(list(run)) for character, run in groupby(text) if character == "`"), default=0)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("qdash", ""), autoescape=True, undefined=StrictUndefined, finalize=plain, auto_reload=False,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    made.globals |= {"_": _, "ngettext": ngettext, "recorded": recorded, "code": code, "code_block": code_block}
    return made
