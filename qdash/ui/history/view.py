"""What the History tab shows, as HTML: the list, a run's head, its link, and what changed between two. Pure functions over records.

Everything a person or a model wrote is escaped. Times are written in UTC here; the page's script puts them into the reader's own zone.
"""

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Literal

from qdash.errors import QdashError
from qdash.history import Listing, Run
from qdash.history.kinds import is_own
from qdash.history.run_diff import Change, Difference, VariantChanges
from qdash.records import Comparison
from qdash.records.history import Entry, RunKind
from qdash.ui.components import text
from qdash.ui.components.markup import bits_class
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.results.question import asked_html

View = Literal["list", "run", "shared", "difference"]
STEP = 50
"""Rows of the list that are shown at first, and added by “Show more”."""

_KINDS = {"comparison": "Comparison", "evaluation": "Evaluation"}


def history_phase_html(view: View, kind: RunKind = "comparison") -> str:
    """What is seen of the tab, and for a run of what kind, as attributes that the style sheet answers to (see `visibility`)."""
    return f'<i class="phase history-{view} of-{kind}" hidden></i>'


def head_html(listing: Listing, search: str, why_in_memory: QdashError | None) -> str:
    """How many runs there are, and why they will not outlive the server, where that is so."""
    memory = f"{text.HISTORY_IN_MEMORY} {why_in_memory}" if why_in_memory else ""
    if not listing.total:
        headline = f"No run contains “{escape(search[:60])}”." if search.strip() else text.HISTORY_EMPTY
        return sentence_html(headline, text.HISTORY_SEARCH_HINT if search.strip() else memory or text.HISTORY_EMPTY_WHY)
    runs = text.several(listing.total, "run", "runs")
    return sentence_html(
        f"{runs} found" if search.strip() else text.several(listing.total, "saved run", "saved runs"), memory or text.HISTORY_WHY
    )


def list_html(listing: Listing) -> str:
    """The list, with what can be done to the runs that are ticked."""
    rows = "".join(_row(entry, listing.thumbnails.get(entry.key)) for entry in listing.entries)
    left = listing.total - len(listing.entries)
    more = f'<button type="button" class="link" data-do="more">Show more ({left})</button>' if left > 0 else ""
    return f'<div class="history">{_chosen_bar() if rows else ""}<ul class="runs">{rows}</ul>{more}</div>'


def undo_html(count: int) -> str:
    """The line after a deletion."""
    runs = text.several(count, "run", "runs")
    return (
        f'<div class="banner done" role="alert"><span aria-hidden="true">✓</span><p><b>{runs} deleted.</b> '
        f'<button type="button" class="link" data-do="undo">Undo</button></p></div>'
    )


def said_html(words: str) -> str:
    """Something that went as it should."""
    return f'<div class="banner done" role="alert"><span aria-hidden="true">✓</span><p>{escape(words)}</p></div>'


def _row(entry: Entry, thumbnail: bytes | None) -> str:
    key, title = escape(entry.key), escape(entry.headline or "Without a headline")
    marks = '<span class="mark-shared" title="Has a share link">shared</span>' if entry.share else ""
    pinned = "true" if entry.pinned else "false"
    said = "Unpin" if entry.pinned else "Pin"
    picture = f'<img class="run-picture" src="data:image/webp;base64,{b64encode(thumbnail).decode()}" alt="">' if thumbnail else ""
    return (
        f'<li class="run" data-key="{key}"><input type="checkbox" aria-label="Choose: {title}">{picture}'
        f'<button type="button" class="run-open" data-do="open" data-key="{key}">{title}</button>{_asked(entry)}'
        f'<p class="run-facts">{time_html(entry.created_at)} · <b>{escape(entry.model)}</b> · {_chips(entry)}{marks}</p>'
        f'<span class="run-tools"><button type="button" data-do="pin" data-key="{key}" aria-pressed="{pinned}" '
        f'aria-label="{said}: {title}" title="{said}: pinned runs are deleted last">{"★" if entry.pinned else "☆"}</button>'
        f'<button type="button" data-do="delete" data-key="{key}" aria-label="Delete: {title}" title="Delete">✕</button></span></li>'
    )


def _asked(entry: Entry) -> str:
    if not entry.asked:
        return ""
    words = f"“{entry.asked}”" if entry.kind == "comparison" else entry.asked
    return f'<p class="run-asked" dir="auto" title="{escape(words)}">{escape(words)}</p>'


def _chips(entry: Entry) -> str:
    kind = "" if entry.kind == "comparison" else f'<span class="run-kind">{_KINDS[entry.kind]}</span>'
    labels = entry.labels[:6]
    rest = f" +{len(entry.labels) - 6}" if len(entry.labels) > 6 else ""
    return f'{kind}<span class="run-schemes">{escape(" · ".join(labels))}{rest}</span>'


def _chosen_bar() -> str:
    buttons = (("compare", "What changed?"), ("export", "Export"), ("delete", "Delete"))
    inner = "".join(f'<button type="button" class="pill" data-do="{do}">{word}</button>' for do, word in buttons)
    every = '<label class="every"><input type="checkbox" data-every aria-label="Choose all runs shown"> <span>All</span></label>'
    hint = f'<span class="hint">{text.HISTORY_CHOOSE}</span>'
    return f'<div class="chosen-bar">{every}<span class="chosen-number" aria-live="polite"></span>{inner}{hint}</div>'


def time_html(moment: datetime) -> str:
    """A moment, for people and for the script that knows their time zone."""
    return f'<time datetime="{escape(moment.isoformat())}">{moment:%d %b %Y, %H:%M} UTC</time>'


# ── one run ──────────────────────────────────────────────────────────────────────────────────────────────────────


def run_head_html(run: Run) -> str:
    """When, of what, and whose it is."""
    whose = "" if run.own else f' <span class="chip">{text.SHARED_BADGE}</span>'
    version = f"qdash {escape(run.record.qdash_version)}"
    kind, when = _KINDS[run.entry.kind], time_html(run.entry.created_at)
    return f'<p class="run-head" tabindex="-1"><b>{kind}</b> of {escape(run.entry.model)}, {when}, {version}{whose}</p>'


def run_asked_html(run: Run) -> str:
    """What was asked, as far as it is there; the questions of an evaluation stand beside their answers."""
    if isinstance(run.record, Comparison):
        return asked_html(run.record, run.picture)
    told = run.own or any(item.prompt for item in run.record.questions)
    return "" if told else f'<p class="hint">{text.SHARED_WITHOUT_QUESTIONS}</p>'


def share_html(run: Run) -> str:
    """The link of a run, and what it shows. The page's script shows the hint where its own address is one of the reader's machine."""
    share = run.entry.share
    boxes = ""
    if isinstance(run.record, Comparison):
        boxes = _box("prompt", "with the question", bool(share and share.prompt))
    elif is_own(run.record):
        boxes = _box("prompt", "with the questions and what was answered", bool(share and share.prompt))
    if run.picture:
        boxes += _box("picture", "with the picture", bool(share and share.picture))
    if share is None:
        actions = '<button type="button" class="pill" data-do="share">Make a link</button>'
    else:
        actions = (
            f'<input class="share-link" readonly aria-label="Share link" data-share="{escape(share.key)}">'
            '<button type="button" class="pill" data-copy-link>Copy</button>'
            '<button type="button" class="pill" data-do="unshare">Stop sharing</button>'
        )
    return (
        f'<div class="share" data-shared="{"true" if share else "false"}"><h3>Share link</h3><p>{text.SHARE_WHY}</p>'
        f'<div class="share-row">{boxes}</div><div class="share-row">{actions}</div>'
        f'<p class="hint" data-local-only hidden>{text.SHARE_LOCAL}</p></div>'
    )


def _box(name: str, words: str, ticked: bool) -> str:
    return f'<label><input type="checkbox" name="{name}"{" checked" if ticked else ""}> {words}</label>'


# ── two runs ─────────────────────────────────────────────────────────────────────────────────────────────────────


def difference_html(found: Difference, before: Entry, after: Entry) -> str:
    """Conditions that changed, then figure by figure, a table for each variant."""
    said = sentence_html(escape(found.headline), found.why)
    names = (f"{letter}: {time_html(entry.created_at)}, {escape(entry.model)}" for letter, entry in (("A", before), ("B", after)))
    runs = f'<p class="hint">{" · ".join(names)}</p>'
    return f'<div class="difference">{said}{runs}{_conditions(found)}{"".join(map(_variant, found.variants))}</div>'


def _conditions(found: Difference) -> str:
    same = f'<p class="hint">The same: {escape(", ".join(found.same_conditions))}.</p>' if found.same_conditions else ""
    if not found.conditions:
        return f'<section class="sheet conditions"><h3>Conditions</h3>{same}</section>'
    rows = "".join(_change(change) for change in found.conditions)
    table = _table(("condition", "A", "B", ""), rows)
    return f'<section class="sheet conditions"><h3>Conditions</h3>{table}{same}</section>'


def _variant(variant: VariantChanges) -> str:
    title = f'<h3 class="{_colour(variant.bits, variant.kind)}"><span class="dot" aria-hidden="true"></span>{escape(variant.label)}</h3>'
    if variant.only:
        run = "A" if variant.only == "before" else "B"
        return f'<section class="sheet">{title}<p class="hint">In {run} only.</p></section>'
    rows = "".join(_change(change) for change in variant.changes)
    return f'<section class="sheet">{title}{_table(("figure", "A", "B", "B vs. A"), rows)}</section>'


_ICONS = {"better": "▲", "worse": "▼", "changed": "△", "unsure": "?", "apart": "–", "same": "", "missing": "–"}
_SPOKEN = {"better": "better: ", "worse": "worse: ", "unsure": "unsure: "}


def _change(change: Change) -> str:
    icon = f'<span aria-hidden="true">{_ICONS[change.judged]}</span> ' if _ICONS[change.judged] else ""
    spoken = f'<span class="sr-only">{_SPOKEN[change.judged]}</span>' if change.judged in _SPOKEN else ""
    return (
        f'<tr class="is-{change.judged}"><th scope="row">{escape(change.name)}</th><td dir="auto">{escape(change.before)}</td>'
        f'<td dir="auto">{escape(change.after)}</td><td class="said">{icon}{spoken}{escape(change.words)}</td></tr>'
    )


def _colour(bits: int | None, kind: str) -> str:
    return f"{bits_class(bits)}{' sim' if kind == 'simulated' else ''}"


def _table(headings: Sequence[str], rows: str) -> str:
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
