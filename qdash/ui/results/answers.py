"""Every question with every answer, a page at a time: all of them, only where versions differ, or only what quantization lost.

Answers that are the same are shown once, with the names of those who gave them: that is short for twenty versions, and shows at once who
says something else. What is very long is cut.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Literal

from markupsafe import Markup
from PIL import Image

from qdash.markup import Macros
from qdash.present.language import N_, _, decimal
from qdash.records import EvaluatedVariant, Evaluation, ItemResult, TaskItem, TaskKey
from qdash.tasks import Item, bundled_items, differing
from qdash.ui.results.evaluation_view import said_kind
from qdash.verdict.close_calls import parting_words

_draw = Macros(__name__)

PER_PAGE = 20
LONGEST_PROMPT, LONGEST_ANSWER = 1200, 300
MOST_THUMBNAILS, THUMBNAIL_PX = 1000, 160
Only = Literal["all", "differ", "lost", "wrong"]
_ONLY: dict[Only, str] = {
    "all": N_("All"), "differ": N_("Only where they differ"), "lost": N_("Broken by quantization"), "wrong": N_("At least one wrong"),
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


def items_html(evaluation: Evaluation, browse: Browse, pictures: Pictures | None = None) -> Markup:
    """The choice, a page of questions, and the way to other pages."""
    places = found(evaluation, browse)
    pages = max(1, -(-len(places) // PER_PAGE))
    page = min(browse.page, pages - 1)
    shown = places[page * PER_PAGE : (page + 1) * PER_PAGE]
    answers = [{item.index: item for item in result.items} for result in evaluation.variants]
    known = {**(pictures or {}), **_bundled_pictures(evaluation.request.task)}
    items = [_item(place, evaluation, answers, known) for place in shown]
    return _draw.browser(_choice(evaluation, browse), _pager(page, pages, len(places)), items, page * PER_PAGE + 1)


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


def _choice(evaluation: Evaluation, browse: Browse) -> Markup:
    offered = _ONLY if len(evaluation.variants) > 1 else {key: _ONLY[key] for key in ("all", "wrong")}
    pills = [(key, _(words), key == browse.only, len(_ONLY_OF[key](evaluation))) for key, words in offered.items()]
    kinds = dict.fromkeys(question.group for question in evaluation.questions if question.group)
    return _draw.choice(pills, [(kind, said_kind(kind), kind == browse.kind) for kind in kinds])


def _pager(page: int, pages: int, count: int) -> Markup:
    first, last = page * PER_PAGE + 1, min((page + 1) * PER_PAGE, count)
    return _draw.pager(
        _("{first}–{last} of {total}", first=decimal(first), last=decimal(last), total=decimal(count)) if count else "0", page, pages
    )


@dataclass(frozen=True)
class Asked:
    """A question as the template draws it. `silent` were not asked."""

    number: int
    question: TaskItem
    kind: str
    picture: str
    prompt: str
    expected: str
    given: list["Given"]
    silent: list[EvaluatedVariant]


@dataclass(frozen=True)
class Given:
    """An answer, whether it is right, who gave it, and how sure the original was where the answer parts from its own, "" if it does not."""

    answer: str
    right: bool
    givers: list[EvaluatedVariant]
    parting: str


def _item(place: int, evaluation: Evaluation, answers: list[dict[int, ItemResult]], pictures: Pictures) -> Asked:
    question = evaluation.questions[place]
    png = pictures.get(question.picture.sha256) if question.picture is not None else None
    given, silent = _given(place, evaluation, answers)
    return Asked(
        number=place + 1,
        question=question,
        kind=said_kind(question.group or ""),
        picture="" if png is None else f"data:image/png;base64,{b64encode(png).decode()}",
        prompt=_cut(question.prompt, LONGEST_PROMPT),
        expected=_cut(question.expected, LONGEST_ANSWER),
        given=given,
        silent=silent,
    )


def _given(place: int, evaluation: Evaluation, answers: list[dict[int, ItemResult]]) -> tuple[list[Given], list[EvaluatedVariant]]:
    """Each answer once, in the order of the first variant that gave it; and who gave none."""
    by_answer: dict[tuple[str, bool], Given] = {}
    silent = []
    for result, mine in zip(evaluation.variants, answers, strict=True):
        item = mine.get(place)
        if item is None:
            silent.append(result)
        else:
            new = Given(_cut(item.answer.strip(), LONGEST_ANSWER), item.correct, [], parting_words(item))
            by_answer.setdefault((item.answer, item.correct), new).givers.append(result)
    return list(by_answer.values()), silent


def _cut(words: str, longest: int) -> str:
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


def _bundled_pictures(task: TaskKey) -> dict[str, bytes]:
    """The pictures of a task that comes with qdash, by what identifies them in a record."""
    items = bundled_items(task) or ()
    return {item.question.picture.sha256: item.png for item in items if item.question.picture is not None and item.png is not None}
