"""Products of 8-bit integers with rows of zeros around them: against numpy, against torchao's own layers, and as CUDA would have them."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torchao import quantization as ao
from torchao.kernel.intmm import safe_int_mm
from torchao.quantization.granularity import PerRow, PerTensor
from typing_extensions import override

from qdash.catalog.schemes import SCHEMES, find_scheme
from qdash.engine import layers
from qdash.engine.loading import load_model, load_skeleton
from qdash.engine.prompting import build_inputs, read_image
from qdash.engine.schemes import family_for, family_of
from qdash.engine.schemes.int8_rows import RowPaddedLinear, int8_product, pad_rows
from qdash.engine.sizes import saved_bytes, weights_bytes
from qdash.engine.worker import Worker
from tests.engine.conftest import build_of, ignore, never, spec_of
from tests.engine.test_native_parity import logits
from tests.support import prequantized
from tests.support.held import model_of

ROW_COUNTS = [1, 15, 16, 17, 33]
WAITS = {torch.ops.aten._local_scalar_dense, torch.ops.aten.is_nonzero, torch.ops.aten.equal, torch.ops.aten.nonzero}
CONFIGS = {
    "dynamic": lambda: ao.Int8DynamicActivationInt8WeightConfig(),
    "static": lambda: ao.Int8StaticActivationInt8WeightConfig(torch.full((1, 1), 0.02), granularity=[PerTensor(), PerRow()]),
}


class CudaLimits(TorchDispatchMode):
    """A CPU with the limits that `_int_mm` has on CUDA, and where nothing may be asked that a host would wait for."""

    @override
    def __enter__(self) -> "CudaLimits":
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(torch.Tensor, "__repr__", waits)  # it leaves modes before it reads numbers
        return super().__enter__()

    @override
    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._patch.undo()

    @override
    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        if func is torch.ops.aten._int_mm.default:
            (rows, inputs), outputs = args[0].shape, args[1].shape[1]
            assert rows > 16, "CUDA multiplies more than 16 rows"
            assert inputs % 8 == 0 and outputs % 8 == 0 and args[0].is_contiguous()
        assert func.overloadpacket not in WAITS, f"{func} waits for the device"
        return func(*args, **(kwargs or {}))


def waits(tensor: torch.Tensor) -> str:
    raise AssertionError("printing waits for the device")


def integers(*shape: int) -> torch.Tensor:
    return torch.randint(-128, 128, shape, dtype=torch.int8, generator=torch.Generator().manual_seed(shape[0]))


def quantized(kind: str, dtype: torch.dtype, bias: bool) -> nn.Linear:
    torch.manual_seed(0)
    layer = nn.Linear(64, 40, bias).to(dtype).eval().requires_grad_(False)
    ao.quantize_(layer, CONFIGS[kind]())
    return layer


@pytest.mark.parametrize("rows", [0, *ROW_COUNTS])
@pytest.mark.parametrize("inputs", [8, 1096])
def test_the_product_equals_numpys(rows, inputs):
    """1096 inputs of −128 · −128 sum to more than float32 has whole numbers for."""
    left, right = integers(rows, inputs), integers(24, inputs)
    left[:1], right[:1] = -128, -128
    with CudaLimits():
        found = int8_product(left, right)
    assert found.dtype == torch.int32
    np.testing.assert_array_equal(found.numpy(), left.numpy().astype(np.int32) @ right.numpy().astype(np.int32).T)


@pytest.mark.parametrize("rows", ROW_COUNTS)
def test_a_matrix_that_is_not_contiguous(rows):
    left, right = integers(64, rows).T, integers(24, 64)
    with CudaLimits():
        found = int8_product(left, right)
    np.testing.assert_array_equal(found.numpy(), left.numpy().astype(np.int32) @ right.numpy().astype(np.int32).T)


def test_the_limits_are_cudas():
    """What the layer is for: torchao's own product meets both."""
    with CudaLimits(), pytest.raises(AssertionError, match="more than 16 rows"):
        torch._int_mm(integers(1, 64), integers(24, 64).T)  # pyright: ignore[reportPrivateImportUsage] - what torchao itself calls
    with CudaLimits(), pytest.raises(AssertionError, match="waits for the device"):
        safe_int_mm(integers(33, 64), integers(24, 64).T)


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", ROW_COUNTS)
def test_the_layer_equals_torchaos_to_the_bit(kind, dtype, bias, rows):
    layer = quantized(kind, dtype, bias)
    values = torch.randn(rows, 64, generator=torch.Generator().manual_seed(1)).to(dtype) * 3
    expected = layer(values)
    with CudaLimits():
        found = RowPaddedLinear.of(layer)(values)
    assert found.dtype == dtype and torch.equal(found, expected)


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("shape", [(64,), (1, 64), (2, 3, 64), (2, 1, 3, 64)])
def test_inputs_of_any_rank(kind, shape):
    layer = quantized(kind, torch.float32, True)
    values = torch.randn(shape)
    found = RowPaddedLinear.of(layer)(values)
    assert found.shape == (*shape[:-1], 40) and torch.equal(found.view(-1, 40), layer(values.view(-1, 64)))


def test_only_layers_that_multiply_integers_are_replaced():
    model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 60), nn.Linear(64, 64), nn.Linear(64, 64)).eval()
    ao.quantize_(model[1], CONFIGS["dynamic"]())
    ao.quantize_(model[2], CONFIGS["dynamic"]())  # 60 outputs are not a multiple of 8
    ao.quantize_(model[3], ao.Int8WeightOnlyConfig())
    ao.quantize_(model[4], ao.Int8DynamicActivationInt8WeightConfig(act_mapping_type=ao.quant_primitives.MappingType.ASYMMETRIC))
    weight = model[1].weight
    pad_rows(model)
    assert [type(layer) for layer in model] == [nn.Linear, RowPaddedLinear, nn.Linear, nn.Linear, nn.Linear]
    assert model[1].weight is weight and not model[1].training


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_variant_for_cuda_is_torchaos_own_but_for_the_layers(worker, question, checkpoint, dtype):
    """On a CPU: a model that was loaded there meets the transform for CUDA."""
    theirs, scheme = worker("llava", "ao-int8dyn", dtype=dtype), SCHEMES["ao-int8dyn"]
    spec, family = spec_of(checkpoint("llava"), scheme.key, dtype=dtype), family_of(scheme)
    on_cuda = spec.model_copy(update={"device": "cuda:0"})
    model = load_model(spec, family.load_kwargs(scheme, spec, load_skeleton(spec)), lambda fraction: None)
    family.transform(model, scheme, build_of(on_cuda))
    found, expected = layers.quantized_layers(model), layers.quantized_layers(model_of(theirs))
    assert found.keys() == expected.keys() and {type(layer) for layer in found.values()} == {RowPaddedLinear}
    assert weights_bytes(model) == theirs.held.loaded.weights_bytes and saved_bytes(model) == theirs.held.loaded.saved_bytes
    assert layers.coverage(model, scheme, lambda *_: None) == layers.coverage(model_of(theirs), scheme, lambda *_: None)
    for name, layer in found.items():
        assert torch.equal(family.dequantized(layer), family.dequantized(expected[name]))
    asked, held = question("llava"), theirs.held
    inputs = build_inputs(held.processor, asked.prompt, read_image(asked), held.model)
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits, held.model(**inputs).logits)


def test_the_snippet_for_cuda_builds_these_layers(worker, question, checkpoint):
    scheme, spec = SCHEMES["ao-int8dyn"], spec_of(checkpoint("qwen3"), "ao-int8dyn", device="cuda:1")
    snippet = family_of(scheme).snippet(scheme, spec, load_skeleton(spec))
    assert "device_map='cuda:1'" in snippet
    scope: dict[str, Any] = {}
    exec(snippet.replace("cuda:1", "cpu"), scope)
    ours, subject = scope["model"], worker("qwen3", "ao-int8dyn")
    assert sum(isinstance(layer, RowPaddedLinear) for layer in ours.modules()) == len(layers.quantized_layers(model_of(subject)))
    assert torch.equal(logits(ours, subject, question("qwen3")), logits(model_of(subject), subject, question("qwen3")))


@pytest.mark.parametrize("scheme", ["ao-int8dyn", "ao-int8static"])
def test_elsewhere_layers_are_torchaos_own(worker, scheme):
    subject = worker("qwen3", scheme)
    assert not any(isinstance(layer, RowPaddedLinear) for layer in model_of(subject).modules())
    assert "pad_rows" not in subject.load(emit=ignore, stop=never).snippet


def test_a_static_model_is_the_same_with_these_layers(question, checkpoint):
    subject, asked = Worker(spec_of(checkpoint("qwen3-vl"), "ao-int8static")), question("qwen3-vl")
    subject.load(emit=ignore, stop=never)
    expected = logits(model_of(subject), subject, asked)
    pad_rows(model_of(subject))
    found = layers.quantized_layers(model_of(subject))
    assert {type(layer) for layer in found.values()} == {RowPaddedLinear}
    assert torch.equal(logits(model_of(subject), subject, asked), expected)


def test_checkpoints_that_were_published_so_get_them_too(tmp_path):
    base = prequantized.build_base(tmp_path / "base")
    spec = spec_of(prequantized.build("ao-int8dyn", base, tmp_path / "published"), "original", dtype="bfloat16")
    original, skeleton, on_cuda = find_scheme("original"), load_skeleton(spec), spec.model_copy(update={"device": "cuda"})
    family = family_for(original, skeleton)
    model = load_model(spec, family.load_kwargs(original, spec, skeleton), lambda fraction: None)
    tokens = torch.arange(9)[None]
    with torch.no_grad():
        expected = model(tokens).logits
        family.transform(model, original, build_of(on_cuda))
        assert {type(layer) for layer in layers.quantized_layers(model).values()} == {RowPaddedLinear}
        assert torch.equal(model(tokens).logits, expected)
    assert family.snippet(original, on_cuda, skeleton).endswith("pad_rows(model)\n")
    assert "pad_rows" not in family.snippet(original, spec, skeleton)
