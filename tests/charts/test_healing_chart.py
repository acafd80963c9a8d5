"""The curve of a training: every score where it belongs, on axes that hold all of them."""

from math import log10

import pytest

from qdash.charts.healing import healing_curve
from qdash.records import HealPoint
from tests.support.figures import layout_of, traces
from tests.support.scripted_heal import points


def test_scores_lie_over_the_minutes() -> None:
    scores = points(5)
    unhealed, training, held_out = traces(healing_curve(scores, bits=2, minutes=5, live=(290, 0.04)))
    assert list(held_out.x) == [point.seconds / 60 for point in scores] and list(held_out.y) == [point.held_out_kl for point in scores]
    assert list(unhealed.y) == [scores[0].held_out_kl] * 2 and list(unhealed.x) == [0, 5]
    assert len(training.x) == len(scores) and (training.x[-1], training.y[-1]) == (pytest.approx(290 / 60), 0.04)
    assert max(held_out.marker.size) == held_out.marker.size[-1] > held_out.marker.size[0]  # the last is the best here


@pytest.mark.parametrize("values", [(0.55, 0.05), (4.0, 0.0), (0.002, 0.0019), (30.0, 1e-5)])
def test_the_axis_holds_every_score(values: tuple[float, float]) -> None:
    scores = [HealPoint(seconds=60.0 * place, steps=place, train_kl=None, held_out_kl=value) for place, value in enumerate(values)]
    figure = healing_curve(scores, bits=4, minutes=2)
    low, high = layout_of(figure).yaxis.range
    assert all(low < log10(value) < high for value in traces(figure)[-1].y)
    ticks = [tick for tick in layout_of(figure).yaxis.tickvals if low <= log10(tick) <= high]
    assert all(float(text) == pytest.approx(tick) for tick, text in zip(*_axis(figure), strict=True)) and len(ticks) <= 10


def test_one_score_is_a_curve() -> None:
    assert len(traces(healing_curve(points(5)[:1], bits=3, minutes=5))[-1].x) == 1


def _axis(figure: object) -> tuple[list[float], list[str]]:
    axis = layout_of(figure).yaxis  # type: ignore[arg-type]
    return list(axis.tickvals), list(axis.ticktext)
