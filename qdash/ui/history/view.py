"""What the History tab shows, as HTML: the list, a run's head, its link, and what changed between two. Pure functions over records.

Times are written in UTC here; the page's script puts them into the reader's own zone.
"""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from markupsafe import Markup

from qdash.errors import QdashError
from qdash.history import Listing, Run
from qdash.history.kinds import is_own
from qdash.history.run_diff import Difference
from qdash.markup import Macros
from qdash.records import Comparison
from qdash.records.history import Entry, RunKind
from qdash.ui.components import text
from qdash.ui.components.markup import hint
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.results.question import asked_html

View = Literal["list", "run", "shared", "difference"]
_draw = Macros(__name__)

MOST_LABELS = 6
"""Schemes that the list names of a run."""
STEP = 50
"""Rows of the list that are shown at first, and added by “Show more”."""

_KINDS = {"comparison": "Comparison", "evaluation": "Evaluation"}


def history_phase_html(view: View, kind: RunKind = "comparison") -> Markup:
    """What is seen of the tab, and for a run of what kind, as attributes that the style sheet answers to (see `visibility`)."""
    return _draw.phase(view, kind)


def tools_html() -> Markup:
    """What can be done to all runs at once."""
    return _draw.tools()


def head_html(listing: Listing, search: str, why_in_memory: QdashError | None) -> Markup:
    """How many runs there are, and why they will not outlive the server, where that is so."""
    memory = f"{text.HISTORY_IN_MEMORY} {why_in_memory}" if why_in_memory else ""
    if not listing.total:
        headline = f"No run contains “{search[:60]}”." if search.strip() else text.HISTORY_EMPTY
        return sentence_html(headline, text.HISTORY_SEARCH_HINT if search.strip() else memory or text.HISTORY_EMPTY_WHY)
    runs = text.several(listing.total, "run", "runs")
    return sentence_html(
        f"{runs} found" if search.strip() else text.several(listing.total, "saved run", "saved runs"), memory or text.HISTORY_WHY
    )


def list_html(listing: Listing) -> Markup:
    """The list, with what can be done to the runs that are ticked."""
    rows = [_row(entry, listing.thumbnails.get(entry.key)) for entry in listing.entries]
    return _draw.history(rows, max(0, listing.total - len(rows)), text.HISTORY_CHOOSE)


def undo_html(count: int) -> Markup:
    """The line after a deletion."""
    return _draw.undo(text.several(count, "run", "runs"))


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
    asked = f"“{entry.asked}”" if entry.asked and entry.kind == "comparison" else entry.asked
    rest = f" +{len(entry.labels) - MOST_LABELS}" if len(entry.labels) > MOST_LABELS else ""
    return Row(
        entry=entry,
        title=entry.headline or "Without a headline",
        kind="" if entry.kind == "comparison" else _KINDS[entry.kind],
        asked=asked,
        schemes=" · ".join(entry.labels[:MOST_LABELS]) + rest,
        picture=f"data:image/webp;base64,{b64encode(thumbnail).decode()}" if thumbnail else "",
        when=time_html(entry.created_at),
    )


def time_html(moment: datetime) -> Markup:
    """A moment, for people and for the script that knows their time zone."""
    return _draw.time(moment.isoformat(), f"{moment:%d %b %Y, %H:%M} UTC")


# ── one run ──────────────────────────────────────────────────────────────────────────────────────────────────────


def run_head_html(run: Run) -> Markup:
    """When, of what, and whose it is."""
    whose = "" if run.own else text.SHARED_BADGE
    return _draw.run_head(_KINDS[run.entry.kind], run.entry.model, time_html(run.entry.created_at), run.record.qdash_version, whose)


def run_asked_html(run: Run) -> Markup:
    """What was asked, as far as it is there; the questions of an evaluation stand beside their answers."""
    if isinstance(run.record, Comparison):
        return asked_html(run.record, run.picture)
    told = run.own or any(item.prompt for item in run.record.questions)
    return Markup() if told else hint(text.SHARED_WITHOUT_QUESTIONS)


def share_html(run: Run) -> Markup:
    """The link of a run, and what it shows. The page's script shows the hint where its own address is one of the reader's machine."""
    share = run.entry.share
    boxes = []
    if isinstance(run.record, Comparison):
        boxes.append(("prompt", "with the question", bool(share and share.prompt)))
    elif is_own(run.record):
        boxes.append(("prompt", "with the questions and what was answered", bool(share and share.prompt)))
    if run.picture:
        boxes.append(("picture", "with the picture", bool(share and share.picture)))
    return _draw.share(share.key if share else None, boxes, text.SHARE_WHY, text.SHARE_LOCAL)


# ── two runs ─────────────────────────────────────────────────────────────────────────────────────────────────────


def difference_html(found: Difference, before: Entry, after: Entry) -> Markup:
    """Conditions that changed, then figure by figure, a table for each variant."""
    runs = [(letter, time_html(entry.created_at), entry.model) for letter, entry in (("A", before), ("B", after))]
    return _draw.difference(found, sentence_html(found.headline, found.why), runs)
