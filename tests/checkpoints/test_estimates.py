"""How large a scheme makes a checkpoint, told before it is loaded."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from qdash import checkpoints
from qdash.catalog.schemes import SCHEMES, unavailable
from qdash.machine import this_machine
from qdash.records import Dtype
from qdash.runs.plan import worker_spec
from tests.checkpoints.folders import EMBEDDING, OTHER


@pytest.mark.parametrize(
    ("scheme", "dtype", "linear_bytes", "other_bytes"),
    [
        ("original", "float32", 4 * 64 * 128, 4),
        ("original", "float16", 2 * 64 * 128, 2),
        ("bf16", "float32", 2 * 64 * 128, 2),
        ("bnb-int8", "float32", 64 * 128 + 4 * 64, 4),
        ("bnb-fp4", "bfloat16", 64 * 128 // 2 + 4 * 64 * 128 // 64, 2),
        ("fp6-e2m3", "float16", 2 * 64 * 128, 2),
    ],
)
def test_estimates_follow_from_the_shapes(folder: Path, scheme: str, dtype: Dtype, linear_bytes: int, other_bytes: int) -> None:
    found = checkpoints.locate(str(folder))
    assert checkpoints.estimate_bytes(found, SCHEMES[scheme], dtype) == linear_bytes + other_bytes * (EMBEDDING + OTHER)


def test_a_simulated_format_has_a_projected_size(folder: Path) -> None:
    found = checkpoints.locate(str(folder))
    projected = checkpoints.projected_bytes(found, SCHEMES["fp6-e2m3"], "float16")
    assert projected == 64 * 128 * 6 // 8 + 4 * 64 + 2 * (EMBEDDING + OTHER)


def check_estimates(model: str, keys: Iterable[str]) -> None:
    """From its layer table, within 2% of what is measured when `model` is loaded by each of the schemes."""
    workers, tables = pytest.importorskip("qdash.engine.worker"), pytest.importorskip("qdash.engine.table")
    found, here = checkpoints.locate(model), this_machine().on("cpu")
    table = tables.layer_table(worker_spec(found, None, "cpu", "float32"), [tensor.name for tensor in found.tensors])
    # None of the models is a GGUF file, none was healed, and calibrating takes minutes: test_rounding has the sizes of calibrated ones.
    chosen = [scheme for scheme in map(SCHEMES.__getitem__, keys) if not (scheme.family.keeps_file or scheme.family.needs_healing)]
    for scheme in (scheme for scheme in chosen if not (scheme.calibrated or unavailable(scheme, here))):
        loaded = workers.Worker(worker_spec(found, scheme.key, "cpu", "float16")).load(emit=lambda step: None, stop=lambda: False)
        assert checkpoints.estimate_bytes(found, scheme, "float16", table) == pytest.approx(loaded.weights_bytes, rel=0.02), scheme.key
        if loaded.projected_bytes is not None:
            assert checkpoints.projected_bytes(found, scheme, "float16", table) == pytest.approx(loaded.projected_bytes, rel=0.01), (
                scheme.key
            )


def test_estimates_of_every_scheme_are_what_is_measured() -> None:
    check_estimates("tiny-vlm", SCHEMES)


@pytest.mark.parametrize("architecture", ["llava", "fastvlm", "smolvlm", "qwen3-vl", "qwen3", "bloom"])
def test_estimates_know_what_an_architecture_leaves_alone(checkpoint: Callable[[str], Path], architecture: str) -> None:
    """One scheme of every package: which layers it takes depends on both, how many bits these then have on the scheme only."""
    check_estimates(str(checkpoint(architecture)), ("original", "bnb-int8", "bnb-nf4", "ao-int8wo", "torch-int8dyn", "fp6-e2m3"))
