"""The HTML report of an evaluation: complete, self-contained, and harmless whatever was asked and answered."""

from pathlib import Path

import pytest

from qdash.records import Evaluation
from qdash.report import evaluation_to_html
from qdash.report.evaluation_html import MOST_ITEMS
from tests.report.examples import HOSTILE
from tests.report.opened import ColorScheme, Page, opened
from tests.report.test_evaluation_files import EVALUATION


@pytest.fixture(scope="module")
def html() -> str:
    return evaluation_to_html(EVALUATION)


def test_everything_is_on_the_page(html: str) -> None:
    original, nf4, int3 = EVALUATION.variants
    assert original.accuracy is not None and nf4.paired is not None
    for words in (
        "Your own questions: 30 questions",
        f"({original.accuracy.successes} of 30)",
        f"{nf4.paired.only_original} · {nf4.paired.only_variant}",
        "32 at a time",
        "even",
        "projected",
        *(result.label for result in (original, nf4, int3)),
    ):
        assert words in html
    assert Page(html).count("script") == 3 + 2, "figures as data, plotly, and the lines that draw"


def test_questions_that_versions_answer_differently_come_first(html: str) -> None:
    answers = [{item.index: item.correct for item in result.items} for result in EVALUATION.variants]
    differ = [len({known[index] for known in answers}) > 1 for index in range(30)]
    order = sorted(range(30), key=lambda index: not differ[index])
    places = [html.index(f'<th scope="row" dir="auto">{EVALUATION.questions[index].prompt}</th>') for index in order]
    assert any(differ) and places == sorted(places)


def test_a_long_list_ends_and_says_so() -> None:
    times = MOST_ITEMS // 30 + 1
    html = evaluation_to_html(EVALUATION.model_copy(update={"questions": EVALUATION.questions * times}))
    assert html.count('<th scope="row" dir="auto">') == MOST_ITEMS and f"and {30 * times - MOST_ITEMS} more" in html


def hostile() -> Evaluation:
    """Markup wherever somebody else can write."""
    questions = tuple(item.model_copy(update={"prompt": HOSTILE, "answer": HOSTILE, "group": HOSTILE}) for item in EVALUATION.questions)
    variants = tuple(
        result.model_copy(
            update={
                "label": HOSTILE,
                "model": HOSTILE,
                "groups": {HOSTILE: result.groups["even"]},
                "items": tuple(item.model_copy(update={"answer": HOSTILE}) for item in result.items),
            }
        )
        for result in EVALUATION.variants
    )
    request = EVALUATION.request.model_copy(update={"source": HOSTILE})
    return EVALUATION.model_copy(update={"questions": questions, "variants": variants, "request": request})


def test_what_others_write_is_text() -> None:
    page = Page(evaluation_to_html(hostile()))
    assert page.count("img") == 0 and page.count("script") == 3 + 2
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_a_version_without_answers_says_why() -> None:
    gone = {"status": "failed", "accuracy": None, "paired": None, "items": (), "groups": {}}
    broken = EVALUATION.variants[1].model_copy(update=gone)
    html = evaluation_to_html(EVALUATION.model_copy(update={"variants": (EVALUATION.variants[0], broken)}))
    assert "not run" in html


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_opens_it_offline(scheme: ColorScheme, tmp_path: Path) -> None:
    seen = opened(evaluation_to_html(hostile()), tmp_path, charts=3, what=".answers tbody th", scheme=scheme)
    assert seen.problems == [] and not seen.overflows
    assert seen.cells == [HOSTILE] * 30
    assert (seen.background == "rgb(16, 18, 20)") == (scheme == "dark")
