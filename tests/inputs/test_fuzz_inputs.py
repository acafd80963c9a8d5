"""A fixed few hundred of the inputs that `python -m tests.inputs.fuzz_inputs` makes, and that it would notice what it looks for."""

from collections import Counter

import numpy as np
import pytest

from tests.inputs.fuzz_inputs import MEMORY_BYTES, Reader, inputs, pictures, questions, tried


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_damaged_inputs_are_read_or_refused(seed: int) -> None:
    outcomes = Counter((kind == "picture", tried(kind, data)) for kind, data in inputs(400, seed))
    assert min(outcomes.values()) > 10 and len(outcomes) == 4  # of both kinds some are read and some refused


def test_the_seeds_themselves_are_read() -> None:
    assert {tried("picture", data) for data in pictures()} == {tried("own.csv", data) for data in questions()} == {"read"}


def test_a_traceback_and_a_hang_are_noticed() -> None:
    held = np.ones(MEMORY_BYTES, np.uint8)  # what this process holds is not counted
    reader = Reader()
    del held
    try:
        assert "AttributeError" in reader.read("picture", None, limit_s=120)  # type: ignore[arg-type]
        assert reader.read("picture", pictures()[0], limit_s=0) == "too slow"
        assert reader.read("picture", pictures()[0], limit_s=120) == "read"
        assert 0 < reader.peak_bytes < MEMORY_BYTES
    finally:
        reader.close()
