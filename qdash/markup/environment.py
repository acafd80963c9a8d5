"""The one Jinja environment. A template lies beside the module that fills it and has its name: history/view.py, history/view.html.jinja.

Everything that a template prints is escaped, except for what a template made itself (`Markup`); a name that is not given is an error, not
an empty string. Line breaks in a template lay out its source only (see `Layout`): what is sent to the page several times a second is short.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from markupsafe import Markup

from qdash.catalog.models import model_name
from qdash.markup.colours import bits_class, colour_classes
from qdash.present.coverage import cache_words, covered, covered_by_part, left_alone
from qdash.present.formatting import mib
from qdash.present.language import _, decimal, ngettext, recorded

_PACKAGE = "qdash"
_AT_AN_EDGE = re.compile(r"\A\s*\n\s*|\s*\n\s*\Z|(?<=>)\s*\n\s*|\s*\n\s*(?=<)")
_INSIDE = re.compile(r"\s*\n\s*")


class Layout(Extension):
    """Takes line breaks and indentation out of templates as they are compiled.

    A break beside a tag, a block or an expression goes altogether, as spaces between inline elements would be seen. One within a sentence
    or a tag becomes a space. Values are not touched.
    """

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """The tokens of a template, text without its layout."""
        for token in stream:
            is_text = token.type == "data"
            yield Token(token.lineno, token.type, _INSIDE.sub(" ", _AT_AN_EDGE.sub("", token.value))) if is_text else token


@cache
def environment() -> Environment:
    """The environment. Templates are named by their path in the package, and compiled once."""
    made = Environment(
        loader=PackageLoader(_PACKAGE, ""), autoescape=True, undefined=StrictUndefined, extensions=[Layout], auto_reload=False
    )
    made.globals |= {"bits_class": bits_class, "colour_classes": colour_classes, "model_name": model_name, "_": _, "ngettext": ngettext}
    made.globals |= {"recorded": recorded}
    made.filters |= {"cache_words": cache_words, "covered": covered, "covered_by_part": covered_by_part}
    made.filters |= {"grouped": decimal, "left_alone": left_alone, "mib": mib}
    return made


def template(name: str) -> Template:
    """A template that is a whole document, such as "report/comparison.html.jinja"."""
    return environment().get_template(name)


class Macros:
    """The macros of the template beside a module, as functions that return markup: `Macros(__name__).row(entry)`.

    A name that the template does not have raises AttributeError.
    """

    def __init__(self, module: str) -> None:
        self._template = f"{module.removeprefix(f'{_PACKAGE}.').replace('.', '/')}.html.jinja"

    def __getattr__(self, name: str) -> Callable[..., Markup]:
        macro = getattr(template(self._template).module, name)
        setattr(self, name, macro)  # found at once from now on
        return macro
