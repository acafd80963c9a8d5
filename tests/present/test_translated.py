"""In a language that has every sentence, no condition, coverage, size or layer is told of in English."""

from collections.abc import Iterator
from math import inf, nan

import pytest

from qdash.present.conditions import busy_words, device_words, evaluation_conditions, no_gpu_words, timing_conditions
from qdash.present.coverage import covered, covered_briefly, covered_by_part, left_words
from qdash.present.emphasis import capitalized, spans, strong
from qdash.present.formatting import and_listed, nats, ordinal, percent, size_change, stand_in
from qdash.present.kinds import spoken_question_kind, spoken_scheme_kind
from qdash.present.language import _, in_language, language, recorded
from qdash.present.layer_names import spoken_name
from qdash.present.sizes import sizes
from qdash.present.weight_error import disturbed, left_out, owner, unmeasured
from qdash.records import Comparison, Coverage, PartCoverage, Rounds, Skip, WeightReport
from qdash.tasks import TASKS, bundled_items
from tests.charts.test_evaluation_charts import evaluated
from tests.report.examples import COMPARISON, WEIGHTS
from tests.support.pseudo_language import pseudo_language, untranslated
from tests.support.scripted import inspector_report
from tests.support.scripted_weights import report_of

_language = pytest.fixture(scope="module", autouse=True)(pseudo_language)
HEAD = Skip(name="lm_head", reason="embedding: looked up, not multiplied", parameters=800)


def comparisons() -> Iterator[Comparison]:
    """With every way of timing."""
    yield COMPARISON
    for rounds in (Rounds(taken=3, busy=0.02), Rounds(taken=5, repeated=2, busy=0.75), Rounds(taken=1, repeated=1)):
        yield COMPARISON.model_copy(update={"rounds": rounds, "noise_floor": None})
    gpu = COMPARISON.host.model_copy(update={"device": "cuda:0", "no_gpu": None})
    yield COMPARISON.model_copy(update={"host": gpu, "rounds": Rounds(taken=5, busy=0.5)})
    yield COMPARISON.model_copy(update={"variants": tuple(one.model_copy(update={"latency": None}) for one in COMPARISON.variants)})


def test_conditions() -> None:
    for found in comparisons():
        for spread in (True, False):
            shown = [condition.words for condition in timing_conditions(found, spread=spread)]
            assert shown and untranslated(" ¦ ".join(shown)) == []
    host = COMPARISON.host.model_copy(update={"no_gpu": "No space left."})
    assert untranslated(f"{busy_words(0.6)} ¦ {device_words(host)}") == [] and (no_gpu_words(host) or "").startswith("⟦no GPU")


def test_conditions_of_an_evaluation() -> None:
    evaluation = evaluated()
    alone = tuple(result.model_copy(update={"batch_size": 1, "reads_padding": True}) for result in evaluation.variants)
    request = evaluation.request.model_copy(update={"source": "mine.csv"})
    for found in (evaluation, evaluation.model_copy(update={"variants": alone, "request": request})):
        assert untranslated(" ¦ ".join(evaluation_conditions(found))) == []


@pytest.mark.parametrize("parameters", [None, 1000])
def test_coverage(parameters: int | None) -> None:
    part = PartCoverage(part=None, quantized=1, total=2, quantized_parameters=parameters and 1, parameters=parameters)
    found = Coverage(
        quantized=1, total=2, quantized_parameters=parameters and 1, parameters=parameters, skipped=(HEAD,),
        parts=(part, part.model_copy(update={"part": "vision"})),
    )  # fmt: skip
    shown = (covered(found), covered_briefly(found), covered_by_part(found), left_words(found) or "")
    assert untranslated(" ¦ ".join(shown)) == [] and "⟦other⟧" in shown[2]


@pytest.mark.parametrize("report", [WEIGHTS, report_of("bnb-nf4"), report_of("bnb-nf4", "fp6-e2m3", "bnb-int8")])
def test_weights(report: WeightReport) -> None:
    idle = report.schemes[0].model_copy(update={"layers": (), "label": "FP32", "coverage": Coverage(quantized=0, total=1)})
    found = report.model_copy(update={"schemes": (*report.schemes, idle)})
    layers = [layer for scheme in report.schemes for layer in scheme.layers]
    spoken = [*map(spoken_name, layers), *("".join(words for words, _strong in owner(layer)) for layer in layers)]
    for shown in ("".join(words for words, _strong in disturbed(found)), unmeasured(found) or "", left_out(1), left_out(2), *spoken):
        assert untranslated(shown) == []


def test_sizes() -> None:
    for report in (inspector_report("bnb-nf4"), inspector_report("fp6-e2m3").model_copy(update={"projected_bytes": 9, "saved": None})):
        assert untranslated(" ¦ ".join(words for row in sizes(report) for words in row)) == []


def test_small_words() -> None:
    shown = (size_change(inf), size_change(0.0), percent(nan), nats(None), stand_in(None), stand_in("float32"), ordinal(2), ordinal(12))
    assert all("⟦" in words for words in shown)
    assert and_listed(["A", "B", "C"]) == "⟦A, B and C⟧"
    kinds = {item.question.group for key in ("cloze", "drawings") for item in bundled_items(key) or ()}
    assert all(spoken_question_kind(kind or "").startswith("⟦") for kind in kinds) and spoken_question_kind("of_mine") == "of mine"
    assert spoken_scheme_kind("simulated") == "⟦simulated⟧"


def test_tasks_have_names() -> None:
    assert untranslated(" ¦ ".join(words for task in TASKS.values() for words in (recorded(task.label), _(task.about)))) == []


def test_a_sentence_is_cut_where_its_values_stand_out() -> None:
    sentence = _("With {worst}, the rounding error is {larger} than with {best}.", worst="A", best="B", larger=strong("2× larger"))
    assert spans(sentence) == (("⟦With A, the rounding error is ", False), ("2× larger", True), (" than with B.⟧", False))
    assert spans(capitalized(strong("no difference") + " found")) == (("No difference", True), (" found", False))
    assert spans("") == ()


def test_records_that_are_made_stay_english() -> None:
    with in_language("en"):
        assert language() == "en" and percent(nan) == "not known"
