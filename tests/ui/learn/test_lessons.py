"""What the cards claim of their pictures is so. (The page computes what `reference` computes: see test_learn_rounding.)"""

import dataclasses

import numpy as np
import pytest

from qdash.checkpoints import locate
from qdash.learn.distributions import COUNT, drawn
from qdash.learn.mappings import MAPPINGS
from qdash.learn.rows import read_row
from qdash.ui.learn.lessons import LESSONS, Lesson
from qdash.ui.learn.rows import BUNDLED, offered
from tests.browser.test_learn_rounding import reference

FEWER, OUTLIER, GROUPS, AFFINE, NF4, FP4 = LESSONS


def sqnr(lesson: Lesson, **changes: object) -> float:
    """Signal to noise of the picture that `lesson` sets, in dB, after `changes`."""
    numbers, restored = seen(dataclasses.replace(lesson, **changes))
    return float(10 * np.log10(np.sum(numbers.astype(np.float64) ** 2) / np.sum((restored - numbers) ** 2)))


def seen(lesson: Lesson) -> tuple[np.ndarray, np.ndarray]:
    mapping = MAPPINGS[lesson.mapping]
    (codes,) = [codes for codes in mapping.codes if codes.bits == lesson.bits]
    numbers = read_row(locate(BUNDLED), offered(BUNDLED)["layer"], 0).values if lesson.numbers == "row" else drawn()[lesson.numbers]
    return numbers, reference(numbers, mapping, codes, mapping.size or lesson.size or 0)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.title)
def test_each_card_sets_a_picture_that_exists_and_is_short(lesson):
    numbers, restored = seen(lesson)
    assert len(numbers) == len(restored) and 0 <= lesson.weight <= 1
    assert len(lesson.title) < 32 and len(lesson.teaser) < 48 and len(lesson.words) < 260


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.title)
def test_what_a_card_compares_with_exists_and_shows_its_point(lesson):
    label, changes = lesson.against
    assert label and changes.keys() <= {"numbers", "mapping", "bits", "size"}
    better = sqnr(lesson) > sqnr(lesson, **changes)
    assert better == (lesson not in (FEWER, OUTLIER))


def test_a_bit_less_costs_about_6_db():
    by_bits = [sqnr(FEWER, bits=bits) for bits in range(2, 9)]
    assert all(5.5 < step < 7 for step in np.diff(by_bits)[-3:])
    assert all(np.diff(by_bits) > 3)


def test_four_outliers_spoil_the_others():
    numbers, restored = seen(OUTLIER)
    ordinary = np.abs(numbers) < 0.3
    assert np.sum(~ordinary) == 4 and COUNT - 4 == 2044 and "2,044" in OUTLIER.teaser
    before = np.mean(seen(dataclasses.replace(OUTLIER, numbers="normal"))[1] == 0)
    assert np.mean(restored == 0) > 2 * before
    assert len(set(restored[ordinary])) <= 5
    assert sqnr(OUTLIER) < sqnr(OUTLIER, numbers="normal") - 6


def test_groups_save_them_for_one_bit_more():
    assert sqnr(GROUPS) > sqnr(OUTLIER) + 6
    assert (
        dataclasses.replace(GROUPS, **{name: getattr(OUTLIER, name) for name in ("title", "teaser", "words", "size", "against")}) == OUTLIER
    )
    assert GROUPS.size and MAPPINGS[GROUPS.mapping].shared_bits / GROUPS.size == 1


def test_a_zero_point_helps_where_numbers_lie_on_one_side():
    assert sqnr(AFFINE) > sqnr(AFFINE, mapping="symmetric") + 4
    codes = next(codes for codes in MAPPINGS["symmetric"].codes if codes.bits == 4)
    restored = seen(dataclasses.replace(AFFINE, mapping="symmetric"))[1]
    assert len(set(restored)) <= len(codes.values) / 2 + 2  # half of the levels are wasted


def test_nf4_is_better_than_even_steps():
    assert sqnr(NF4) > sqnr(NF4, mapping="symmetric") + 0.5
    numbers, restored = seen(dataclasses.replace(NF4, mapping="symmetric"))
    outer = np.abs(restored) > 4.5 * np.abs(numbers).max() / 7  # six of the fifteen levels
    assert 0 < np.mean(outer) < 0.04
    gaps = np.diff(MAPPINGS["nf4"].codes[0].values)
    assert gaps.argmin() in (6, 7) and gaps.max() == max(gaps[0], gaps[-1])


def test_the_4_bit_float_has_the_values_that_are_told():
    values = MAPPINGS["fp4-e2m1"].codes[0].values
    assert [value for value in values if value >= 0] == [0, 0.5, 1, 1.5, 2, 3, 4, 6] and len(values) == 15
    assert "0, ½, 1, 1½, 2, 3, 4, 6" in FP4.words
