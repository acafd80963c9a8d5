"""In a language that has every sentence, no chart says anything in English: titles, ticks, hovers, legends, words behind bars."""

from collections.abc import Iterator
from typing import Any

import plotly.graph_objects as go
import pytest

from qdash.charts import (
    accuracy_bars,
    comparison_trades,
    error_histogram,
    evaluation_trades,
    latency_bars,
    memory_bars,
    row_errors,
    speedup_bars,
    sqnr_against_bits,
    trade_off,
    weight_histogram,
)
from qdash.charts.healing import healing_curve
from qdash.charts.progressive import accuracy_over_size, divergence_over_size
from qdash.charts.tradeoff import numbers_words
from qdash.charts.tradeoff_points import AGAINST
from qdash.present.language import _
from qdash.records import Comparison, Evaluation
from tests.charts.test_evaluation_charts import changed, evaluated
from tests.charts.test_tradeoff import compared
from tests.report.examples import COMPARISON
from tests.support.pseudo_language import pseudo_language, untranslated
from tests.support.scripted import CANCELLED, failed_result
from tests.support.scripted_heal import points
from tests.support.scripted_mix import costs_of, progressive_of
from tests.support.scripted_weights import report_of

_language = pytest.fixture(scope="module", autouse=True)(pseudo_language)
SHOWN = ("text", "hovertemplate", "name", "ticktext", "ticksuffix")
UNTIMED = COMPARISON.model_copy(
    update={"variants": tuple(result.model_copy(update={"latency": None}) for result in COMPARISON.variants), "noise_floor": None}
)
STOPPED = COMPARISON.model_copy(update={"variants": (COMPARISON.variants[0], failed_result("bnb-nf4", CANCELLED, "skipped"))})
BUSY = COMPARISON.model_copy(update={"noise_floor": COMPARISON.noise_floor and COMPARISON.noise_floor.model_copy(update={"relative": 0.6})})
COMPARISONS = (COMPARISON, UNTIMED, STOPPED, BUSY, compared(14))
EVALUATIONS = (
    evaluated(),
    evaluated(noise_floor=None),
    changed(1, status="skipped", error=CANCELLED),
    changed(2, accuracy=None, status="failed", items=()),
    changed(1, weights_bytes=None, peak_bytes=None, per_item_s=None),
)


def words(value: Any, key: str = "") -> Iterator[str]:
    """The texts of a figure that are drawn."""
    if isinstance(value, dict):
        for inner_key, inner in value.items():
            yield from words(inner, inner_key)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from words(inner, key)
    elif isinstance(value, str) and key in SHOWN:
        yield value


def english(figure: go.Figure | None) -> list[str]:
    """What is left of English in a figure."""
    assert figure is not None
    drawn = list(words(figure.to_plotly_json()))
    assert any("⟦" in text for text in drawn)
    return untranslated(" ¦ ".join(drawn).replace("Scheme number", ""))  # a label


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_bars_of_a_comparison(comparison: Comparison) -> None:
    assert english(latency_bars(comparison)) == []
    assert english(memory_bars(comparison)) == []


@pytest.mark.parametrize("against", AGAINST)
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_the_trade_off_of_a_comparison(comparison: Comparison, against: Any) -> None:
    trades = comparison_trades(comparison, against)
    assert english(trade_off(trades)) == []
    assert untranslated(" ¦ ".join((numbers_words(trades), *(why for _label, why in trades.left_out))).replace("Scheme number", "")) == []


@pytest.mark.parametrize("evaluation", EVALUATIONS)
def test_charts_of_an_evaluation(evaluation: Evaluation) -> None:
    assert english(accuracy_bars(evaluation)) == []
    assert english(speedup_bars(evaluation)) == []
    for against in AGAINST:
        trades = evaluation_trades(evaluation, against)
        assert english(trade_off(trades)) == [] and untranslated(" ¦ ".join(why for _label, why in trades.left_out)) == []


def test_charts_of_weights() -> None:
    report = report_of("bnb-nf4", "fp6-e2m3")
    assert english(sqnr_against_bits(report)) == []
    for scheme in report.schemes:
        assert english(weight_histogram(scheme, scheme, (0.0, 0.01))) == []
        assert english(error_histogram(scheme, scheme)) == []
        assert english(row_errors(scheme, scheme.layers[0], 3)) == []


def test_charts_of_a_model_quantized_step_by_step() -> None:
    report = progressive_of(costs_of("tiny-vlm", ["bnb-nf4"], 32), "bnb-nf4", "drawings")[-1]
    assert english(divergence_over_size(report)) == [] and english(accuracy_over_size(report)) == []


def test_the_curve_of_a_training() -> None:
    assert english(healing_curve(points(5), bits=2, minutes=5, live=(280, 0.06))) == []


def test_costs_have_names() -> None:
    assert all(_(name).startswith("⟦") for name in AGAINST.values())
