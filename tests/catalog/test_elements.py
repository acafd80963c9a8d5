"""Thresholds are where float32 rounding goes from one value to the next; torch's quicker arithmetic rounds to the same."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qdash.catalog.elements import E2M1, E2M3, E3M2, E4M3, E5M2, IQ4, NF4, Element, Integer, Table, Ties, largest_exponent, thresholds
from qdash.catalog.formats import Format
from qdash.catalog.scale_rules import BY_GROUP, BY_ROW, MX, Q4_K, Q6_K, Descent
from qdash.engine.formats.casting import nearest_, saturate_
from tests.support.formats import COUNTED, E2M2

ELEMENTS = [E4M3, E5M2, E2M3, E3M2, E2M1, E2M2, Integer(-127, 127), Integer(-8, 7), Integer(0, 15), NF4, IQ4, COUNTED]
each_element = pytest.mark.parametrize("element", ELEMENTS, ids=lambda element: f"{type(element).__name__}-{len(element.values)}")


@each_element
def test_a_threshold_rounds_down_and_the_next_float32_up(element: Element) -> None:
    values = [Fraction(value) for value in element.values]
    assert len(thresholds(element)) == len(values) - 1
    for at, threshold in enumerate(thresholds(element)):
        above = float(np.nextafter(np.float32(threshold), np.float32(np.inf)))
        middle = (values[at] + values[at + 1]) / 2
        assert float(np.float32(threshold)) == threshold and Fraction(threshold) <= middle <= Fraction(above)
        if middle == Fraction(threshold):  # a tie goes down
            assert isinstance(element, Table) or (at - element.values.index(0.0)) % 2 == 0
        if middle == Fraction(above):  # a tie goes up
            assert not isinstance(element, Table) and (at - element.values.index(0.0)) % 2 == 1


@pytest.mark.parametrize("element", [Integer(-127, 127), Integer(-8, 7), Integer(0, 31)], ids=lambda element: f"{len(element.values)}")
def test_ties_of_integers_go_up_or_away_from_zero(element: Integer) -> None:
    halves = np.arange(element.lowest, element.largest) + np.float32(0.5)
    away = np.array(thresholds(element, "away"), dtype=np.float32)
    np.testing.assert_array_equal(away < halves, halves > 0)
    np.testing.assert_array_equal(np.where(halves > 0, np.nextafter(away, np.float32(np.inf)), away), halves)
    up = np.array(thresholds(element, "up"), dtype=np.float32)
    added = np.float32(0.5 - element.lowest)
    np.testing.assert_array_equal(np.floor(up + added), halves - np.float32(0.5) - element.lowest)
    np.testing.assert_array_equal(np.floor(np.nextafter(up, np.float32(np.inf)) + added), halves + np.float32(0.5) - element.lowest)


TIED: list[tuple[Element, Ties]] = [(element, "even") for element in ELEMENTS]
OTHER_TIES: list[Ties] = ["up", "away"]
TIED.extend((element, ties) for element in ELEMENTS if isinstance(element, Integer) for ties in OTHER_TIES)


@pytest.mark.parametrize(("element", "ties"), TIED, ids=lambda part: part if isinstance(part, str) else f"{len(part.values)}")
@given(data=st.data())
def test_torch_rounds_to_the_thresholds(element: Element, ties: Ties, data: st.DataObject) -> None:
    end = float(np.float32(1.5 * element.largest))
    close = st.sampled_from([*map(float, np.array(element.values, dtype=np.float32)), *thresholds(element, ties)])
    numbers = data.draw(arrays(np.float32, st.integers(1, 50), elements=st.floats(-end, end, width=32) | close))
    codes = (numbers[:, None] > np.array(thresholds(element, ties), dtype=np.float32)).sum(axis=1)
    expected = np.array(element.values, dtype=np.float32)[codes]
    np.testing.assert_array_equal(saturate_(torch.from_numpy(numbers.copy()), element, ties).numpy(), expected)


def test_a_table_keeps_nan() -> None:
    for table in (NF4, IQ4):
        assert nearest_(torch.tensor([torch.nan, 0.3]), table).isnan().tolist() == [True, False]


def test_bits_and_exponents() -> None:
    assert [element.bits for element in (E2M2, Integer(-127, 127), Integer(0, 15), NF4, IQ4, COUNTED)] == [5, 8, 4, 4, 4, 3]
    assert [largest_exponent(element) for element in (E4M3, E2M1, Integer(-127, 127), NF4)] == [8, 2, 6, 0]
    assert (E4M3.name, E2M1.name, E4M3.smallest_normal) == ("E4M3", "E2M1", 2.0**-6)


def test_a_row_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="no-size: a block needs a size"):
        Format("no-size", "", E2M1, MX, "", "")
    with pytest.raises(ValueError, match="with-size: a row has no size"):
        Format("with-size", "", E2M1, BY_ROW, "", "", size=32)
    with pytest.raises(ValueError, match="signed: codes beside a minimum begin at zero, not at -7"):
        Format("signed", "", Integer(-7, 7), BY_GROUP, "", "", size=32)
    with pytest.raises(ValueError, match="odd: a superblock of 256 is not made of blocks of 24"):
        Format("odd", "", Integer(-32, 31), Q6_K, "", "", size=24)
    for rule in (replace(Q6_K, search=None), replace(Q4_K, search=Descent("square", 1)), replace(MX, search=Q6_K.search)):
        with pytest.raises(ValueError, match=f"unsound: scales of the kind {rule.scale.kind} cannot be found so"):
            Format("unsound", "", Integer(0, 15), rule, "", "", size=32)
