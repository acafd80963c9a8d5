"""GGUF's block formats against the `gguf` package, bit for bit, and against figures of ggml's quantizer where the package has none."""

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qdash.catalog.elements import Integer
from qdash.catalog.formats import FORMATS
from qdash.catalog.scale_rules import Grid
from qdash.catalog.schemes import SCHEMES
from qdash.engine.formats import round_trip
from qdash.engine.formats.packed import PACKED, dequantize_blocks
from qdash.engine.formats.searching import best_scale, best_scale_and_minimum, total
from qdash.engine.formats.superblocks import superblocks_of
from qdash.engine.weights.scales import scale_of
from qdash.engine.worker import Worker
from tests.engine.conftest import ignore, never, spec_of
from tests.support.gguf_blocks import packed
from tests.support.held import model_of

KEYS = [key for key, row in FORMATS.items() if row.group == "GGUF"]
PLAIN = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0"]  # the `gguf` package quantizes to these
SEARCHED = [key for key in KEYS if key not in PLAIN]
AFFINE = [key for key in SEARCHED if FORMATS[key].rule.affine]
SYMMETRIC = [key for key in SEARCHED if key not in AFFINE]

STEPS = {"q2_k": (80, 82), "q3_k": (108,), "q4_k": (0, 2), "q5_k": (0, 2), "q6_k": (208,), "iq4_nl": (0,), "iq4_xs": (0,)}
"""The bytes at which the float16 numbers of a block begin."""

REFERENCE = {
    "q2_k": (10.531, 9.246, 9.340, 31.848),
    "q3_k": (16.410, 15.088, 14.726, 27.901),
    "q4_k": (22.914, 21.450, 21.243, 42.491),
    "q5_k": (28.819, 27.349, 27.141, 41.796),
    "q6_k": (34.971, 33.273, 32.721, 40.855),
    "iq4_nl": (22.331, 21.130, 20.575, 35.844),
    "iq4_xs": (22.266, 21.057, 20.474, 33.713),
}
"""SQNR in dB of `ggml_quantize_chunk` (ggml of August 2026, without measured importance) on the data of `drawn`, and on random blocks of
its own, dequantized and quantized again."""

any_number = st.floats(width=32)
exponents = st.integers(-40, 20)


def kind_of(key: str) -> gguf.GGMLQuantizationType:
    return gguf.GGMLQuantizationType[key.upper()]


def by_package(rows: np.ndarray, key: str) -> np.ndarray:
    """Quantized and dequantized by the `gguf` package."""
    with np.errstate(all="ignore"):
        return gguf.quants.dequantize(gguf.quants.quantize(rows, kind_of(key)), kind_of(key))


def assert_same_bits(found: torch.Tensor, expected: np.ndarray) -> None:
    """Any NaN is like any other."""
    ours, broken = found.numpy(), np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(ours), broken)
    np.testing.assert_array_equal(ours[~broken].view(np.uint32), expected[~broken].view(np.uint32))


def drawn(spread: str) -> np.ndarray:
    """Of the legacy generator, whose stream never changes."""
    generator = np.random.RandomState(0)
    draw = {"normal": generator.standard_normal, "laplace": lambda size: generator.laplace(size=size)}
    values = draw[spread]((128, 1024)) if spread in draw else generator.standard_t(4, (128, 1024))
    return (values * 0.02).astype(np.float32)


def random_blocks(key: str) -> np.ndarray:
    """128 valid blocks of random bytes, as weights in rows of 256."""
    made = np.random.RandomState(1).randint(0, 256, (128, PACKED[key.upper()].size)).astype(np.uint8)
    for place in STEPS[key]:
        made[:, place : place + 2] = np.array([0.003], "<f2").view(np.uint8)
    return dequantize_blocks(torch.from_numpy(made), key.upper()).numpy().reshape(-1, 256)


def sqnr(weight: np.ndarray, restored: np.ndarray) -> float:
    wide = weight.astype(np.float64)
    return 10 * np.log10(np.sum(wide**2) / np.sum((restored - wide) ** 2))


@pytest.mark.parametrize("key", KEYS)
def test_sizes_are_those_of_the_package(key):
    of_type, number_format = PACKED[key.upper()], FORMATS[key]
    assert (of_type.weights, of_type.size) == gguf.GGML_QUANT_SIZES[kind_of(key)]
    assert number_format.stored_bits == 8 * of_type.size / of_type.weights and number_format.divisor == of_type.weights
    assert number_format.label == kind_of(key).name and SCHEMES[key].family.group == "GGUF formats"


@pytest.mark.parametrize("key", KEYS)
@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_bytes_are_dequantized_as_by_the_package(key, seed):
    """Steps that are NaN or infinite included."""
    size = PACKED[key.upper()].size
    blocks = np.random.default_rng(seed).integers(0, 256, (3, 7 * size), dtype=np.uint8)
    with np.errstate(all="ignore"):
        expected = gguf.quants.dequantize(blocks, kind_of(key))
    assert_same_bits(dequantize_blocks(torch.from_numpy(blocks), key.upper()), expected)


def test_shapes_are_kept_and_what_is_no_block_is_refused():
    assert dequantize_blocks(torch.zeros(2, 3, 36, dtype=torch.uint8), "Q4_0").shape == (2, 3, 64)
    assert dequantize_blocks(torch.zeros(0, 144, dtype=torch.uint8), "Q4_K").shape == (0, 256)
    rows = torch.zeros(4, 40, dtype=torch.uint8)[:, ::2]
    assert dequantize_blocks(rows, "Q4_1").shape == (4, 32)
    with pytest.raises(ValueError, match="19 bytes are not made of blocks of 18, those of Q4_0"):
        dequantize_blocks(torch.zeros(19, dtype=torch.uint8), "Q4_0")


@pytest.mark.parametrize("key", PLAIN)
@settings(max_examples=150)
@given(values=arrays(np.float32, (2, 64), elements=st.floats(-1e4, 1e4, width=32)), exponent=exponents)
def test_quantized_as_by_the_package(key, values, exponent):
    """Beyond float16 too, where scales are infinite, and far below it, where they are zero."""
    rows = np.ldexp(values, exponent)
    rows[np.abs(rows) < 2.0**-120] = 0  # below, the package divides by zero
    assert_same_bits(round_trip(torch.from_numpy(rows), key), by_package(rows, key))


@pytest.mark.parametrize("key", PLAIN)
def test_ties_go_where_the_package_has_them(key):
    """Multiples of a quarter of a step and their neighbours, in blocks whose scale is known."""
    codes, size = FORMATS[key].element, 32
    assert isinstance(codes, Integer)
    steps = np.arange(4 * codes.lowest, 4 * codes.largest + 1, dtype=np.float32) / 4
    close = np.concatenate([steps, np.nextafter(steps, np.float32(np.inf)), np.nextafter(steps, -np.float32(np.inf))])
    close = close[(close >= codes.lowest) & (close <= codes.largest)]
    ends = [FORMATS[key].end, 0.0]
    blocks = [[*close[start : start + size - 2], *ends] for start in range(0, len(close) - size, size - 2)]
    for sign in (1, -1):
        rows = np.array(blocks, dtype=np.float32) * np.float32(sign * 0.37)
        assert_same_bits(round_trip(torch.from_numpy(rows), key), by_package(rows, key))


@pytest.mark.parametrize("key", PLAIN)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sixteen_bits_are_quantized_as_by_the_package(key, dtype):
    rows = torch.from_numpy(drawn("laplace")).to(dtype)
    assert torch.equal(round_trip(rows, key), torch.from_numpy(by_package(rows.float().numpy(), key)).to(dtype))


@pytest.mark.parametrize("key", SEARCHED)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), exponent=st.integers(-12, 10))
def test_packed_weights_are_read_by_the_package(key, seed, exponent):
    """Codes, scales and steps as bytes of a file stand for the weights of the round trip, to the bit."""
    generator = np.random.default_rng(seed)
    rows = np.ldexp(generator.standard_t(3, (2, 512)), exponent).astype(np.float32)
    rows[generator.random(rows.shape) < 0.1] = 0
    restored = round_trip(torch.from_numpy(rows), key)
    blocks = packed(torch.from_numpy(rows), key)
    assert_same_bits(restored, gguf.quants.dequantize(blocks, kind_of(key)))
    assert_same_bits(restored, dequantize_blocks(torch.from_numpy(blocks), key.upper()).numpy())


@pytest.mark.parametrize("key", SEARCHED)
@pytest.mark.parametrize(("at", "spread"), [(0, "normal"), (1, "laplace"), (2, "heavy")])
def test_as_little_is_lost_as_by_ggml(key, at, spread):
    rows = drawn(spread)
    assert sqnr(rows, round_trip(torch.from_numpy(rows), key).numpy()) == pytest.approx(REFERENCE[key][at], abs=0.05)


@pytest.mark.parametrize("key", SEARCHED)
def test_blocks_of_a_file_survive_as_by_ggml(key):
    rows = random_blocks(key)
    assert sqnr(rows, round_trip(torch.from_numpy(rows), key).numpy()) == pytest.approx(REFERENCE[key][3], abs=0.1)


def weighed(values: torch.Tensor, key: str) -> torch.Tensor:
    """The importance of weights (n, blocks), in float64."""
    wide = values.double()
    kinds = {"square": wide**2, "magnitude": wide.abs(), "magnitude+mean": wide.abs() + (wide**2).mean(0).sqrt()}
    search = FORMATS[key].rule.search
    assert search is not None
    return kinds[search.importance]


def lost(values: torch.Tensor, scale: torch.Tensor, minimum: torch.Tensor | float, key: str) -> torch.Tensor:
    """What a search makes least, of each block, when every weight takes the nearest code."""
    number_format = FORMATS[key]
    levels = torch.tensor(number_format.values).double() * scale.double()[:, None]
    wide = values.double() - minimum
    error = (wide[..., None] - levels).abs().amin(-1)
    search = number_format.rule.search
    power = 1 if isinstance(search, Grid) and search.absolute else 2
    return (error**power * weighed(values, key)).sum(0)


@pytest.mark.parametrize("key", SYMMETRIC)
@given(values=arrays(np.float32, (16, 3), elements=st.floats(-8, 8, width=16)))
def test_a_search_loses_no_more_than_the_scale_of_the_range(key, values):
    """But for what float32 cannot tell of the whole sum."""
    columns = torch.from_numpy(values)
    found = lost(columns, best_scale(columns, FORMATS[key]), 0.0, key)
    farthest = columns.gather(0, columns.abs().argmax(0, keepdim=True))[0]
    of_range = lost(columns, farthest / FORMATS[key].end, 0.0, key)
    assert bool((found <= of_range * (1 + 1e-4) + 1e-6 * (weighed(columns, key) * columns**2).sum(0)).all())


@pytest.mark.parametrize("key", AFFINE)
@given(values=arrays(np.float32, (16, 3), elements=st.floats(-8, 8, width=16)))
def test_a_search_with_a_minimum_loses_no_more_than_that_of_the_range(key, values):
    columns = torch.from_numpy(values)
    scale, minimum = best_scale_and_minimum(columns, FORMATS[key])
    assert bool((minimum <= 0).all()) and bool(scale.isfinite().all())
    low = columns.amin(0).clamp(max=0)
    of_range = lost(columns, (columns.amax(0) - low) / FORMATS[key].end, low.double(), key)
    found = lost(columns, scale, minimum.double(), key)
    assert bool((found <= of_range * (1 + 1e-4) + 1e-6 * (weighed(columns, key) * columns**2).sum(0)).all())


@given(values=arrays(np.float32, st.tuples(st.integers(1, 40), st.just(3)), elements=st.integers(-1000, 1000)))
def test_sums_in_a_fixed_order_are_sums(values):
    assert total(torch.from_numpy(values)).tolist() == values.sum(axis=0).tolist()


@pytest.mark.parametrize("key", SEARCHED)
def test_blocks_are_rounded_without_regard_to_others(key):
    rows = torch.from_numpy(drawn("heavy"))[:4]
    extent = FORMATS[key].extent or 0
    pieces = [round_trip(piece.contiguous(), key) for piece in rows.split(extent, dim=1)]
    assert torch.equal(round_trip(rows, key), torch.cat(pieces, dim=1))


@pytest.mark.parametrize("key", KEYS)
def test_what_float16_cannot_hold_is_not_hidden(key):
    result = round_trip(torch.from_numpy(drawn("normal"))[:2] * 1e12, key)
    assert not result.isfinite().any()


@pytest.mark.parametrize("key", KEYS)
def test_the_scale_of_a_block_is_told_from_its_weights(key):
    """It is the one that is stored, and all weights are levels; where no weight has the lowest code, either sign makes them."""
    scheme, row, size = SCHEMES[key], FORMATS[key], FORMATS[key].size or 0
    rows = torch.from_numpy(drawn("laplace"))[:2]
    sharing, restored = scheme.family.sharing(scheme), round_trip(rows, key)
    assert sharing is not None
    stored = superblocks_of(rows.unflatten(-1, (-1, 256)), row) if row.rule.superblock else None
    right = 0
    for at, (weight, made) in enumerate(zip(rows.reshape(-1, size).double(), restored.reshape(-1, size).double(), strict=True)):
        found = scale_of(weight.numpy(), made.numpy(), sharing, (weight.min().item(), weight.max().item()))
        assert found.scale is not None
        nearest = np.abs(made.numpy()[:, None] - np.array(found.levels)).min(axis=1)
        assert nearest.max() < 1e-3 * abs(found.scale)
        if stored is not None:
            right += abs(found.scale) == pytest.approx((stored.step * stored.scales).flatten()[at].abs().item(), rel=1e-3)
    assert stored is None or right > 0.9 * rows.numel() / size


@pytest.mark.parametrize("key", ["q4_k", "iq4_xs"])
def test_a_model_of_superblocks(key):
    """All layers of the language model that comes along; its weights are the format's."""
    folder = Path(__file__).parents[2] / "qdash" / "assets" / "models" / "tiny-lm"
    worker = Worker(spec_of(folder, key))
    loaded = worker.load(emit=ignore, stop=never)
    assert loaded.coverage.quantized == loaded.coverage.total - 1 > 0
    assert worker.held is not None
    plain = Worker(spec_of(folder, "original"))
    plain.load(emit=ignore, stop=never)
    assert plain.held is not None
    name = "model.layers.0.mlp.down_proj"
    weight = model_of(plain).get_submodule(name).weight
    assert torch.equal(model_of(worker).get_submodule(name).weight, round_trip(weight, key))


def test_layers_that_superblocks_do_not_divide_are_left_and_named(checkpoint):
    loaded = Worker(spec_of(checkpoint("qwen3"), "q4_k")).load(emit=ignore, stop=never)
    assert loaded.coverage.quantized == 0
    assert any("64 inputs are not a multiple of 256, the block of Q4_K" in skip.reason for skip in loaded.coverage.skipped)
