"""Numbers that are shown as exact do not depend on the device: on CUDA, division by a Python number is a multiplication."""

import pytest
import torch

from qdash.catalog.families.simulated import SimulatedParams
from qdash.catalog.formats import FORMATS
from qdash.catalog.schemes import SCHEMES
from qdash.engine import kernels
from qdash.engine.formats import cast, round_activations, round_trip, tensor_stats
from qdash.engine.kernels import Rounding, portable
from qdash.engine.worker import Worker
from tests.engine.conftest import SIMULATED, ignore, never, spec_of
from tests.engine.dividing import on_cuda

each_format = pytest.mark.parametrize("key", FORMATS)


def weights(dtype: torch.dtype) -> torch.Tensor:
    """Rows of many magnitudes."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(512, 256, generator=generator) * torch.randn(512, 1, generator=generator).exp()
    return rows.to(dtype)


def test_the_imitation_divides_otherwise_than_a_cpu():
    """Or the tests below would hold for nothing."""
    largest = weights(torch.float32).abs().amax(1)
    by_number, inexact = on_cuda(lambda: largest / 7.5)
    by_tensor, _ = on_cuda(lambda: largest / torch.tensor(7.5))
    assert inexact == 1 and torch.equal(by_tensor, largest / 7.5)
    changed = by_number != largest / 7.5
    assert 0 < changed.double().mean() < 1
    in_place = largest.clone()
    assert torch.equal(on_cuda(lambda: in_place.div_(7.5))[0], by_number) and torch.equal(in_place, by_number)
    assert on_cuda(lambda: largest / 8)[1] == 0


@each_format
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_round_trip_is_the_same_to_the_bit(key, dtype):
    weight = weights(dtype)
    found, inexact = on_cuda(lambda: round_trip(weight, key))
    assert inexact == 0 and torch.equal(found, round_trip(weight, key))


@each_format
def test_activations_casts_and_what_is_known_of_the_whole_are_the_same_to_the_bit(key):
    values = weights(torch.float32)
    for work in (lambda: round_activations(values, key), lambda: cast(values, key)):
        found, inexact = on_cuda(work)
        assert inexact == 0 and torch.equal(found, work())
    whole, inexact = on_cuda(lambda: tensor_stats(values, key))
    assert inexact == 0 and all(map(torch.equal, whole, tensor_stats(values, key)))


@each_format
def test_weights_are_counted_the_same(key):
    weight = weights(torch.float32)
    rounding = Rounding(key, tensor_stats(weight, key), torch.float32)

    def counted():
        return portable.KERNELS.pairs(weight, rounding, 64, 100.0, 1000.0)

    found, inexact = on_cuda(counted)
    expected = counted()
    assert inexact == 0
    for name in ("rows", "largest", "tally", "restored_counts", "error_counts"):
        assert (getattr(found, name) == getattr(expected, name)).all()


def test_measuring_divides_by_no_number(checkpoint, monkeypatch):
    """All that a GPU computes of it: there the kernels are torch's own operations."""
    monkeypatch.setattr(kernels, "_compiled", lambda: None)
    subject = Worker(spec_of(checkpoint("qwen3"), None))

    def measured():
        report = subject.measure_weight_error(SIMULATED, emit=ignore, stop=never)
        layer = report.schemes[0].layers[0].name
        return report.schemes, [subject.measure_layer(key, layer, None, 0, emit=ignore, stop=never) for key in SIMULATED]

    found, inexact = on_cuda(measured)
    assert inexact == 0 and found == measured()


@pytest.mark.parametrize("scheme", [key for key in SIMULATED if SimulatedParams.of(SCHEMES[key]).activations])
def test_a_layer_that_rounds_its_input_divides_by_no_number(worker, question, scheme):
    subject = worker("qwen3", scheme)
    layer = subject.held.model.model.layers[0].mlp.up_proj
    values = weights(torch.float32)[:, : layer.in_features]
    with torch.no_grad():
        found, inexact = on_cuda(lambda: layer(values))
        assert inexact == 0 and torch.equal(found, layer(values))
