"""The questions of an evaluation with everybody's answers: which are shown, page by page, and how."""

import re

from qdash.records import (
    TaskItem,
)
from qdash.tasks import bundled_items
from qdash.ui.results.answers import PER_PAGE, Browse, browsed, found, items_html, thumbnails
from tests.support.scripted_evaluation import evaluation_of
from tests.ui.results.test_evaluation_view import EVALUATION, request


def test_only_where_they_differ_is_what_a_plain_loop_finds() -> None:
    answers = [{item.index: item.answer for item in result.items} for result in EVALUATION.variants]
    expected = [place for place in range(100) if len({mine[place] for mine in answers}) > 1]
    assert found(EVALUATION, Browse("differ")) == expected and 0 < len(expected) < 100
    right = [{item.index: item.correct for item in result.items} for result in EVALUATION.variants]
    assert found(EVALUATION, Browse("lost")) == [p for p in range(100) if right[0][p] and not all(mine[p] for mine in right)]
    assert found(EVALUATION, Browse("wrong")) == [p for p in range(100) if not all(mine[p] for mine in right)]
    kind = EVALUATION.questions[0].group or ""
    assert found(EVALUATION, Browse("all", kind)) == [p for p in range(100) if EVALUATION.questions[p].group == kind]


def test_pages_hold_all_questions_once() -> None:
    seen = []
    for page in range(5):
        html = items_html(EVALUATION, Browse(page=page))
        seen += [int(value) - 1 for value in re.findall(r'<li value="(\d+)">', html)]
        assert f"{page * PER_PAGE + 1}–{(page + 1) * PER_PAGE} of 100" in html
    assert seen == list(range(100))
    beyond = items_html(EVALUATION, Browse(page=10**9))
    assert "81–100 of 100" in beyond


def test_a_thousand_questions_are_a_small_page() -> None:
    html = items_html(evaluation_of(request(task="cloze", limit=1000)), Browse())
    assert "of 1,000" in html and len(html) < 60_000


def test_nonsense_from_a_browser_changes_nothing() -> None:
    before = Browse("differ", "colour", 2)
    for only, kind, page in ((None, None, None), ("everything", None, -1), ("", None, None)):
        assert browsed(before, only, kind, page) == before
    assert browsed(before, None, None, 4) == Browse("differ", "colour", 4)
    assert browsed(before, "all", None, 4) == Browse("all", "colour", 0)
    assert browsed(before, None, "", None) == Browse("differ", "", 0)


def test_equal_answers_are_told_once_with_all_who_gave_them() -> None:
    place = found(EVALUATION, Browse("differ"))[0]
    questions = (EVALUATION.questions[place],)
    items = [tuple(item.model_copy(update={"index": 0}) for item in result.items if item.index == place) for result in EVALUATION.variants]
    variants = [result.model_copy(update={"items": mine}) for result, mine in zip(EVALUATION.variants, items, strict=True)]
    html = items_html(EVALUATION.model_copy(update={"variants": tuple(variants), "questions": questions}), Browse())
    assert html.count('class="givers"') == len({mine[0].answer for mine in items})
    for result in EVALUATION.variants:
        assert html.count(result.label) == 1
    unasked = EVALUATION.model_copy(
        update={"variants": (variants[0], variants[1].model_copy(update={"items": ()})), "questions": questions}
    )
    assert "not asked" in items_html(unasked, Browse())


def test_pictures_of_drawings_are_shown_and_others_as_far_as_they_are_there() -> None:
    html = items_html(EVALUATION, Browse())
    assert html.count("data:image/png;base64,") == PER_PAGE
    own = EVALUATION.model_copy(update={"request": request(task="own")})
    assert "data:image" not in items_html(own, Browse()) and "224 × 224" in items_html(own, Browse())
    asked = [item for item in bundled_items("drawings") or () if item.question in EVALUATION.questions[:3]]
    small = thumbnails(asked)
    assert items_html(own, Browse(), small).count("data:image/png;base64,") == len(small) > 0


def test_very_long_text_is_cut() -> None:
    long = [TaskItem(prompt="p" * 100_000, answer="a")] * 3
    html = items_html(evaluation_of(request(task="own"), long), Browse())
    assert len(html) < 30_000 and "…" in html
