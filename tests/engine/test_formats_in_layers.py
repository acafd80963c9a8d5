"""What simulated schemes do to layers: every quantized layer multiplies rounded weights with rounded inputs, and nothing else changes."""

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn
from transformers.pytorch_utils import Conv1D

from qdash.catalog.families.simulated import SimulatedParams
from qdash.catalog.formats import FORMATS
from qdash.catalog.schemes import SCHEMES
from qdash.engine import layers
from qdash.engine.formats import round_activations, round_trip
from qdash.engine.schemes import family_of
from qdash.engine.schemes.simulated import RoundInput, round_layer
from qdash.engine.worker import Worker
from tests.engine.conftest import GGUF, SIMULATED, build_of, ignore, linear_skips, never, spec_of
from tests.support.held import model_of

WITH_ACTIVATIONS = tuple(key for key in SIMULATED if SimulatedParams.of(SCHEMES[key]).activations)
each_scheme = pytest.mark.parametrize("scheme", SIMULATED)


def linear(inputs: int = 64, dtype: torch.dtype = torch.float32) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(inputs, 48).to(dtype).eval().requires_grad_(False)


def hidden(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1)).to(dtype)


@each_scheme
def test_the_catalogue_takes_its_numbers_from_the_formats(scheme):
    entry = SCHEMES[scheme]
    number_format = FORMATS[SimulatedParams.of(entry).format]
    assert (entry.bits, entry.stored_bits, entry.row_scale_bits) == (
        number_format.bits, number_format.stored_bits, number_format.row_scale_bits,
    )  # fmt: skip
    activations = SimulatedParams.of(entry).activations
    assert (activations is not None) == (scheme in WITH_ACTIVATIONS)
    assert entry.activation_bits == (16 if activations is None else FORMATS[activations].bits)


def test_schemes_with_few_activation_bits_round_activations():
    assert set(WITH_ACTIVATIONS) == {"mxfp8", "mxfp6", "mxfp4", "nvfp4", "sim-w8a8", "sim-w4a4"}


@pytest.mark.parametrize(("scheme", "largest"), [("sim-w8a8", 127), ("sim-w4a4", 7)])
def test_products_of_integers_equal_numpy(scheme, largest):
    """Codes multiplied as integers and scaled once: what a kernel for this format computes."""
    layer, tokens = linear(), hidden(2, 5, 64)

    def codes(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scale = np.abs(rows).max(axis=-1, keepdims=True) / largest
        return np.rint(rows / scale), scale

    weight, weight_scale = codes(layer.weight.double().numpy())
    activation, token_scale = codes(tokens.double().numpy())
    expected = activation @ weight.T * token_scale * weight_scale.T + layer.bias.double().numpy()
    round_layer(layer, *SimulatedParams.of(SCHEMES[scheme]).formats)
    np.testing.assert_allclose(layer(tokens).numpy(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("scheme", WITH_ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_inputs_are_rounded_at_every_call_in_any_dtype(scheme, dtype):
    layer, tokens = linear(dtype=dtype), hidden(3, 64, dtype=dtype)
    key = SimulatedParams.of(SCHEMES[scheme]).format
    weight = round_trip(layer.weight, key)
    round_layer(layer, *SimulatedParams.of(SCHEMES[scheme]).formats)
    assert layer.weight.dtype == dtype
    for _ in range(2):
        found = layer(tokens)
        assert found.dtype == dtype
        assert torch.equal(found, nn.functional.linear(round_activations(tokens, key), weight, layer.bias))
        assert not torch.equal(found, nn.functional.linear(tokens, weight, layer.bias))


def test_hooks_that_are_there_stay_and_see_what_they_saw():
    layer, seen = linear(), []
    layer.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    layer.register_forward_pre_hook(lambda layer, inputs: (inputs[0].contiguous(),))
    tokens = hidden(64, 3).T
    round_layer(layer, "int8-row", "int8-row")
    expected = nn.functional.linear(round_activations(tokens, "int8-row"), layer.weight, layer.bias)
    assert torch.equal(layer(tokens), expected)
    assert seen[0] is tokens


def test_rounding_again_replaces_the_hook():
    layer, tokens = linear(), hidden(3, 64)
    for activations in ("int8-row", "int8-row", "mxfp4", None):
        round_layer(layer, "int8-row", activations)
        hooks = [hook.activations for hook in layer._forward_pre_hooks.values() if isinstance(hook, RoundInput)]
        assert hooks == [activations] * (activations is not None)
    assert torch.equal(layer(tokens), nn.functional.linear(tokens, layer.weight, layer.bias))


def test_a_broken_token_breaks_itself_alone():
    layer, tokens = linear(), hidden(3, 64)
    round_layer(layer, "int4-row", "int4-row")
    expected = layer(tokens)
    tokens[1, 7] = torch.inf
    found = layer(tokens)
    assert found[1].isnan().all() and torch.equal(found[::2], expected[::2])


@each_scheme
def test_conv1d_has_its_rows_in_columns(scheme):
    torch.manual_seed(0)
    layer = Conv1D(48, 64).requires_grad_(False)
    twin = nn.Linear(64, 48).requires_grad_(False)
    twin.weight.copy_(layer.weight.T)
    twin.bias.copy_(layer.bias)
    for one in (layer, twin):
        round_layer(one, *SimulatedParams.of(SCHEMES[scheme]).formats)
    assert torch.equal(layer.weight.T, twin.weight)
    torch.testing.assert_close(layer(hidden(3, 64)), twin(hidden(3, 64)))
    assert torch.equal(family_of(SCHEMES[scheme]).dequantized(layer), twin.weight)


@each_scheme
@pytest.mark.parametrize("inputs", [64, 80, 72])
def test_block_formats_leave_what_their_blocks_do_not_divide(checkpoint, scheme, inputs):
    entry, spec, layer = SCHEMES[scheme], spec_of(checkpoint("qwen3"), scheme), linear(inputs)
    family, size = family_of(entry), {"nvfp4": 16}.get(scheme, 32 if scheme.startswith("mx") or scheme in GGUF else 1)
    reason, found = family.unsupported_reason(layer, entry, spec), family.round_trip(layer.weight, entry, spec)
    if inputs % size:
        assert reason == f"{inputs} inputs are not a multiple of {size}, the block of {entry.label}" and found is None
    else:
        assert reason is None and found is not None and found.shape == layer.weight.shape


@pytest.mark.parametrize("scheme", ["mxfp6", "sim-w4a4"])
def test_layers_that_do_not_fit_are_named_and_the_snippet_leaves_them_too(checkpoint, tmp_path, scheme):
    config = hf.Qwen3Config.from_pretrained(checkpoint("qwen3"))
    config.intermediate_size = 80
    torch.manual_seed(0)
    hf.Qwen3ForCausalLM(config).save_pretrained(tmp_path)
    hf.AutoTokenizer.from_pretrained(checkpoint("qwen3")).save_pretrained(tmp_path)
    subject = Worker(spec_of(tmp_path, scheme))
    loaded = subject.load(emit=ignore, stop=never)
    reasons = linear_skips(loaded.coverage)
    left = {f"model.layers.{number}.mlp.down_proj" for number in (0, 1)} if scheme == "mxfp6" else set()
    assert reasons.keys() == left | {"lm_head"}
    assert all("80 inputs are not a multiple of 32" in reasons[name] for name in left)
    scope: dict = {}
    exec(loaded.snippet, scope)
    tokens = torch.arange(12)[None]
    with torch.no_grad():
        assert torch.equal(scope["model"](tokens).logits, model_of(subject)(tokens).logits)


@pytest.mark.parametrize("scheme", ["fp4-e2m1", "sim-w4a4", "mxfp4"])
def test_chosen_layers_only(checkpoint, scheme):
    spec = spec_of(checkpoint("qwen3"), scheme)
    model = hf.AutoModelForCausalLM.from_pretrained(spec.folder, dtype=torch.float32)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    name = "model.layers.1.mlp.up_proj"
    family_of(SCHEMES[scheme]).quantize(model, [name], SCHEMES[scheme], build_of(spec))
    changed = {key for key, tensor in model.state_dict().items() if not torch.equal(tensor, before[key])}
    assert changed == {f"{name}.weight"}
    assert layers.quantized_layers(model).keys() == {name}
    hooked = {key for key, layer in model.named_modules() if layer._forward_pre_hooks}
    assert hooked == ({name} if scheme in WITH_ACTIVATIONS else set())
