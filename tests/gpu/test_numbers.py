"""On CUDA the numbers are those of a CPU: formats bit for bit, weights counted alike, integers multiplied exactly."""

import json
from functools import partial

import pytest
import torch
from torch import nn
from torchao import quantization as ao
from torchao.quantization.granularity import PerRow, PerTensor

from qdash.catalog.formats import FORMATS
from qdash.catalog.schemes import SCHEMES
from qdash.engine import layers
from qdash.engine.formats import cast, round_activations, round_trip, tensor_stats
from qdash.engine.schemes.int8_rows import RowPaddedLinear, int8_product
from qdash.engine.worker import Worker
from qdash.records import Question
from tests.engine.conftest import SIMULATED, ignore, never, spec_of
from tests.engine.everything import assert_alike, measured, spec_on
from tests.support.held import model_of

same = partial(torch.testing.assert_close, rtol=0, atol=0, equal_nan=True)
each_format = pytest.mark.parametrize("key", FORMATS)
INT8 = {
    "dynamic": lambda: ao.Int8DynamicActivationInt8WeightConfig(),
    "static": lambda: ao.Int8StaticActivationInt8WeightConfig(torch.full((1, 1), 0.02, device="cuda"), granularity=[PerTensor(), PerRow()]),
}


def weights(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Rows of all magnitudes, zeros among them, and one with an infinity."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(4096, 256, generator=generator) * torch.randn(4096, 1, generator=generator).mul(6).exp()
    rows[7], rows[8, :64], rows[9, 5] = 0, 0, torch.inf
    return rows.to(dtype)


@each_format
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_round_trip_is_that_of_a_cpu(key, dtype):
    weight = weights(dtype)
    # All rows share a scale in some formats, and there an infinity would leave nothing to compare.
    weight[9] = 1.0 if FORMATS[key].rule.needs_tensor else weight[9]
    same(round_trip(weight.cuda(), key).cpu(), round_trip(weight, key))
    same([part.cpu() for part in tensor_stats(weight.cuda(), key)], list(tensor_stats(weight, key)))


@each_format
def test_casts_and_activations_are_those_of_a_cpu(key):
    values = weights()[:6].view(2, 3, 256)
    same(round_activations(values.cuda(), key).cpu(), round_activations(values, key))
    same(cast(weights().cuda(), key).cpu(), cast(weights(), key))


@pytest.mark.parametrize("architecture", ["qwen3", "llava"])
def test_weights_are_compared_as_on_a_cpu(checkpoint, architecture):
    """By other kernels, which may add up in another order."""
    folder, schemes = str(checkpoint(architecture)), ("fp16", "bf16", *SIMULATED)
    (report, near), (expected, expected_near) = (measured(Worker(spec_on(device, folder, None)), schemes) for device in ("cuda", "cpu"))
    assert (report.device, expected.device) == ("cuda", "cpu")
    assert_alike(json.loads(report.model_dump_json())["schemes"], json.loads(expected.model_dump_json())["schemes"])
    for found, other in zip(near, expected_near, strict=True):
        assert_alike(json.loads(found.model_dump_json()), json.loads(other.model_dump_json()))


@pytest.mark.parametrize("rows", [0, 1, 15, 16, 17, 33, 577])
@pytest.mark.parametrize(("inputs", "outputs"), [(64, 8), (1096, 40), (9728, 2560)])
def test_integers_are_multiplied_exactly(rows, inputs, outputs):
    generator = torch.Generator().manual_seed(rows)
    left, right = (torch.randint(-128, 128, (size, inputs), dtype=torch.int8, generator=generator) for size in (rows, outputs))
    left[:1], right[:1] = -128, -128  # the largest sums there are
    found = int8_product(left.cuda(), right.cuda())
    assert found.dtype == torch.int32 and torch.equal(found.cpu().double(), left.double() @ right.double().T)


@pytest.mark.parametrize("kind", INT8)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("rows", [1, 15, 16, 17, 33, 577])
def test_an_int8_layer_gives_what_torchaos_gives(kind, dtype, rows):
    """For few rows torchao multiplies in float32, which is exact with so few inputs."""
    torch.manual_seed(0)
    layer = nn.Linear(512, 200).to("cuda", dtype).eval().requires_grad_(False)
    ao.quantize_(layer, INT8[kind]())
    values = torch.randn(rows, 512, device="cuda").to(dtype)
    assert torch.equal(RowPaddedLinear.of(layer)(values), layer(values))


@pytest.mark.parametrize("kind", INT8)
def test_an_int8_layer_at_one_row_waits_for_nothing(kind):
    layer = nn.Linear(512, 200, device="cuda", dtype=torch.float16).eval().requires_grad_(False)
    ao.quantize_(layer, INT8[kind]())
    padded, values = RowPaddedLinear.of(layer), torch.randn(1, 1, 512, device="cuda", dtype=torch.float16)
    padded(values)  # the first call sets up the library
    torch.cuda.set_sync_debug_mode("error")
    try:
        padded(values)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("scheme", ["ao-int8dyn", "ao-int8static", "*=ao-int8dyn"])
def test_variants_with_int8_products_have_such_layers(checkpoint, scheme):
    subject = Worker(spec_of(checkpoint("qwen3"), scheme, device="cuda", dtype="float16"))
    loaded = subject.load(emit=ignore, stop=never)
    found = layers.quantized_layers(model_of(subject))
    assert loaded.coverage.quantized == len(found) == 14 and {type(layer) for layer in found.values()} == {RowPaddedLinear}
    assert ("pad_rows(model)" in loaded.snippet) == (scheme == "ao-int8dyn")
    scope: dict[str, torch.nn.Module] = {}
    exec(loaded.snippet, scope)
    tokens = torch.arange(1, 9, device="cuda")[None]
    with torch.no_grad():
        for inputs in (tokens, tokens[:, :1]):
            assert torch.equal(scope["model"](inputs).logits, model_of(subject)(inputs).logits)
    assert subject.answer(Question(prompt="hi"), 3, emit=ignore, stop=never).new_tokens == 3


def test_int4_layers_cast_by_themselves(checkpoint):
    subject = Worker(spec_of(checkpoint("qwen3"), "ao-int4wo", device="cuda", dtype="float16"))
    subject.load(emit=ignore, stop=never)
    for layer in layers.quantized_layers(model_of(subject)).values():
        assert type(layer) is nn.Linear and layers.scheme_of(layer) == SCHEMES["ao-int4wo"].key
        values = torch.randn(3, layer.in_features, device="cuda", dtype=torch.float16)
        assert torch.equal(layer(values), layer(values.bfloat16()).half())
