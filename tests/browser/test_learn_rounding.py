"""The page's own arithmetic, run in a real browser, against the engine's (bit for bit), bitsandbytes', torch's and the textbook's."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from bitsandbytes import functional
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from qdash.catalog.elements import NF4
from qdash.catalog.formats import FORMATS, Format
from qdash.engine.formats import round_trip
from qdash.engine.formats.rules import round_shared, stats_of
from qdash.learn.distributions import drawn
from qdash.learn.mappings import MAPPINGS, Codes, Mapping
from qdash.ui.components.static import script
from tests.support.formats import MADE

pytestmark = pytest.mark.browser

Floats = NDArray[np.float32]
CHOICES = [(mapping, codes) for mapping in MAPPINGS.values() for codes in mapping.codes]
each_choice = pytest.mark.parametrize(("mapping", "codes"), CHOICES, ids=lambda part: getattr(part, "key", getattr(part, "name", "")))
each_mapping = pytest.mark.parametrize("mapping", MAPPINGS.values(), ids=lambda mapping: mapping.key)
rows = arrays(np.float32, st.integers(1, 80), elements=st.floats(-1e4, 1e4, width=32))


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with page_with(browser, script("learn_rounding")) as opened:
        yield opened


@contextmanager
def page_with(browser: Browser, source: str) -> Iterator[Page]:
    """An empty page that knows the arithmetic in `source` as the global `learn`."""
    context = browser.new_context()
    opened = context.new_page()
    opened.evaluate(f"window.learn = new Function({json.dumps(source + 'return { quantized, errorOf, roundEven };')})()")
    yield opened
    context.close()


def in_page_of(browser: Browser, source: str, numbers: list[float], mapping: dict[str, Any]) -> list[float]:
    """What the arithmetic in `source` restores from `numbers` with a mapping of one width, as `to_page` tells it."""
    restored = "([row, { rule, codes: [own], size }]) => [...learn.quantized(Float32Array.from(row), rule, own, size || 0).restored]"
    with page_with(browser, source) as page:
        return page.evaluate(restored, [numbers, mapping])


def in_page(page: Page, numbers: Floats, mapping: Mapping, codes: Codes, size: int) -> dict[str, Any]:
    """What the page's script makes of `numbers`: restored and codes, the error and the groups."""
    return of_several(page, [(numbers, codes, size)], mapping)[0]


def of_several(page: Page, cases: list[tuple[Floats, Codes, int]], mapping: Mapping) -> list[dict[str, Any]]:
    """`in_page` of rows with codes and sizes of their own, in one call: the way to the browser and back takes longest."""
    told = json.loads(json.dumps(mapping.to_page()))
    own = {entry["bits"]: entry for entry in told["codes"]}
    return page.evaluate(
        """([cases, rule]) => cases.map(([numbers, codes, size]) => {
            const row = Float32Array.from(numbers);
            const result = learn.quantized(row, rule, codes, size);
            const { errors, ...error } = learn.errorOf(row, result);
            const groups = result.groups.map(({ code, value, levels, ...found }) => found);
            return { restored: [...result.restored], codes: [...result.codes], error, errors: [...errors], groups };
        })""",
        [[[numbers.tolist(), own[codes.bits], size] for numbers, codes, size in cases], told["rule"]],
    )


def reference(numbers: Floats, mapping: Mapping, codes: Codes, size: int) -> NDArray[np.float64]:
    """The engine's arithmetic, each group by itself as a row or tensor; NF4 and affine from their definitions."""
    superblock = 0 if mapping.rule == "affine" else mapping.rule.superblock or 0
    length = superblock or size or len(numbers)
    groups = [numbers[start : start + length] for start in range(0, len(numbers), length)]
    if mapping.rule == "affine":
        return np.concatenate([affine(group, codes.bits)[0] for group in groups])
    if mapping.key == "nf4":
        return np.concatenate([nf4(group) for group in groups])
    # The groups here are made beforehand; those of superblocks are within.
    extent = size if superblock else 8 if mapping.rule.shares in ("block", "group") else None
    row = Format("reference", "Reference", codes.element, mapping.rule, "test", "test", size=extent)
    everything = torch.from_numpy(numbers)[None]
    results = []
    for group in groups:
        part = torch.from_numpy(group)[None]
        whole = stats_of(everything if mapping.rule.tensor_scale else part, row)
        results.append(round_shared(part.clone(), torch.empty_like(part), row, whole)[0].double().numpy())
    return np.concatenate(results)


def affine(numbers: Floats, bits: int) -> tuple[NDArray[np.float64], float, float]:
    """The textbook's formulas in float64: restored, S, Z."""
    qmin, qmax, wide = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, numbers.astype(np.float64)
    low, high = wide.min(), wide.max()
    if low == high:
        low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / (qmax - qmin) or 1.0
    zero = np.round(qmin - low / scale)
    return scale * (np.clip(np.round(wide / scale + zero), qmin, qmax) - zero), scale, zero


def nf4(numbers: Floats) -> NDArray[np.float64]:
    levels = np.array(NF4.values, dtype=np.float32)
    scale = max(np.abs(numbers).max(), np.float32(2.0**-126))
    nearest = np.abs((numbers / scale).astype(np.float64)[:, None] - levels.astype(np.float64)).argmin(axis=1)
    return (levels[nearest] * scale).astype(np.float64)


@each_choice
def test_equal_to_the_engine_on_drawn_and_random_rows(page: Page, mapping: Mapping, codes: Codes) -> None:
    generator = np.random.default_rng(codes.bits)
    scales = np.exp2(generator.uniform(-30, 30, 256))
    samples = [*(values[:512] for values in drawn().values()), (generator.normal(size=256) * scales).astype(np.float32)]
    assert_equal_to_the_engine(page, [(numbers, codes, size) for numbers in samples for size in sizes_of(mapping, (0, 64, 8))], mapping)


def sizes_of(mapping: Mapping, others: tuple[int, ...]) -> tuple[int, ...]:
    return (mapping.size,) if mapping.size else others


def assert_equal_to_the_engine(page: Page, cases: list[tuple[Floats, Codes, int]], mapping: Mapping) -> None:
    if mapping.rule != "affine" and mapping.rule.superblock:  # the engine takes whole ones
        cases = [(np.resize(numbers, 2 * mapping.rule.superblock), codes, size) for numbers, codes, size in cases]
    for (numbers, codes, size), found in zip(cases, of_several(page, cases, mapping), strict=True):
        np.testing.assert_array_equal(found["restored"], reference(numbers, mapping, codes, size))


@each_mapping
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=5, deadline=None)
@given(data=st.data())
def test_equal_to_the_engine_on_anything(page: Page, mapping: Mapping, data: st.DataObject) -> None:
    case = st.tuples(rows, st.sampled_from(mapping.codes), st.sampled_from(sizes_of(mapping, (0, 8, 32))))
    assert_equal_to_the_engine(page, data.draw(st.lists(case, min_size=5, max_size=5)), mapping)


@pytest.mark.parametrize("row", MADE.values(), ids=MADE)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=5, deadline=None)
@given(several=st.lists(rows, min_size=5, max_size=5))
def test_equal_to_the_engine_in_formats_that_no_row_has(page: Page, row: Format, several: list[Floats]) -> None:
    mapping = Mapping(row.key, row.label, "Blocks", row.rule, (Codes(row.label, row.element),), row.about, size=row.size)
    assert_equal_to_the_engine(page, [(numbers, mapping.codes[0], row.size or 0) for numbers in several], mapping)


@pytest.mark.parametrize("key", [key for key in FORMATS if key in MAPPINGS])
def test_equal_to_the_scheme_of_that_name(page: Page, key: str) -> None:
    numbers = drawn()["outliers"]
    found = in_page(page, numbers, MAPPINGS[key], MAPPINGS[key].codes[0], FORMATS[key].size or 0)
    np.testing.assert_array_equal(found["restored"], round_trip(torch.from_numpy(numbers)[None], key)[0].numpy())


@pytest.mark.parametrize(
    ("mapping", "bits", "scheme"),
    [("symmetric", 8, "int8-row"), ("symmetric", 4, "int4-row"), ("minmax", 6, "minmax-6"), ("minmax", 4, "minmax-4")]
    + [("group", 3, "int3-g64"), ("group", 2, "int2-g64")],
)
def test_integers_are_those_of_the_schemes(page: Page, mapping: str, bits: int, scheme: str) -> None:
    numbers = drawn()["skewed"]
    codes = next(codes for codes in MAPPINGS[mapping].codes if codes.bits == bits)
    found = in_page(page, numbers, MAPPINGS[mapping], codes, FORMATS[scheme].size or 0)
    np.testing.assert_array_equal(found["restored"], round_trip(torch.from_numpy(numbers)[None], scheme)[0].numpy())


def test_nf4_is_bitsandbytes_own(page: Page) -> None:
    numbers = drawn()["normal"]
    found = in_page(page, numbers, MAPPINGS["nf4"], MAPPINGS["nf4"].codes[0], 64)
    packed, state = functional.quantize_4bit(torch.from_numpy(numbers), blocksize=64, quant_type="nf4")
    np.testing.assert_array_equal(found["restored"], functional.dequantize_4bit(packed, state).numpy().ravel())
    assert [group["scale"] for group in found["groups"]] == state.absmax.tolist()


@pytest.mark.parametrize("kind", ["normal", "skewed", "uniform"])
def test_affine_is_torchs_own_and_the_textbooks(page: Page, kind: str) -> None:
    numbers = drawn()[kind]
    codes = next(codes for codes in MAPPINGS["affine"].codes if codes.bits == 8)
    found = in_page(page, numbers, MAPPINGS["affine"], codes, 0)
    _, scale, zero = affine(numbers, 8)
    (group,) = found["groups"]
    assert (group["scale"], group["zeroPoint"]) == (scale, zero)
    theirs = torch.fake_quantize_per_tensor_affine(torch.from_numpy(numbers), scale, int(zero), -128, 127).numpy()
    # In float32 a number that lies between two levels may go to the other one.
    assert np.mean(np.isclose(found["restored"], theirs, rtol=1e-5, atol=1e-9)) > 0.999


def test_the_textbooks_example(page: Page) -> None:
    """Symmetric INT8: S = max|r| / 127."""
    numbers = np.array([-1.27, 0.0, 0.005, 0.5, 1.0], dtype=np.float32)
    codes = next(codes for codes in MAPPINGS["symmetric"].codes if codes.bits == 8)
    found = in_page(page, numbers, MAPPINGS["symmetric"], codes, 0)
    assert found["groups"][0]["scale"] == pytest.approx(0.01)
    assert [codes.values[code] for code in found["codes"]] == [-127, 0, 0, 50, 100] or found["codes"][2] == 128


@each_mapping
def test_error_is_float64s(page: Page, mapping: Mapping) -> None:
    numbers = drawn()["outliers"]
    found = in_page(page, numbers, mapping, mapping.codes[0], mapping.size or 0)
    wide, restored = numbers.astype(np.float64), np.array(found["restored"])
    errors = restored - wide
    np.testing.assert_array_equal(found["errors"], errors)
    error = found["error"]
    assert error["sqnr"] == pytest.approx(10 * np.log10(np.sum(wide**2) / np.sum(errors**2)), rel=1e-12)
    assert error["rms"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-12)
    assert error["largest"] == np.abs(errors).max()
    assert error["zeroed"] == np.mean((restored == 0) & (wide != 0))


@each_mapping
@pytest.mark.parametrize("value", [0.0, 0.5, -0.3, 3e-42])
def test_equal_numbers_have_a_scale_too(page: Page, mapping: Mapping, value: float) -> None:
    numbers = np.full(32, value, dtype=np.float32)
    found = in_page(page, numbers, mapping, mapping.codes[-1], mapping.size or 0)
    assert np.isfinite(found["restored"]).all()
    np.testing.assert_allclose(found["restored"], numbers, rtol=0.2, atol=1e-37)


def test_blocks_of_a_power_of_two_may_saturate_and_say_so(page: Page) -> None:
    numbers = np.array([7.9] + [0.1] * 31, dtype=np.float32)
    found = in_page(page, numbers, MAPPINGS["mxfp4"], MAPPINGS["mxfp4"].codes[0], 32)
    assert found["restored"][0] == 6.0
    assert found["error"]["clipped"] == 1 / 32


def test_ties_go_to_even(page: Page) -> None:
    halves = np.arange(-40.5, 41).tolist()
    assert page.evaluate("(halves) => halves.map(learn.roundEven)", halves) == np.round(halves).tolist()
