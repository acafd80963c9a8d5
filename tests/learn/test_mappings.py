"""What the page is told of formats, against the catalogue and the sizes that are known of them."""

import json

import pytest

from qdash.catalog.elements import IQ4
from qdash.catalog.formats import FORMATS
from qdash.learn.mappings import BITS, MAPPINGS, Mapping

each_mapping = pytest.mark.parametrize("mapping", MAPPINGS.values(), ids=lambda mapping: mapping.key)


def stored_bits(mapping: Mapping, bits: int, size: int, count: int) -> float:
    """As the page reckons it."""
    shared = mapping.shared_bits + (bits if mapping.code_stored else 0)
    return bits + mapping.superblock_bits + shared / size + mapping.once_bits / count


@each_mapping
def test_codes_ascend_hold_zero_and_fit_their_bits(mapping):
    for codes in mapping.codes:
        assert list(codes.values) == sorted(set(codes.values))
        assert 0.0 in codes.values or codes.element is IQ4
        assert 2 ** (codes.bits - 1) < len(codes.values) + 1 <= 2**codes.bits + 1
        assert codes.largest == codes.values[-1]
    assert [codes.bits for codes in mapping.codes] == (list(BITS) if mapping.family == "Integers" else [mapping.codes[0].bits])


@pytest.mark.parametrize("key", [key for key in FORMATS if key in MAPPINGS])
def test_formats_are_those_of_the_catalogue(key):
    mapping, row = MAPPINGS[key], FORMATS[key]
    assert (mapping.codes[0].values, mapping.rule, mapping.size) == (row.values, row.rule, row.size)
    if row.size:
        assert stored_bits(mapping, row.bits, row.size, 10**12) == pytest.approx(row.stored_bits)


def test_all_float_formats_of_the_catalogue_are_there():
    floats = {key for key, row in FORMATS.items() if row.divisor > 1 or key.startswith(("fp8", "fp6", "fp4"))}
    assert floats <= MAPPINGS.keys()


def test_known_sizes():
    assert stored_bits(MAPPINGS["nf4"], 4, 64, 4096) == 4.5  # without double quantization
    assert stored_bits(MAPPINGS["group"], 3, 64, 4096) == FORMATS["int3-g64"].stored_bits == 3.5
    assert stored_bits(MAPPINGS["symmetric"], 4, 32, 4096) == 5.0
    assert stored_bits(MAPPINGS["affine"], 8, 4096, 4096) == 8 + 40 / 4096


@each_mapping
def test_the_page_is_told_in_json(mapping):
    told = json.loads(json.dumps(mapping.to_page(), allow_nan=False))
    assert [tuple(codes["values"]) for codes in told["codes"]] == [codes.values for codes in mapping.codes]
