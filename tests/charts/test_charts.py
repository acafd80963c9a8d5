"""Charts say what the records say: values, whiskers, colours, and words where there is no bar."""

import json
from typing import Any

import plotly.graph_objects as go
import pytest

from qdash.catalog.schemes import SCHEMES
from qdash.charts import latency_bars, memory_bars
from qdash.charts.palette import DARK, LIGHT
from qdash.charts.rows import row_names
from qdash.charts.style import saved_as
from qdash.records import Comparison, VariantResult
from tests.report.examples import COMPARISON, variant
from tests.support.figures import layout_of, traces

LARGEST_FIGURE_BYTES = 300_000


def bars(figure: go.Figure, row: str) -> list[Any]:
    return [trace for trace in traces(figure) if trace.type == "bar" and trace.y[0] == row]


def texts(figure: go.Figure) -> dict[str, str]:
    return {annotation.y: annotation.text for annotation in layout_of(figure).annotations}


def result(scheme: str) -> VariantResult:
    return next(item for item in COMPARISON.variants if item.scheme == scheme)


def test_a_latency_bar_is_first_token_then_the_rest_with_whiskers() -> None:
    first, rest = bars(latency_bars(COMPARISON), "INT8")
    latency = result("bnb-int8").latency
    assert latency is not None
    assert first.x[0] == rest.base[0] == pytest.approx(latency.ttft_s.median * 1e3)
    assert first.x[0] + rest.x[0] == pytest.approx(latency.total_s.median * 1e3)
    assert rest.x[0] + rest.base[0] + rest.error_x.array[0] == pytest.approx(latency.total_s.p90 * 1e3)
    assert rest.x[0] + rest.base[0] - rest.error_x.arrayminus[0] == pytest.approx(latency.total_s.p10 * 1e3)


def test_a_saved_picture_is_called_by_what_it_shows() -> None:
    meta = layout_of(saved_as(latency_bars(COMPARISON), "latency", "Time for 50 tokens", "apple/FastVLM-0.5B")).meta
    assert meta == {"file": "qdash-latency-fastvlm-0.5b", "title": "Time for 50 tokens", "model": "FastVLM-0.5B"}
    hostile = layout_of(saved_as(go.Figure(), "../x y", "<b>", "/home/me/<i>../模型")).meta
    assert hostile == {"file": "qdash-x-y-模型", "title": "&lt;b&gt;", "model": "模型"}


def test_the_baseline_is_a_reference_line() -> None:
    (line,) = layout_of(latency_bars(COMPARISON)).shapes
    latency = COMPARISON.variants[0].latency
    assert latency is not None
    assert line.x0 == line.x1 == pytest.approx(latency.total_s.median * 1e3)


def test_simulated_speed_and_memory_are_not_claimed() -> None:
    assert texts(latency_bars(COMPARISON))["FP6 E2M3"] == "speed of the<br>32-bit stand-in"
    figure = memory_bars(COMPARISON)
    assert "projected" in texts(figure)["FP6 E2M3"]
    (bar,) = bars(figure, "FP6 E2M3")
    memory = result("fp6-e2m3").memory
    assert memory is not None and memory.projected_bytes is not None
    assert bar.x[0] == pytest.approx(memory.projected_bytes / 2**20)
    assert any(shape.type == "rect" and "px" in shape.line.dash for shape in layout_of(figure).shapes)


def test_memory_bars_are_weights_before_peak_with_the_estimate_marked() -> None:
    figure = memory_bars(COMPARISON)
    peak, weights = bars(figure, "NF4 4-bit")
    memory = result("bnb-nf4").memory
    assert memory is not None and memory.estimated_bytes is not None and memory.peak_bytes is not None
    assert (peak.x[0], weights.x[0]) == pytest.approx((memory.peak_bytes / 2**20, memory.weights_bytes / 2**20))
    marks = next(trace for trace in traces(figure) if trace.type == "scatter")
    assert marks.x[list(marks.y).index("NF4 4-bit")] == pytest.approx(memory.estimated_bytes / 2**20)
    assert "FP6 E2M3" not in marks.y


@pytest.mark.parametrize("draw", [latency_bars, memory_bars])
def test_a_variant_without_figures_says_so(draw: Any) -> None:
    assert texts(draw(COMPARISON))["FP4 4-bit"] == "✕ failed"
    assert bars(draw(COMPARISON), "FP4 4-bit") == []


@pytest.mark.parametrize("draw", [latency_bars, memory_bars])
def test_twenty_variants_of_one_name_keep_their_rows(draw: Any) -> None:
    twins = tuple(variant("bnb-nf4", "NF4 4-bit", "same", 5_700_000, 1 + step / 10) for step in range(20))
    figure = draw(COMPARISON.model_copy(update={"variants": twins}))
    assert len({trace.y[0] for trace in traces(figure) if trace.type == "bar"}) == 20
    assert layout_of(figure).height > layout_of(draw(COMPARISON)).height
    assert len(figure.to_json()) < LARGEST_FIGURE_BYTES


@pytest.mark.parametrize("draw", [latency_bars, memory_bars])
def test_a_comparison_without_a_single_figure_draws(draw: Any) -> None:
    nothing = tuple(item.model_copy(update={"latency": None, "memory": None, "status": "failed"}) for item in COMPARISON.variants)
    json.loads(draw(COMPARISON.model_copy(update={"variants": nothing})).to_json())


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_colour_means_bits(palette: Any) -> None:
    colours = {scheme.bits: palette.of(scheme.bits) for scheme in SCHEMES.values()}
    assert colours[None] == colours[16] == colours[32]
    assert len({colours[16], colours[8], colours[6], colours[4], palette.of(3)}) == 5
    assert palette.of(3) == palette.of(2)


def test_the_dark_chart_differs_in_colour_only() -> None:
    light, dark = latency_bars(COMPARISON), latency_bars(COMPARISON, dark=True)
    assert [trace.x for trace in traces(light)] == [trace.x for trace in traces(dark)]
    assert traces(light)[1].marker.color == LIGHT.of(None)
    assert traces(dark)[1].marker.color == DARK.of(None)


def test_labels_cannot_inject_markup() -> None:
    hostile = COMPARISON.variants[1].model_copy(update={"label": "<img src=x onerror=alert(1)>"})
    comparison: Comparison = COMPARISON.model_copy(update={"variants": (COMPARISON.variants[0], hostile)})
    for figure in (latency_bars(comparison), memory_bars(comparison)):
        assert "<img" not in (figure.to_json() or "").replace("\\u003c", "<")


def test_long_names_take_two_lines_and_stay_apart() -> None:
    assert row_names(["NF4 4-bit"]) == ["NF4 4-bit"]
    (name,) = row_names(["vision=bnb-int8, projector=original, language=bnb-nf4"])
    first, second = name.split("<br>")
    assert first == "vision=bnb-int8," and second.startswith("projector=original") and second.endswith("…")
    assert len(set(row_names(["same", "same", "same"]))) == 3


def test_long_runs_are_in_seconds() -> None:
    slow = variant("original", "Original", "x", 1, 100.0)
    figure = latency_bars(COMPARISON.model_copy(update={"variants": (slow,)}))
    assert slow.latency is not None
    assert layout_of(figure).xaxis.title.text == "s for 50 tokens"
    assert sum(trace.x[0] for trace in traces(figure)) == pytest.approx(slow.latency.total_s.median)
    assert layout_of(latency_bars(COMPARISON)).xaxis.title.text == "ms for 50 tokens"


@pytest.mark.parametrize("count", [1, 3, 20])
def test_rows_are_as_high_whatever_their_number(count: int) -> None:
    twins = tuple(variant("bnb-nf4", f"NF4 {step}", "same", 5_700_000, 1 + step / 10) for step in range(count))
    layout = layout_of(memory_bars(COMPARISON.model_copy(update={"variants": twins})))
    bottom, top = layout.yaxis.range
    assert (layout.height - 46) / (bottom - top) == pytest.approx(40)
    assert top == -0.5 and bottom >= count - 0.5


def test_a_scheme_that_this_version_does_not_know_is_drawn() -> None:
    stranger = COMPARISON.variants[1].model_copy(update={"scheme": "from-the-future"})
    assert traces(latency_bars(COMPARISON.model_copy(update={"variants": (stranger,)})))[1].marker.color == LIGHT.of(8)


def test_a_checkpoint_published_in_4_bits_has_their_colour() -> None:
    published = COMPARISON.variants[0].model_copy(update={"bits": 4, "label": "As published (AWQ 4-bit)"})
    assert traces(latency_bars(COMPARISON.model_copy(update={"variants": (published,)})))[1].marker.color == LIGHT.of(4)
