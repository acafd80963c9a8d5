"""The few pieces of markup that every part of the page uses, for code; templates import the same ones from markup.html.jinja."""

from markupsafe import Markup

from qdash.errors import QdashError
from qdash.markup import Macros, parts
from qdash.present.language import _, recorded
from qdash.records import ErrorRecord
from qdash.ui.components import text

_draw = Macros(__name__)


def sheet_head(title: str, how_to_read: str, saves: str = "") -> Markup:
    """Title of a panel and one line on how to read it; `saves`: the figure in it that can be saved as a picture, by its id."""
    return _draw.sheet_head(title, how_to_read, saves)


def explained(term: str) -> Markup:
    """A term of the glossary, with its explanation."""
    return parts.term(_(term), _(text.TIPS[term]))


def running_head(headline: str | Markup, status: str, *, live: bool = True) -> Markup:
    """A headline over what is going on; `live`: screen readers hear it change."""
    return _draw.running_head(headline, status, live)


def hint(words: str | Markup, *, role: str = "", classes: str = "") -> Markup:
    """A line in small print, with an ARIA `role` if it may change."""
    return _draw.hint(words, role, classes)


def banner(error: QdashError | ErrorRecord | None) -> Markup:
    """What happened and what to try; empty for no error."""
    return Markup() if error is None else _draw.banner(error.kind, recorded(error.message), recorded(error.remedy))


def progress_line(status: str, error: QdashError | None) -> Markup:
    """What a run does, which screen readers hear change; else what went wrong; empty for neither."""
    return hint(status, role="status") if status else banner(error)


def problem_words(error: QdashError) -> str:
    """What happened and what to try, as plain text."""
    return f"{recorded(error.message)} {recorded(error.remedy)}"


def problem(error: QdashError) -> Markup:
    """The same within a line."""
    return _draw.problem(recorded(error.message), recorded(error.remedy))
