"""In a language that has every sentence, no report says anything in English but what people, models and packages said; files for
programs are in English in every language.
"""

import pytest

from qdash.present.language import language
from qdash.records import Comparison, Coverage, Skip
from qdash.report import (
    evaluation_items_to_csv,
    evaluation_to_csv,
    evaluation_to_html,
    evaluation_to_json,
    to_csv,
    to_html,
    to_json,
    weights_to_csv,
    weights_to_html,
    weights_to_json,
)
from tests.charts.test_translated import EVALUATIONS, STOPPED, UNTIMED
from tests.report.examples import COMPARISON, HOSTILE, WEIGHTS
from tests.support.pseudo_language import pseudo_language, untranslated
from tests.support.scripted_weights import report_of

_language = pytest.fixture(scope="module", autouse=True)(pseudo_language)
SKIPPED = (Skip(name="lm_head", reason="embedding: looked up, not multiplied", parameters=10_000),)
COVERED = COMPARISON.model_copy(
    update={
        "variants": tuple(
            result.model_copy(update={"coverage": Coverage(quantized=1, total=2, parameters=100_000, skipped=SKIPPED), "notes": ()})
            for result in COMPARISON.variants
        )
    }
)


def english(html: str) -> list[str]:
    """What is left of English on a page, without what records of the examples say that no real one does."""
    for words in (
        ": output head",
        "=It has other &lt;words&gt;.",
        "Memory ran out &lt;here&gt;.",
        "Choose fewer.",
        "A &lt;CPU&gt; &amp; more",
    ):
        html = html.replace(words, "")
    assert f'<html lang="{language()}">' in html
    return untranslated(html)


@pytest.mark.parametrize("comparison", [COMPARISON, COVERED, UNTIMED, STOPPED])
def test_a_comparison(comparison: Comparison, png: bytes) -> None:
    plain = [result.model_copy(update={"answer": result.answer and result.answer.replace(HOSTILE, "b")}) for result in comparison.variants]
    assert english(to_html(comparison.model_copy(update={"variants": tuple(plain)}), png)) == []


@pytest.mark.parametrize("place", range(len(EVALUATIONS)))
def test_an_evaluation(place: int) -> None:
    evaluation = EVALUATIONS[place]
    questions = tuple(question.model_copy(update={"prompt": "?", "answer": "!"}) for question in evaluation.questions)
    results = (
        result.model_copy(update={"items": tuple(item.model_copy(update={"answer": "!"}) for item in result.items)})
        for result in evaluation.variants
    )
    assert english(evaluation_to_html(evaluation.model_copy(update={"questions": questions, "variants": tuple(results)}))) == []


def test_weights() -> None:
    assert english(weights_to_html(report_of("bnb-nf4", "fp6-e2m3"))) == []
    assert english(weights_to_html(WEIGHTS)) == []


def test_files_for_programs_are_english() -> None:
    evaluation = EVALUATIONS[0]
    files = (
        to_csv(COMPARISON), to_json(COMPARISON), weights_to_csv(WEIGHTS), weights_to_json(WEIGHTS),
        evaluation_to_csv(evaluation), evaluation_items_to_csv(evaluation), evaluation_to_json(evaluation),
    )  # fmt: skip
    assert not any("⟦" in file for file in files)
    assert "Different answer" in files[0]
