"""The trade-off: the front against brute force, labels that never cover each other, dots that say what the record says."""

import math
from itertools import combinations
from math import log10
from typing import Any

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.charts.label_placement import DOT_PX, LINE_PX, WIDTHS_PX, Dot, Spot, place_labels, width_of
from qdash.charts.palette import DARK, LIGHT
from qdash.charts.pareto import pareto_front
from qdash.charts.tradeoff import numbered, trade_off
from qdash.charts.tradeoff_points import AGAINST, against_of, comparison_trades, evaluation_trades
from qdash.records import Comparison, EvaluationRequest, Variant, VariantResult
from qdash.report import to_html
from qdash.ui.components.tradeoff import note_html, trade_table_html
from qdash.ui.results.comparison import redrawn
from tests.report.examples import AGREEMENT, COMPARISON, HOSTILE, memory, variant
from tests.support.figures import layout_of, traces
from tests.support.scripted_evaluation import evaluation_of

LARGEST_FIGURE_BYTES = 300_000
coarse = st.integers(0, 12).map(float) | st.floats(allow_nan=False)
shares = st.floats(0, 1)


def brute_force(points: list[tuple[float, float]]) -> set[int]:
    """By the definition: nobody is at least as good in both and better in one."""

    def beats(one: tuple[float, float], two: tuple[float, float]) -> bool:
        return one[0] <= two[0] and one[1] <= two[1] and one != two

    return {place for place, point in enumerate(points) if not any(beats(other, point) for other in points)}


@given(st.lists(st.tuples(coarse, coarse), max_size=25))
def test_the_front_is_what_the_definition_says(points: list[tuple[float, float]]) -> None:
    front = pareto_front(points)
    assert set(front) == brute_force(points) and len(front) == len(set(front))
    assert [points[place] for place in front] == sorted(points[place] for place in front)


def box(dot: Dot, label: str, spot: Spot, width: float, height: float) -> tuple[float, float, float, float]:
    """Where plotly draws a label: counted anew, from its documentation of anchors and shifts."""
    wide = width_of(label)
    left = dot.x * width + spot.xshift - wide * {"left": 0, "center": 0.5, "right": 1}[spot.xanchor]
    low = dot.y * height + spot.yshift - LINE_PX * {"bottom": 0, "middle": 0.5, "top": 1}[spot.yanchor]
    return left, left + wide, low, low + LINE_PX


def cover(one: tuple[float, ...], two: tuple[float, ...]) -> bool:
    return one[0] < two[1] and two[0] < one[1] and one[2] < two[3] and two[2] < one[3]


@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=20), st.sampled_from(WIDTHS_PX))
def test_no_label_covers_a_label_or_a_dot_or_leaves_the_plot(places: list[tuple[float, float]], width: float) -> None:
    dots = [Dot(x, y, max(0.0, y - 0.05), min(1.0, y + 0.05)) for x, y in places]
    labels = [f"scheme {number} 四位" for number in range(len(dots))]
    spots = place_labels(dots, labels, [1] * len(dots), 200.0)
    boxes = {place: box(dots[place], labels[place], spot, width, 200.0) for place, spot in spots.items()}
    assert not any(cover(one, two) for one, two in combinations(boxes.values(), 2))
    for left, right, low, high in boxes.values():
        assert left >= 0 and right <= width + 12 and low >= 0 and high <= 200
    for dot in dots:
        x, y = dot.x * width, dot.y * 200
        assert not any(cover(one, (x - DOT_PX, x + DOT_PX, y - DOT_PX, y + DOT_PX)) for one in boxes.values())


def test_a_crowd_with_long_whiskers_still_has_names() -> None:
    """Four variants with as many right answers each, three of them close together: as common as it gets."""
    dots = [Dot(x, 0.77, 0.16, 0.84) for x in (0.925, 0.278, 0.172, 0.227)]
    labels = ["Original", "INT8 (LLM.int8)", "NF4 4-bit", "FP6 E2M3"]
    assert len(place_labels(dots, labels, [1, 1, 3, 1], 142.0)) == 4


def test_a_dot_alone_has_its_name() -> None:
    assert place_labels([Dot(0.5, 0.5, 0.5, 0.5)], ["NF4 4-bit"], [1], 200.0) == {0: Spot("left", "middle", 9, 0)}


def compared(count: int = 3) -> Comparison:
    """The original and `count` variants, each smaller and further away than the one before; the last one is simulated."""
    results = [variant("original", "Original", "same", 20 * 2**20, 1.0)]
    for step in range(1, count + 1):
        agreement = AGREEMENT.model_copy(update={"kl_mean_nats": 10.0 ** (step * 3 / count - 3), "kl_se": 10.0 ** (step * 3 / count - 4)})
        size = int(20 * 2**20 * 0.9**step)
        rest: dict[str, Any] = {"agreement": agreement}
        if step == count:
            rest |= {"kind": "simulated", "memory": memory(20 * 2**20, projected_bytes=size)}
        results.append(variant("bnb-nf4", f"Scheme number {step}", "same", size, 1 + step / 10, **rest))
    return COMPARISON.model_copy(update={"variants": tuple(results)})


def dots(figure: go.Figure) -> dict[int, Any]:
    return {trace.customdata[0]: trace for trace in traces(figure) if trace.customdata is not None}


def test_dots_are_where_the_record_says() -> None:
    comparison = compared()
    found = dots(trade_off(comparison_trades(comparison)))
    assert list(found) == [0, 1, 2, 3]
    for place, result in enumerate(comparison.variants[1:3], 1):
        assert result.agreement is not None and result.memory is not None and result.agreement.kl_mean_nats is not None
        mean, error = result.agreement.kl_mean_nats, result.agreement.kl_se or 0
        trace = found[place]
        assert trace.x[0] == pytest.approx(result.memory.weights_bytes / 2**20)
        assert trace.y[0] == pytest.approx(log10(mean))
        assert trace.y[0] + trace.error_y.array[0] == pytest.approx(log10(mean + 2 * error))
        assert trace.y[0] - trace.error_y.arrayminus[0] == pytest.approx(log10(mean - 2 * error))
        assert trace.marker.color == LIGHT.of(result.bits)
    projected = comparison.variants[3].memory
    assert projected is not None and projected.projected_bytes is not None
    assert found[3].x[0] == pytest.approx(projected.projected_bytes / 2**20)
    assert dots(trade_off(comparison_trades(comparison), dark=True))[1].marker.color == DARK.of(4)


def test_the_original_has_a_place_of_its_own_below_every_power_of_ten() -> None:
    figure = trade_off(comparison_trades(compared()))
    at = dots(figure)[0].y[0]
    assert at < min(trace.y[0] for place, trace in dots(figure).items() if place)
    assert dict(zip(layout_of(figure).yaxis.tickvals, layout_of(figure).yaxis.ticktext, strict=True))[at] == "none"
    assert layout_of(figure).yaxis.range[0] < at


def test_simulated_is_dashed_and_has_no_peak_and_no_time() -> None:
    comparison = compared()
    figure = trade_off(comparison_trades(comparison))
    assert [shape.line.dash for shape in layout_of(figure).shapes] == ["2.5px,2px"]
    assert dots(figure)[3].marker.opacity < 0.3 < dots(figure)[1].marker.opacity
    for against in ("peak", "time"):
        trades = comparison_trades(comparison, against)
        assert 3 not in dots(trade_off(trades))
        assert [label for label, _ in trades.left_out] == ["Scheme number 3"]


def test_the_steps_join_the_best_trades() -> None:
    comparison = compared(6)
    worse = comparison.variants[2].model_copy(update={"memory": memory(30 * 2**20)})  # larger than the original, and further away
    comparison = comparison.model_copy(update={"variants": (*comparison.variants, worse)})
    trades = comparison_trades(comparison)
    assert [point.place for point in trades.front] == [6, 5, 4, 3, 2, 1, 0]
    line = traces(trade_off(trades))[0]
    assert line.line.shape == "hv" and list(line.x) == sorted(line.x)


def test_more_right_answers_are_better() -> None:
    keys = ("original", "bnb-int8", "bnb-nf4", "fp6-e2m3", "nvfp4")
    evaluation = evaluation_of(EvaluationRequest(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in keys), task="drawings"))
    trades = evaluation_trades(evaluation)
    sizes = [result.projected_bytes or result.weights_bytes or 0 for result in evaluation.variants]
    values = [result.accuracy.value if result.accuracy else 0 for result in evaluation.variants]
    expected = brute_force([(float(size), -value) for size, value in zip(sizes, values, strict=True)])
    assert {point.place for point in trades.front} == expected
    figure = trade_off(trades)
    share = evaluation.variants[2].accuracy
    assert share is not None
    trace = dots(figure)[2]
    assert trace.y[0] == pytest.approx(share.value * 100)
    assert (trace.error_y.array[0], trace.error_y.arrayminus[0]) == pytest.approx(
        ((share.high - share.value) * 100, (share.value - share.low) * 100)
    )
    timed = evaluation_trades(evaluation, "time")
    assert {label for label, why in timed.left_out if "stand-in" in why} == {evaluation.variants[3].label, evaluation.variants[4].label}


def test_divergence_that_is_rounding_or_no_number_is_said_so() -> None:
    changed = list(compared().variants)
    changed[1] = changed[1].model_copy(update={"agreement": AGREEMENT.model_copy(update={"kl_mean_nats": 4e-7, "kl_se": 1e-7})})
    changed[2] = changed[2].model_copy(update={"agreement": AGREEMENT.model_copy(update={"kl_mean_nats": None, "kl_se": None})})
    trades = comparison_trades(COMPARISON.model_copy(update={"variants": tuple(changed)}))
    assert next(point for point in trades.points if point.place == 1).quality == 0
    assert trades.left_out == (("Scheme number 2", "broken: its scores are NaN or infinite"),)


@pytest.mark.parametrize("against", AGAINST)
def test_what_did_not_run_is_told_and_nothing_at_all_is_said(against: Any) -> None:
    trades = comparison_trades(COMPARISON, against)
    assert ("FP4 4-bit", "not run") in trades.left_out
    assert len(trades.points) + len(trades.left_out) == len(COMPARISON.variants)
    failed = COMPARISON.model_copy(update={"variants": COMPARISON.variants[-1:]})
    figure = trade_off(comparison_trades(failed, against))
    assert "nothing to plot" in layout_of(figure).annotations[0].text


def test_twenty_variants_of_any_name_fit_and_nothing_of_theirs_is_markup() -> None:
    twenty = compared(20)
    hostile = tuple(result.model_copy(update={"label": f"{HOSTILE} {place}"}) for place, result in enumerate(twenty.variants))
    for comparison in (twenty, twenty.model_copy(update={"variants": hostile})):
        for against in AGAINST:
            text = trade_off(comparison_trades(comparison, against)).to_json() or ""
            assert len(text) < LARGEST_FIGURE_BYTES and "<script" not in text and "<img" not in text
    labels = [note for note in layout_of(trade_off(comparison_trades(twenty))).annotations if note.name == "label"]
    assert len(labels) >= 8


@pytest.mark.parametrize("count", [4, 12, 20, 30])
def test_every_dot_has_a_name_or_a_number_with_a_key(count: int) -> None:
    many = [
        variant("bnb-nf4", f"Format number {place}", "same", 2**20 * (5 + place % 7), 0.1, agreement=AGREEMENT)
        for place in range(count - 1)
    ]
    trades = comparison_trades(COMPARISON.model_copy(update={"variants": (COMPARISON.variants[0], *many)}))
    notes = layout_of(trade_off(trades)).annotations
    names, numbers = ([note.text for note in notes if note.name == kind] for kind in ("label", "number"))
    groups = numbered(trades)
    assert len(names) + sum(len(group) for group in groups) == count
    assert [f"<b>{group[0].place + 1}</b>" for group in groups] == numbers
    assert all(f"{group[0].place + 1} {', '.join(point.label for point in group)}" in note_html(trades) for group in groups)
    assert (count == 30) <= bool(numbers)


def test_numbers_never_cover_each_other() -> None:
    same = [variant("bnb-nf4", f"Format {place}", "same", 2**20 * (5 + place % 3), 0.1, agreement=AGREEMENT) for place in range(29)]
    trades = comparison_trades(COMPARISON.model_copy(update={"variants": (COMPARISON.variants[0], *same)}))
    assert any(len(group) > 1 for group in numbered(trades))
    assert "Dots too close together share a number." in note_html(trades)
    numbers = [note for note in layout_of(trade_off(trades)).annotations if note.name == "number"]
    assert len({(note.x, note.y) for note in numbers}) == len(numbers)


@pytest.mark.parametrize("error", [math.nan, math.inf, -math.inf, -1.0])
def test_a_doubt_that_is_no_number_has_no_whisker_and_breaks_nothing(error: float) -> None:
    odd = AGREEMENT.model_copy(update={"kl_se": error})
    results = (COMPARISON.variants[0], variant("bnb-nf4", "NF4", "same", 2**20, 0.1, agreement=odd))
    trades = comparison_trades(COMPARISON.model_copy(update={"variants": results}))
    assert trades.points[1].low == trades.points[1].quality == trades.points[1].high
    assert len(dots(trade_off(trades))) == 2 and note_html(trades) == ""


def test_costs_far_apart_are_drawn_by_their_logarithm() -> None:
    results = list(compared().variants)
    slow: VariantResult = variant("bnb-nf4-fp32", "Slow", "same", 2**20, 50.0, agreement=AGREEMENT)
    trades = comparison_trades(COMPARISON.model_copy(update={"variants": (*results, slow)}), "time")
    figure = trade_off(trades)
    assert slow.latency is not None
    assert dots(figure)[4].x[0] == pytest.approx(log10(slow.latency.tpot_s.median * 1e3))
    assert layout_of(figure).xaxis.ticktext


def test_a_switch_that_says_nonsense_shows_the_size() -> None:
    for nonsense in ("wealth", None, 3, ["size"]):
        assert against_of(nonsense) == "size"
    assert against_of("time") == "time"


def test_where_nothing_was_compared_there_is_no_trade_off() -> None:
    """As with random weights, whose answers mean nothing: only the original would have a dot."""
    hidden = tuple(result.model_copy(update={"agreement": None, "answer": None}) for result in COMPARISON.variants)
    comparison = COMPARISON.model_copy(update={"variants": hidden})
    assert not any(comparison_trades(comparison, against).compares for against in AGAINST)
    assert 'class="nothing"' in redrawn(False, "size", comparison)[-1] and trade_table_html(comparison) == ""
    assert "Size vs. quality" not in to_html(comparison) and "Size vs. quality" in to_html(COMPARISON)
    assert 'class="nothing"' not in redrawn(False, "size", COMPARISON)[-1] and trade_table_html(COMPARISON)
