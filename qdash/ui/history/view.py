"""What the History tab shows, as HTML: the list, a run's head, its link, and what changed between two. Pure functions over records.

Times are written in UTC here; the page's script puts them into the reader's own zone.
"""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from babel.dates import format_datetime
from markupsafe import Markup

from qdash.errors import QdashError
from qdash.history import Listing, Run
from qdash.history.kinds import is_own
from qdash.history.run_diff import Difference
from qdash.markup import Macros
from qdash.present import language
from qdash.present.language import N_, _, ngettext, recorded
from qdash.records import Comparison
from qdash.records.history import Entry, RunKind
from qdash.ui.components import text
from qdash.ui.components.markup import hint, problem_words
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.results.question import asked_html

View = Literal["list", "run", "shared", "difference"]
_draw = Macros(__name__)

MOST_LABELS = 6
"""Schemes that the list names of a run."""
STEP = 50
"""Rows of the list that are shown at first, and added by “Show more”."""

_KINDS = {"comparison": N_("Comparison"), "evaluation": N_("Evaluation")}


def history_phase_html(view: View, kind: RunKind = "comparison") -> Markup:
    """What is seen of the tab, and for a run of what kind, as attributes that the style sheet answers to (see `visibility`)."""
    return _draw.phase(view, kind)


def tools_html() -> Markup:
    """What can be done to all runs at once."""
    return _draw.tools()


def head_html(listing: Listing, search: str, why_in_memory: QdashError | None) -> Markup:
    """How many runs there are, and why they will not outlive the server, where that is so."""
    memory = f"{_(text.HISTORY_IN_MEMORY)} {problem_words(why_in_memory)}" if why_in_memory else ""
    if not listing.total:
        if search.strip():
            return sentence_html(_("No run contains “{words}”.", words=search[:60]), _(text.HISTORY_SEARCH_HINT))
        return sentence_html(_(text.HISTORY_EMPTY), memory or _(text.HISTORY_EMPTY_WHY))
    found = ngettext("{number} run found", "{number} runs found", listing.total)
    saved = ngettext("{number} saved run", "{number} saved runs", listing.total)
    return sentence_html(found if search.strip() else saved, memory or _(text.HISTORY_WHY))


def list_html(listing: Listing) -> Markup:
    """The list, with what can be done to the runs that are ticked."""
    rows = [_row(entry, listing.thumbnails.get(entry.key)) for entry in listing.entries]
    return _draw.history(rows, max(0, listing.total - len(rows)), _(text.HISTORY_CHOOSE))


def undo_html(count: int) -> Markup:
    """The line after a deletion."""
    return _draw.undo(ngettext("{number} run deleted.", "{number} runs deleted.", count))


def said_html(words: str) -> Markup:
    """Something that went as it should."""
    return _draw.said(words)


@dataclass(frozen=True)
class Row:
    """A run in the list, in words: `kind` is "" for a comparison, `picture` an address or ""."""

    entry: Entry
    title: str
    kind: str
    asked: str
    schemes: str
    picture: str
    when: Markup


def _row(entry: Entry, thumbnail: bytes | None) -> Row:
    asked = f"“{entry.asked}”" if entry.asked and entry.kind == "comparison" else recorded(entry.asked)
    rest = f" +{len(entry.labels) - MOST_LABELS}" if len(entry.labels) > MOST_LABELS else ""
    return Row(
        entry=entry,
        title=_title(entry),
        kind="" if entry.kind == "comparison" else _(_KINDS[entry.kind]),
        asked=asked,
        schemes=" · ".join(map(recorded, entry.labels[:MOST_LABELS])) + rest,
        picture=f"data:image/webp;base64,{b64encode(thumbnail).decode()}" if thumbnail else "",
        when=time_html(entry.created_at),
    )


def _title(entry: Entry) -> str:
    """The headline; that of an evaluation begins with its task."""
    task, colon, headline = entry.headline.partition(": ") if entry.kind == "evaluation" else ("", "", entry.headline)
    return f"{recorded(task)}{colon}{recorded(headline)}" or _("Without a headline")


def time_html(moment: datetime) -> Markup:
    """A moment, for people and for the script that knows their time zone."""
    said = format_datetime(moment, "dd MMM yyyy, HH:mm", locale=language.language())
    return _draw.time(moment.isoformat(), f"{said} UTC")


# ── one run ──────────────────────────────────────────────────────────────────────────────────────────────────────


def run_head_html(run: Run) -> Markup:
    """When, of what, and whose it is."""
    whose = "" if run.own else _(text.SHARED_BADGE)
    kind, moment = _draw.strong(_(_KINDS[run.entry.kind])), time_html(run.entry.created_at)
    version = run.record.qdash_version
    said = _("{kind} of {model}, {time}, qdash {version}", kind=kind, model=run.entry.model, time=moment, version=version)
    return _draw.run_head(said, whose)


def run_asked_html(run: Run) -> Markup:
    """What was asked, as far as it is there; the questions of an evaluation stand beside their answers."""
    if isinstance(run.record, Comparison):
        return asked_html(run.record, run.picture)
    told = run.own or any(item.prompt for item in run.record.questions)
    return Markup() if told else hint(_(text.SHARED_WITHOUT_QUESTIONS))


def share_html(run: Run) -> Markup:
    """The link of a run, and what it shows. The page's script shows the hint where its own address is one of the reader's machine."""
    share = run.entry.share
    boxes = []
    if isinstance(run.record, Comparison):
        boxes.append(("prompt", _("with the question"), bool(share and share.prompt)))
    elif is_own(run.record):
        boxes.append(("prompt", _("with the questions and what was answered"), bool(share and share.prompt)))
    if run.picture:
        boxes.append(("picture", _("with the picture"), bool(share and share.picture)))
    return _draw.share(share.key if share else None, boxes, _(text.SHARE_WHY), _(text.SHARE_LOCAL))


# ── two runs ─────────────────────────────────────────────────────────────────────────────────────────────────────


def difference_html(found: Difference, before: Entry, after: Entry) -> Markup:
    """Conditions that changed, then figure by figure, a table for each variant."""
    runs = [(letter, time_html(entry.created_at), entry.model) for letter, entry in (("A", before), ("B", after))]
    same = ", ".join(map(_, found.same_conditions))
    return _draw.difference(found, same, sentence_html(found.headline, found.why), runs)
