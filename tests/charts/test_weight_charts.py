"""Charts of weights say what the records say, fit into 300 KB, and are never drawn empty."""

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.charts import error_histogram, row_errors, sqnr_against_bits, weight_histogram
from qdash.charts.histograms import coarser
from qdash.charts.palette import DARK, LIGHT
from qdash.records import Histogram, LayerHistograms, LayerWeights, SchemeWeights, WeightReport
from tests.report.examples import HOSTILE, WEIGHTS
from tests.support.figures import layout_of, traces
from tests.support.scripted_weights import layer_detail, report_of

LARGEST_FIGURE_BYTES = 300_000
(NF4,) = WEIGHTS.schemes
LAYER = NF4.layers[0]


def drawn(figure: go.Figure | None) -> go.Figure:
    assert figure is not None
    return figure


def texts(figure: go.Figure) -> list[str]:
    return [annotation.text for annotation in layout_of(figure).annotations]


def report(*schemes: SchemeWeights) -> WeightReport:
    return WEIGHTS.model_copy(update={"schemes": schemes})


def scheme(**changes: Any) -> SchemeWeights:
    return NF4.model_copy(update={"bits_per_weight": 4.125, **changes})


def with_bins(*counts: int) -> LayerWeights:
    bins = Histogram(low=-1, high=1, counts=counts)
    return LAYER.model_copy(update={"histograms": LayerHistograms(original=bins, dequantized=bins, error=bins)})


def test_histograms_carry_every_count_on_their_bins() -> None:
    original, dequantized = traces(drawn(weight_histogram(NF4, LAYER)))
    (error,) = traces(drawn(error_histogram(NF4, LAYER)))
    assert LAYER.histograms is not None
    for trace, name in ((original, "original"), (dequantized, "dequantized"), (error, "error")):
        counts = getattr(LAYER.histograms, name).counts
        assert list(trace.y) == [*counts, counts[-1]]
        assert list(trace.x) == pytest.approx([-1, -1 / 3, 1 / 3, 1], rel=1e-5)
        assert trace.line.shape == "hv"


def test_levels_are_ticks_below_the_same_axis() -> None:
    figure = drawn(weight_histogram(NF4, LAYER, (-2.0, -0.5, 0.0, 0.5, 1.0)))
    ticks = traces(figure)[-1]
    assert list(ticks.x) == [-0.5, 0.0, 0.5, 1.0], "the level beyond the bins is outside the picture"
    assert (ticks.yaxis, ticks.xaxis) == ("y2", None)
    assert layout_of(figure).yaxis2.domain[1] < layout_of(figure).yaxis.domain[0]


def test_a_tower_is_cut_and_its_share_is_written() -> None:
    heaped = Histogram(low=-1, high=1, counts=(10, 960, 30))
    flat = Histogram(low=-1, high=1, counts=(300, 400, 300))
    layer = LAYER.model_copy(update={"histograms": LayerHistograms(original=flat, dequantized=heaped, error=flat)})
    assert layout_of(drawn(weight_histogram(NF4, layer))).yaxis.range is None  # 960 is less than 2.5 × 400
    taller = layer.model_copy(
        update={"histograms": LayerHistograms(original=flat, dequantized=heaped.model_copy(update={"counts": (10, 2000, 30)}), error=flat)}
    )
    figure = drawn(weight_histogram(NF4, taller))
    assert list(layout_of(figure).yaxis.range) == [0, 1000]
    assert texts(figure) == ["▲ cut: 98% are at 0"]


@given(st.integers(0, 300), st.integers(1, 60))
def test_coarser_bins_hold_the_same_weights_about_the_same_zero(half: int, halves: int) -> None:
    counts, most = tuple(range(1, 2 * half + 2)), 2 * halves + 1
    fine = Histogram(low=-1, high=1, counts=counts)
    coarse = coarser(fine, most)
    assert sum(coarse.counts) == sum(counts) and len(coarse.counts) % 2 == 1
    assert len(coarse.counts) <= most and coarse.low == pytest.approx(-coarse.high)
    width = 2 / len(counts)
    assert (coarse.high - coarse.low) / len(coarse.counts) / width == pytest.approx(
        round((coarse.high - coarse.low) / len(coarse.counts) / width)
    )


def test_simulated_is_dotted() -> None:
    simulated = NF4.model_copy(update={"kind": "simulated"})
    assert [trace.line.dash for trace in traces(drawn(weight_histogram(NF4, LAYER)))[1:]] == ["solid"]
    assert traces(drawn(weight_histogram(simulated, LAYER)))[1].line.dash == "dot"
    assert traces(drawn(error_histogram(simulated, LAYER)))[0].line.dash == "dot"


@pytest.mark.parametrize("draw", [weight_histogram, error_histogram])
def test_without_a_histogram_nothing_is_drawn(draw: Callable[..., go.Figure | None]) -> None:
    assert draw(NF4, NF4.layers[1]) is None


def test_rows_stand_where_they_are() -> None:
    layer = LAYER.model_copy(update={"shape": (64, 32), "row_sqnr_db": (20.0, None, 10.0), "sqnr_db": 15.0})
    figure = drawn(row_errors(NF4, layer, 50))
    (trace,) = traces(figure)
    assert list(trace.x) == [0, 21, 42, 64]
    assert list(trace.y) == [20.0, None, 10.0, 10.0]
    assert list(trace.text) == ["rows 0–20", "rows 21–41", "rows 42–63", "rows 42–63"]
    assert texts(figure) == ["▼ row 50"]
    assert layout_of(figure).shapes[0].y0 == 15.0
    assert row_errors(NF4, layer.model_copy(update={"row_sqnr_db": (None, None)})) is None
    assert row_errors(NF4, LAYER) is None, "no rows were kept"


def test_every_scheme_is_a_dot_below_six_decibels_a_bit() -> None:
    figure = drawn(sqnr_against_bits(report(scheme(), scheme(label="INT8", scheme="bnb-int8", bits_per_weight=8.0, sqnr_db=40.0))))
    line, *dots = traces(figure)
    assert [y / x for x, y in zip(line.x, line.y, strict=True)] == pytest.approx([6.02, 6.02])
    assert [(dot.x[0], dot.y[0]) for dot in dots] == [(4.125, 20.5), (8.0, 40.0)]
    assert [dot.marker.color for dot in dots] == [LIGHT.of(4), LIGHT.of(8)]
    assert {"NF4 4-bit", "INT8"} < set(texts(figure))
    assert len(layout_of(figure).shapes) == 0


def test_a_simulated_scheme_is_an_open_dashed_dot() -> None:
    figure = drawn(sqnr_against_bits(report(scheme(kind="simulated"))))
    (circle,) = layout_of(figure).shapes
    assert (circle.type, circle.xanchor, circle.yanchor) == ("circle", 4.125, 20.5) and "px" in circle.line.dash
    assert traces(figure)[1].marker.opacity < 0.5


def test_dots_of_one_place_share_a_name() -> None:
    crowd = [scheme(label=f"S{step}", sqnr_db=20 + step / 10) for step in range(8)]
    figure = drawn(sqnr_against_bits(report(*crowd)))
    assert [text for text in texts(figure) if text.startswith("S")] == ["S7"]
    assert all(part in traces(figure)[1].hovertemplate for part in ("20.00 dB", "4.12 bits", "2 layers", "0.1", "1e-05", "0.995"))


def test_what_has_no_error_or_no_bits_is_no_dot() -> None:
    assert sqnr_against_bits(report(scheme(sqnr_db=None))) is None
    assert sqnr_against_bits(report(scheme(bits_per_weight=None))) is None
    assert sqnr_against_bits(report()) is None
    figure = drawn(sqnr_against_bits(report(scheme(sqnr_db=-30.0))))
    assert layout_of(figure).yaxis.range[0] < -30, "worse than no weights at all is still in the picture"


def test_the_dark_chart_differs_in_colour_only() -> None:
    light, dark = drawn(weight_histogram(NF4, LAYER)), drawn(weight_histogram(NF4, LAYER, dark=True))
    assert [trace.y for trace in traces(light)] == [trace.y for trace in traces(dark)]
    assert (traces(light)[1].line.color, traces(dark)[1].line.color) == (LIGHT.of(4), DARK.of(4))


def test_a_scheme_that_this_version_does_not_know_is_drawn() -> None:
    assert traces(drawn(sqnr_against_bits(report(scheme(scheme="from-the-future")))))[1].marker.color == LIGHT.of(None)


def test_names_cannot_inject_markup() -> None:
    hostile = scheme(label=HOSTILE)
    for figure in (sqnr_against_bits(report(hostile)), weight_histogram(hostile, LAYER), error_histogram(hostile, LAYER)):
        assert "<script" not in (drawn(figure).to_json() or "").replace("\\u003c", "<")


def test_figures_of_a_large_layer_are_small() -> None:
    wide = with_bins(*range(10**9, 10**9 + 601)).model_copy(
        update={"shape": (150_000, 8192), "row_sqnr_db": tuple(20.123456789 + step / 1000 for step in range(512))}
    )
    levels = tuple(step / 256 - 0.123456789 for step in range(256))
    for figure in (weight_histogram(NF4, wide, levels), error_histogram(NF4, wide), row_errors(NF4, wide, 7)):
        assert len(drawn(figure).to_json() or "") < LARGEST_FIGURE_BYTES


def test_a_detail_is_drawn_like_a_report() -> None:
    name = report_of("bnb-nf4").schemes[0].layers[6].name
    detail = layer_detail("bnb-nf4", name, None, 0)
    figure = drawn(weight_histogram(detail, detail.layer, detail.levels))
    assert len(traces(figure)[-1].x) == 16
