"""The two charts of an evaluation: shares with their intervals, speed-ups with the noise, and nothing claimed for what is simulated."""

from typing import Any

import plotly.graph_objects as go
import pytest

from qdash.charts import accuracy_bars, speedup_bars
from qdash.charts.evaluation import speedup_of
from qdash.records import Evaluation, EvaluationRequest, Variant
from qdash.stats.binomial import proportion
from tests.report.examples import HOSTILE
from tests.support.figures import layout_of, traces
from tests.support.scripted_evaluation import evaluation_of

KEYS = ("original", "bnb-int8", "bnb-nf4", "fp6-e2m3")
LARGEST_FIGURE_BYTES = 300_000


def evaluated(*keys: str, **changes: Any) -> Evaluation:
    request = EvaluationRequest(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in keys or KEYS), task="drawings")
    return evaluation_of(request).model_copy(update=changes)


def changed(place: int, **changes: Any) -> Evaluation:
    evaluation = evaluated()
    variants = list(evaluation.variants)
    variants[place] = variants[place].model_copy(update=changes)
    return evaluation.model_copy(update={"variants": tuple(variants)})


def bars(figure: go.Figure) -> dict[str, Any]:
    return {trace.y[0]: trace for trace in traces(figure) if trace.type == "bar"}


def texts(figure: go.Figure) -> dict[str, str]:
    return {note.y: note.text for note in layout_of(figure).annotations}


def test_a_bar_is_the_share_and_its_whiskers_are_the_interval() -> None:
    evaluation = evaluated()
    figure = accuracy_bars(evaluation)
    for result in evaluation.variants:
        share, bar = result.accuracy, bars(figure)[result.label]
        assert share is not None
        assert bar.x[0] == pytest.approx(share.value * 100)
        assert bar.x[0] + bar.error_x.array[0] == pytest.approx(share.high * 100)
        assert bar.x[0] - bar.error_x.arrayminus[0] == pytest.approx(share.low * 100)
        assert texts(figure)[result.label] == f"<b>{share.value * 100:.1f}%</b>"
    first = evaluation.variants[0].accuracy
    assert first is not None and layout_of(figure).shapes[0].x0 == pytest.approx(first.value * 100)
    assert tuple(layout_of(figure).xaxis.range) == (0, 100)


def test_simulated_answers_are_hatched_and_simulated_speed_is_none() -> None:
    evaluation = evaluated()
    assert bars(accuracy_bars(evaluation))["FP6 E2M3"].marker.pattern.shape == "/"
    figure = speedup_bars(evaluation)
    assert "FP6 E2M3" not in bars(figure)
    assert texts(figure)["FP6 E2M3"] == "speed of the<br>32-bit stand-in"


def test_a_speed_up_is_the_originals_time_over_its_own_with_the_noise() -> None:
    evaluation = evaluated()
    figure = speedup_bars(evaluation)
    original, nf4 = evaluation.variants[0], evaluation.variants[2]
    assert original.total_s and nf4.total_s and evaluation.noise_floor
    bar = bars(figure)["NF4 4-bit"]
    assert bar.x[0] == pytest.approx(original.total_s / nf4.total_s)
    assert bar.error_x.array[0] == pytest.approx(bar.x[0] * evaluation.noise_floor.relative)
    assert bars(figure)["Original"].x[0] == 1 and bars(figure)["Original"].error_x.array[0] == 0
    assert layout_of(figure).shapes[0].x0 == 1
    assert max(value.x[0] + value.error_x.array[0] for value in bars(figure).values()) <= layout_of(figure).xaxis.range[1] + 1e-9


def test_a_variant_that_was_stopped_says_of_how_many_and_has_no_speed() -> None:
    answered = evaluated().variants[1].items[:10]
    evaluation = changed(1, status="skipped", items=answered, speedup=None, accuracy=proportion(10, 10))
    label = evaluation.variants[1].label
    (name,) = [name for name in texts(accuracy_bars(evaluation)) if name.replace("<br>", " ") == label]
    assert texts(accuracy_bars(evaluation))[name] == "100.0%<br>of 10: stopped"
    assert texts(speedup_bars(evaluation))[name] == "not all questions"


def test_without_the_original_there_is_no_line_and_no_speed() -> None:
    evaluation = changed(0, status="failed", accuracy=None, total_s=None)
    assert not layout_of(accuracy_bars(evaluation)).shapes
    assert texts(accuracy_bars(evaluation))["Original"] == "✕ failed"
    assert speedup_of(evaluation, 0) is None and "Original" not in bars(speedup_bars(evaluation))


@pytest.mark.parametrize("draw", [accuracy_bars, speedup_bars])
def test_twenty_variants_stay_small_and_harmless(draw: Any) -> None:
    evaluation = evaluated(*("original",), *(["bnb-nf4"] * 19))
    variants = tuple(result.model_copy(update={"label": f"{HOSTILE} {place}"}) for place, result in enumerate(evaluation.variants))
    text = draw(evaluation.model_copy(update={"variants": variants})).to_json()
    assert len(text) < LARGEST_FIGURE_BYTES and "<script" not in text and "<img" not in text
