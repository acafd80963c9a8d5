"""Every question with every answer, a page at a time: all of them, only where versions differ, or only what quantization lost.

Answers that are the same are shown once, with the names of those who gave them: that is short for twenty versions, and shows at once who
says something else. Questions come from files and answers from models: both are escaped, and what is very long is cut.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from io import BytesIO
from typing import Literal

from PIL import Image

from qdash.records import EvaluatedVariant, Evaluation, ItemResult, TaskItem
from qdash.tasks import Item, bundled_items, differing
from qdash.ui.components.markup import colour_classes
from qdash.ui.results.evaluation_view import said_kind

PER_PAGE = 20
LONGEST_PROMPT, LONGEST_ANSWER = 1200, 300
MOST_THUMBNAILS, THUMBNAIL_PX = 1000, 160
Only = Literal["all", "differ", "lost", "wrong"]
_ONLY: dict[Only, str] = {
    "all": "All", "differ": "Only where they differ", "lost": "Broken by quantization", "wrong": "At least one wrong",
}  # fmt: skip

Pictures = Mapping[str, bytes]
"""SHA-256 of a question's picture → its PNG, as far as there are any."""


@dataclass(frozen=True)
class Browse:
    """What is looked at: which questions, of which kind (empty: all), and the page of them, from 0."""

    only: Only = "all"
    kind: str = ""
    page: int = 0


def browsed(before: Browse, only: str | None, kind: str | None, page: int | None) -> Browse:
    """`before` with what a person picked; what does not exist stays as it was. Another choice begins at its first page."""
    chosen = replace(
        before,
        only=next((key for key in _ONLY if key == only), before.only),
        kind=before.kind if kind is None else kind,
    )
    if chosen != before:
        return replace(chosen, page=0)
    return replace(before, page=page if page is not None and page >= 0 else before.page)


def found(evaluation: Evaluation, browse: Browse) -> list[int]:
    """Indices of the questions that `browse` is about, in order."""
    kept = _ONLY_OF[browse.only](evaluation)
    return [place for place in kept if not browse.kind or evaluation.questions[place].group == browse.kind]


def items_html(evaluation: Evaluation, browse: Browse, pictures: Pictures | None = None) -> str:
    """The choice, a page of questions, and the way to other pages."""
    places = found(evaluation, browse)
    pages = max(1, -(-len(places) // PER_PAGE))
    page = min(browse.page, pages - 1)
    shown = places[page * PER_PAGE : (page + 1) * PER_PAGE]
    answers = [{item.index: item for item in result.items} for result in evaluation.variants]
    known = {**(pictures or {}), **(_drawings() if evaluation.request.task == "drawings" else {})}
    rows = "".join(_item(place, evaluation, answers, known) for place in shown)
    inner = f'<ol class="items" start="{page * PER_PAGE + 1}">{rows}</ol>' if rows else '<p class="hint">None.</p>'
    pager = _pager(page, pages, len(places))
    return f'<div class="item-browser">{_choice(evaluation, browse)}{pager}{inner}{pager if len(shown) > 5 else ""}</div>'


def thumbnails(items: Iterable[Item]) -> dict[str, bytes]:
    """Small pictures of a person's own questions: a record has their sizes only. Limited, because they are kept while the tab is open."""
    pngs = {item.question.picture.sha256: item.png for item in items if item.question.picture is not None and item.png is not None}
    return {key: _thumbnail(png) for key, png in list(pngs.items())[:MOST_THUMBNAILS]}


def _thumbnail(png: bytes) -> bytes:
    with Image.open(BytesIO(png), formats=("PNG",)) as image:
        image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        buffer = BytesIO()
        image.save(buffer, "PNG")
    return buffer.getvalue()


def _all(evaluation: Evaluation) -> list[int]:
    return list(range(len(evaluation.questions)))


def _differing(evaluation: Evaluation) -> list[int]:
    return list(differing(evaluation.variants))


def _lost(evaluation: Evaluation) -> list[int]:
    right = {item.index for item in evaluation.variants[0].items if item.correct}
    return sorted({item.index for result in evaluation.variants[1:] for item in result.items if not item.correct} & right)


def _wrong(evaluation: Evaluation) -> list[int]:
    return sorted({item.index for result in evaluation.variants for item in result.items if not item.correct})


_ONLY_OF = {"all": _all, "differ": _differing, "lost": _lost, "wrong": _wrong}


def _choice(evaluation: Evaluation, browse: Browse) -> str:
    offered = _ONLY if len(evaluation.variants) > 1 else {key: _ONLY[key] for key in ("all", "wrong")}
    pills = "".join(
        f'<button type="button" class="pill" data-only="{key}" aria-pressed="{"true" if key == browse.only else "false"}">'
        f"{words} <small>{len(_ONLY_OF[key](evaluation)):,}</small></button>"
        for key, words in offered.items()
    )
    kinds = dict.fromkeys(question.group for question in evaluation.questions if question.group)
    options = "".join(
        f'<option value="{escape(kind)}"{" selected" if kind == browse.kind else ""}>{escape(said_kind(kind))}</option>' for kind in kinds
    )
    select = f'<select data-kind aria-label="Kind of question"><option value="">every kind</option>{options}</select>' if kinds else ""
    return f'<div class="seg" role="group" aria-label="Which questions">{pills}{select}</div>'


def _pager(page: int, pages: int, count: int) -> str:
    first, last = page * PER_PAGE + 1, min((page + 1) * PER_PAGE, count)
    where = f"{first:,}–{last:,} of {count:,}" if count else "0"
    if pages == 1:
        return f'<p class="pager"><span>{where}</span></p>'
    back = f'<button type="button" class="pill" data-page="{page - 1}"{" disabled" if page == 0 else ""}>← Previous</button>'
    ahead = f'<button type="button" class="pill" data-page="{page + 1}"{" disabled" if page == pages - 1 else ""}>Next →</button>'
    number = f'<label>page <input type="number" min="1" max="{pages}" value="{page + 1}" data-goto aria-label="Page"> of {pages:,}</label>'
    return f'<p class="pager"><span>{where}</span>{back}{number}{ahead}</p>'


def _item(place: int, evaluation: Evaluation, answers: list[dict[int, ItemResult]], pictures: Pictures) -> str:
    question = evaluation.questions[place]
    kind = f'<span class="chip">{escape(said_kind(question.group))}</span>' if question.group else ""
    given, expected = _given(place, evaluation, answers), _cut(question.expected, LONGEST_ANSWER)
    return (
        f'<li value="{place + 1}"><span class="number">{place + 1}</span>'
        f'<div class="asked-item">{_picture(question, pictures)}<div><p class="prompt" dir="auto">'
        f'{_cut(question.prompt, LONGEST_PROMPT)}</p><p class="expected">{kind} expected: <b dir="auto">{expected}</b>'
        f"</p></div></div>{given}</li>"
    )


def _given(place: int, evaluation: Evaluation, answers: list[dict[int, ItemResult]]) -> str:
    """Each answer once, in the order of the first variant that gave it."""
    by_answer: dict[tuple[str, bool], list[EvaluatedVariant]] = {}
    silent = []
    for result, mine in zip(evaluation.variants, answers, strict=True):
        item = mine.get(place)
        if item is None:
            silent.append(result)
        else:
            by_answer.setdefault((item.answer, item.correct), []).append(result)
    rows = "".join(_answer(answer, right, givers) for (answer, right), givers in by_answer.items())
    if silent:
        rows += f'<li class="unasked"><span aria-hidden="true">–</span><span>not asked</span>{_names(silent)}</li>'
    return f'<ul class="given">{rows}</ul>'


def _answer(answer: str, right: bool, givers: list[EvaluatedVariant]) -> str:
    icon, word = ("✓", "right") if right else ("✕", "wrong")
    shown = _cut(answer.strip(), LONGEST_ANSWER) or '<i class="quiet">nothing</i>'
    mark = f'<span class="{"good" if right else "bad"}" role="img" aria-label="{word}">{icon}</span>'
    return f'<li>{mark}<span class="said" dir="auto">{shown}</span>{_names(givers)}</li>'


def _names(results: list[EvaluatedVariant]) -> str:
    dot = '<span class="dot" aria-hidden="true"></span>'
    dots = "".join(f'<span class="{colour_classes(result)}">{dot}{escape(result.label)}</span>' for result in results)
    return f'<span class="givers">{dots}</span>'


def _cut(words: str, longest: int) -> str:
    return escape(words if len(words) <= longest else f"{words[: longest - 1]}…")


def _picture(question: TaskItem, pictures: Pictures) -> str:
    if question.picture is None:
        return ""
    png = pictures.get(question.picture.sha256)
    if png is None:
        return f'<span class="no-picture">{question.picture.width} × {question.picture.height}</span>'
    return f'<img src="data:image/png;base64,{b64encode(png).decode()}" alt="The picture the question is about" loading="lazy">'


@cache
def _drawings() -> dict[str, bytes]:
    """The bundled pictures, by what identifies them in a record."""
    items = bundled_items("drawings") or ()
    return {item.question.picture.sha256: item.png for item in items if item.question.picture is not None and item.png is not None}
