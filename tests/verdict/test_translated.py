"""In a language that has every sentence, no verdict, chip or explanation says anything in English."""

import pytest
from hypothesis import given, settings

from qdash.catalog.schemes import SCHEMES, Scheme
from qdash.present.language import _, recorded
from qdash.records import Comparison, Coverage, Evaluation, NoiseFloor, Skip, VariantResult
from qdash.verdict import judge, verdict
from qdash.verdict.evaluations import costs, evaluation_pace, evaluation_verdict
from qdash.verdict.evidence import pace_of, told_time
from qdash.verdict.explanations import explain
from qdash.verdict.judging import reference_words
from qdash.verdict.reasons import why_slower
from qdash.verdict.rules import VERDICT_RULES
from qdash.verdict.token_divergence import cells, summary
from tests.report.examples import COMPARISON
from tests.support.pseudo_language import pseudo_language, untranslated
from tests.support.scripted import CANCELLED, OUT_OF_MEMORY, comparison_of, failed_result, variant_result
from tests.verdict.examples import ANSWER, QUIET, scored
from tests.verdict.test_evaluations import evaluation, wrong
from tests.verdict.test_explanations import FP4, measured, report, timed
from tests.verdict.test_nothing_is_praised import MANY, comparisons, evaluations
from tests.verdict.test_sentences import comparison_with
from tests.verdict.test_truth import BICYCLE, BUS, asked

_language = pytest.fixture(scope="module", autouse=True)(pseudo_language)
INVENTED = ("It cannot be scored.", "This variant needs more memory than there is.", "=It has other <words>.")
"""What the examples' records say and no real one does."""


def english(*shown: str | None) -> list[str]:
    """What is left of English in these texts."""
    text = " ¦ ".join(filter(None, shown))
    for words in INVENTED:
        text = text.replace(words, "")
    return untranslated(text)


def said_of(found: Comparison) -> list[str]:
    """Everything that is said of a comparison and its variants."""
    told, baseline = verdict(found), found.variants[0]
    shown: list[str | None] = [told.plain, told.why]
    for result in found.variants:
        pace, judgement = pace_of(result, found), judge(result, baseline, found)
        shown += [
            told_time(result, found),
            pace.words_or_why,
            pace.words_here,
            why_slower(result, found),
            *reference_words(result, found)[1:],
        ]
        if judgement is not None:
            shown += [judgement.words, judgement.because, judgement.evidence, judgement.why_not]
        if result.agreement is not None and result.agreement.per_token:
            shown += [summary(result.agreement), *(cell.words for cell in cells(result.agreement))]
    return english(*shown)


@given(comparisons())
@settings(MANY, max_examples=80)
def test_whatever_a_comparison_found(found: Comparison) -> None:
    assert said_of(found) == []


def hidden(key: str) -> VariantResult:
    return variant_result(key, "x").model_copy(update={"answer": None})


FOUR = ("original", "bnb-int8", "bnb-nf4", "fp6-e2m3")
EXAMPLES: dict[str, tuple[tuple[VariantResult, ...], NoiseFloor | None]] = {
    "all the same": (tuple(scored(key, slowdown=1.0) for key in FOUR), QUIET),
    "one word": ((scored("original"), scored("bnb-nf4", ANSWER.replace("square", "star"))), QUIET),
    "a passage": ((scored("original"), scored("bnb-nf4", ANSWER.replace("black square", "red star"))), QUIET),
    "places": ((scored("original"), scored("bnb-nf4", ANSWER.replace("black", "red").replace("white", "green"))), QUIET),
    "shorter": ((scored("original"), scored("bnb-nf4", "A black square.")), QUIET),
    "less sure": ((scored("original"), scored("fp32", kl=0.4, slowdown=1.0)), QUIET),
    "broken": ((scored("original"), scored("bnb-nf4", "Three red hearts.", kl=3.0)), QUIET),
    "broken in silence": ((scored("original"), scored("bnb-nf4", "")), QUIET),
    "too short to judge": ((scored("original"), scored("bnb-nf4", kl=0.08, se=0.04, slowdown=1.0)), QUIET),
    "many lost": ((scored("original"), *(scored(key, "Three red hearts.") for key in (*FOUR[1:], "bnb-fp4", "nvfp4"))), QUIET),
    "faster and slower": ((scored("original"), scored("bnb-int8", slowdown=0.5), scored("bnb-nf4", slowdown=2.0)), QUIET),
    "busy": ((scored("original"), scored("bnb-int8", slowdown=3.0)), QUIET.model_copy(update={"relative": 0.6})),
    "simulated": ((scored("original"), scored("fp6-e2m3")), QUIET),
    "random weights": (tuple(hidden(key) for key in FOUR), QUIET),
    "failed": (
        (scored("original"), scored("bnb-int8"), failed_result("bnb-nf4", OUT_OF_MEMORY), failed_result("fp32", OUT_OF_MEMORY)),
        QUIET,
    ),
    "stopped": ((scored("original"), failed_result("bnb-nf4", CANCELLED, "skipped")), None),
    "no original": ((failed_result("original", OUT_OF_MEMORY), scored("bnb-nf4")), None),
    "stopped at once": ((failed_result("original", CANCELLED, "skipped"),), None),
    "alone": ((scored("original"),), None),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_kind_of_comparison(name: str) -> None:
    results, floor = EXAMPLES[name]
    assert said_of(comparison_with(*results, floor=floor)) == []


@pytest.mark.parametrize("answers", [(BICYCLE, BUS), (BUS, BUS), (BUS, BICYCLE), (BICYCLE, BICYCLE)])
def test_right_and_wrong(answers: tuple[str, str]) -> None:
    assert said_of(asked(*answers)) == []


def test_the_example_of_the_reports() -> None:
    assert said_of(COMPARISON) == []


def test_every_rule_has_its_sentence() -> None:
    assert english(*(_(rule.because) for rule in VERDICT_RULES), *(rule.grade.words for rule in VERDICT_RULES)) == []


def said_of_evaluation(found: Evaluation) -> list[str]:
    told = evaluation_verdict(found)
    paces = [evaluation_pace(result, found).words_or_why for result in found.variants]
    return english(told.plain, told.why, *(cost.why_not for cost in costs(found)), *paces)


@given(evaluations())
@settings(MANY, max_examples=80)
def test_whatever_an_evaluation_found(found: Evaluation) -> None:
    assert said_of_evaluation(found) == []


@pytest.mark.parametrize(
    "found",
    [
        evaluation(wrong(10), wrong(10), wrong(40), wrong(60)),
        evaluation(wrong(40), wrong(10), wrong(10), wrong(10), wrong(90)),
        evaluation(wrong(1, 4), *(wrong(count, 4) for count in (1, 2, 3, 4, 0))),
        evaluation(wrong(10), wrong(14)),
        evaluation([False] * 50, [True] * 50),
        evaluation(wrong(10), wrong(10), noise=0.4),
        evaluation(wrong(10)),
    ],
)
def test_each_kind_of_evaluation(found: Evaluation) -> None:
    assert said_of_evaluation(found) == []


KEPT = Skip(name="lm_head", reason="embedding: looked up, not multiplied", parameters=700)


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES.values() if not scheme.is_baseline], ids=lambda scheme: scheme.key)
def test_recorded_explanations_are_translated_where_they_are_shown(scheme: Scheme) -> None:
    key = scheme.key
    inside = FP4.model_copy(update={"schemes": {key: 3, "bnb-nf4": 1}, "experts": {key: 2}})
    covered = Coverage(quantized=3, total=4, quantized_parameters=300, parameters=1000, skipped=(KEPT,))
    known = {"scheme": key, "label": scheme.label, "kind": scheme.kind, "coverage": covered}
    explained = [
        *explain(report(**known, quantized=inside), *measured(timed(key, 0.2, 1400))),
        *explain(report(**known, quantized=inside, projected_bytes=900)),
        *explain(report(quantized=None, saved=None, saved_as=None, not_saved=None, counted=1100)),
    ]
    assert any("Why is" in one.question for one in explained), "records are English"
    assert english(*(recorded(words) for one in explained for words in (one.question, one.answer))) == []


def test_a_comparison_of_another_version_has_its_label() -> None:
    strange = scored("bnb-nf4", slowdown=1.5).model_copy(update={"scheme": "fp1-of-tomorrow", "label": "FP1"})
    assert said_of(comparison_of(COMPARISON.request, scored("original"), strange)) == []
