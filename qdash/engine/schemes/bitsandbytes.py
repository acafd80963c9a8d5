"""bitsandbytes: LLM.int8() (Dettmers et al. 2022) and 4-bit NF4/FP4 (Dettmers et al. 2023, "QLoRA"), through transformers' integration.

4-bit layers need care on a CPU (bitsandbytes 0.50.2; this module's tests show each of these):

- With AVX-512 a layer whose inputs are not a multiple of the block of 64 is dequantized wrongly: the kernel starts a new block at every
  row, the quantizer does not. Such layers are left unquantized, by name, with `llm_int8_skip_modules`.
- With AVX512-BF16 the first forward pass repacks every layer for a fused kernel that keeps block scales in bfloat16 and computes in
  bfloat16 whatever compute dtype was asked for; it needs outputs in multiples of 32. `transform` makes that pass at once, so that memory
  and dequantized weights are those of the layers that will run.
- The fused kernel is for linear layers; fused experts are unpacked to floats whenever they are used, all of a block's at once.
- The fused kernel reads its input as if it were contiguous. LLaVA-type models give their projector one that is not, and would see noise
  for a picture; a hook makes inputs contiguous.
"""

import math
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import cache
from typing import Any

import torch
from bitsandbytes import functional
from bitsandbytes.nn.modules import Int8Params, Linear4bit, Linear8bitLt, Params4bit
from bitsandbytes.nn.parametrize import replace_parameter_4bit
from torch import Tensor, nn
from transformers import BitsAndBytesConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D
from typing_extensions import override

from qdash.catalog.families.bitsandbytes import BLOCK, NESTED_BLOCK, BitsAndBytesParams
from qdash.catalog.schemes import Scheme
from qdash.engine import layers
from qdash.engine.accelerator import multiplies_bfloat16
from qdash.engine.outside_reads import read_outside
from qdash.engine.parameters import Experts, mark_experts
from qdash.engine.schemes import QuantizeContext, RowDequantizer, SchemeFamily, Stored, experts_for
from qdash.engine.schemes.floating import dtype_of
from qdash.engine.schemes.fused_4bit import FUSED_ROWS, as_fused, fused_values, fuses, of_repacked, packed_back, unpacked
from qdash.engine.schemes.snippet import Source, from_pretrained, source_of
from qdash.records import WorkerSpec, device_type

PIECE = 1 << 19  # weights
CODE_BYTES, OFFSET_BYTES, NESTED_CODE_BYTES = 4 * 16, 4, 4 * 256  # of the tables that every quantized weight has for itself

UNSAVEABLE = "bitsandbytes quantized its experts after it was loaded, and save_pretrained cannot put these back under their names"


class BitsAndBytes(SchemeFamily):
    """`BitsAndBytesConfig` from the scheme's parameters; quantization itself happens in `from_pretrained`."""

    @override
    def load_kwargs(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> dict[str, Any]:
        arguments = _arguments(scheme, spec)
        unsupported = [name for name, layer in layers.convertible_layers(skeleton).items() if self.unsupported_reason(layer, scheme, spec)]
        unsupported += read_outside(skeleton)
        if unsupported:
            # A list given here replaces transformers' own, so that one is repeated.
            arguments["llm_int8_skip_modules"] = sorted(layers.kept_patterns(skeleton)) + unsupported
        config = BitsAndBytesConfig(**arguments)
        return {"dtype": dtype_of(scheme, spec), "device_map": spec.device, "quantization_config": config}

    @override
    def transform(self, model: PreTrainedModel, scheme: Scheme, build: QuantizeContext) -> None:
        for layer in model.modules():
            if isinstance(layer, Linear4bit | Linear8bitLt):
                _ready(layer)
                layers.mark(layer, scheme.key)
        self.quantize_experts(model, experts_for(model, scheme, build.spec), scheme, build)

    @override
    def quantize(self, model: PreTrainedModel, names: Collection[str], scheme: Scheme, build: QuantizeContext) -> None:
        for done, name in enumerate(names):
            build.report(done / len(names), "quantizing weights")
            layer = _quantized(model.get_submodule(name), scheme, build.spec)
            _ready(layer)
            layers.mark(layer, scheme.key)
            layers.replace_layer(model, name, layer)

    @override
    def quantize_experts(self, model: PreTrainedModel, experts: Collection[Experts], scheme: Scheme, build: QuantizeContext) -> None:
        for done, own in enumerate(experts):
            build.report(done / len(experts), "quantizing experts")
            replace_parameter_4bit(own.module, own.parameter, **_experts_arguments(scheme))
            mark_experts(own, scheme.key)

    @override
    @torch.no_grad()
    def run_lazy_packing(self, model: PreTrainedModel) -> None:
        # The first call repacks weights, moves statistics and casts biases.
        for layer in model.modules():
            if isinstance(layer, Linear4bit | Linear8bitLt):
                layer(torch.ones(1, layer.in_features, dtype=model.dtype, device=layer.weight.device))

    @override
    def unsupported_reason(self, layer: nn.Module, scheme: Scheme, spec: WorkerSpec) -> str | None:
        return _unsupported_shape(*layers.shape(layer), spec.device) if BitsAndBytesParams.of(scheme).load_in_4bit else None

    @override
    def unsupported_experts_reason(self, experts: Experts, scheme: Scheme, spec: WorkerSpec) -> str | None:
        if not BitsAndBytesParams.of(scheme).load_in_4bit:
            return super().unsupported_experts_reason(experts, scheme, spec)
        # Rows as they are stored: bitsandbytes takes no notice of what is an input.
        inputs = experts.shape[1] if experts.transposed else experts.shape[2]
        return _unsupported_row(inputs, spec.device)

    @override
    def stored(self, shape: tuple[int, ...], scheme: Scheme, spec: WorkerSpec) -> Stored:
        if not BitsAndBytesParams.of(scheme).load_in_4bit:
            return super().stored(shape, scheme, spec)
        weights = math.prod(shape)
        blocks = -(-weights // BLOCK)
        if len(shape) == 2 and fuses(spec.device):
            tables = CODE_BYTES + 2 * blocks + (OFFSET_BYTES if _nests(scheme) else 0)
        elif _nests(scheme):
            tables = CODE_BYTES + blocks + OFFSET_BYTES + 4 * -(-blocks // NESTED_BLOCK) + NESTED_CODE_BYTES
        else:
            tables = CODE_BYTES + 4 * blocks
        return Stored(8 * (-(-weights // 2) + tables), _compute_bits(scheme, spec))

    @override
    def dequantized(self, layer: nn.Module) -> Tensor:
        if isinstance(layer, Linear4bit):
            return _dequantized_4bit(layer)
        assert isinstance(layer, Linear8bitLt) and layer.state.CB is not None and layer.state.SCB is not None
        return functional.int8_vectorwise_dequant(layer.state.CB, layer.state.SCB)

    @override
    def round_trip(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> Tensor | None:
        if BitsAndBytesParams.of(scheme).load_in_8bit:
            return _restored_8bit(weight.to(spec.device, dtype_of(scheme, spec)))
        if _unsupported_shape(weight.shape[0], weight.shape[1], spec.device):
            return None
        packed, state = _packed(weight, scheme, spec, _nests(scheme))
        return as_fused(packed, state) if fuses(spec.device) else functional.dequantize_4bit(packed, state).float()

    @override
    def row_dequantizer(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> RowDequantizer | None:
        if not BitsAndBytesParams.of(scheme).load_in_4bit:
            return lambda rows, start: _restored_8bit(rows.to(spec.device, dtype_of(scheme, spec)))
        if _unsupported_shape(weight.shape[0], weight.shape[1], spec.device):
            return None
        if weight.shape[1] % BLOCK:
            return super().row_dequantizer(weight, scheme, spec)
        codes, absmax, state = _packed_rows(weight, scheme, spec)
        return lambda rows, start: _restored_rows(codes[start : start + len(rows)], absmax[start : start + len(rows)], state, spec.device)

    @override
    def as_saved(self, model: PreTrainedModel) -> AbstractContextManager[None]:
        return packed_back(model)

    @override
    def unsaveable(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str | None:
        return UNSAVEABLE if experts_for(skeleton, scheme, spec) else None

    @override
    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        loading = from_pretrained(spec, self.load_kwargs(scheme, spec, skeleton))
        experts = experts_for(skeleton, scheme, spec)
        if experts:
            loading += EXPERTS_SNIPPET.format(paths=[own.path for own in experts], arguments=_experts_arguments(scheme))
        return loading + FUSED_SNIPPET if BitsAndBytesParams.of(scheme).load_in_4bit and fuses(spec.device) else loading


FUSED_SNIPPET = """
# On this CPU bitsandbytes' fused 4-bit kernel computes in bfloat16, whatever the compute dtype, and misreads inputs that are
# not contiguous, as those of some projectors.
from bitsandbytes.nn import Linear4bit

for layer in model.modules():
    if isinstance(layer, Linear4bit):
        layer.register_forward_pre_hook(lambda layer, inputs: (inputs[0].contiguous(),))
"""

EXPERTS_SNIPPET = """
# from_pretrained leaves experts that share a parameter in floats; bitsandbytes can quantize these.
from bitsandbytes.nn.parametrize import replace_parameter_4bit

for path in {paths!r}:
    module, _, parameter = path.rpartition(".")
    replace_parameter_4bit(model.get_submodule(module), parameter, **{arguments!r})
"""

FAMILY = BitsAndBytes()


@source_of.register
def _(config: BitsAndBytesConfig) -> Source:
    # What a person would have typed: the entries that differ from the defaults, without the config's private doubles.
    typed = {name: part for name, part in config.to_diff_dict().items() if not name.startswith("_")}
    code = "BitsAndBytesConfig(\n" + "".join(f"        {name}={part!r},\n" for name, part in typed.items()) + "    )"
    return Source(code, ("BitsAndBytesConfig",))


def fast_dtype(spec: WorkerSpec) -> torch.dtype:
    """16 bits to compute in, or float32 where 16 bits are slow: on a CPU without bfloat16 instructions."""
    device = torch.device(spec.device)
    if device.type == "cpu":
        return torch.bfloat16 if multiplies_bfloat16(device) else torch.float32
    return torch.bfloat16 if spec.dtype != "float16" and multiplies_bfloat16(device) else torch.float16


@cache
def _garbles_rows() -> bool:
    """Whether this CPU's kernel restarts blocks at every row: then the same weights in rows of 96 and of 64 come out differently."""
    packed, state = functional.quantize_4bit(torch.linspace(-1, 1, 192).view(2, 96), blocksize=BLOCK, quant_type="nf4")
    in_rows_of_96 = functional.dequantize_4bit(packed, state).flatten()
    state.shape = torch.Size((3, BLOCK))
    return not torch.equal(in_rows_of_96, functional.dequantize_4bit(packed, state).flatten())


def _unsupported_shape(outputs: int, inputs: int, device: str) -> str | None:
    """Why a 4-bit layer of this size does not work on `device`, or None."""
    if reason := _unsupported_row(inputs, device):
        return reason
    if fuses(device) and outputs % FUSED_ROWS:
        return f"{outputs} outputs are not a multiple of {FUSED_ROWS}, which bitsandbytes' 4-bit kernel needs on this CPU"
    return None


def _unsupported_row(inputs: int, device: str) -> str | None:
    if device == "cpu" and inputs % BLOCK and (fuses(device) or _garbles_rows()):
        return f"{inputs} inputs are not a multiple of {BLOCK}, which bitsandbytes' 4-bit kernels need on this CPU"
    return None


def _compute_bits(scheme: Scheme, spec: WorkerSpec) -> int:
    """Of what a 4-bit layer computes in, and casts its bias to. On a GPU “fast” is some type of 16 bits, so it need not be asked."""
    wanted = BitsAndBytesParams.of(scheme).bnb_4bit_compute_dtype
    if wanted == "fast":
        return 16 if device_type(spec.device) != "cpu" else 8 * fast_dtype(spec).itemsize
    return 8 * getattr(torch, wanted).itemsize


def _experts_arguments(scheme: Scheme) -> dict[str, Any]:
    """What `replace_parameter_4bit` is told beside the parameter."""
    return {"compress_statistics": _nests(scheme), "quant_type": BitsAndBytesParams.of(scheme).bnb_4bit_quant_type}


def _arguments(scheme: Scheme, spec: WorkerSpec) -> dict[str, Any]:
    """The scheme's arguments for `BitsAndBytesConfig`, the compute dtype decided."""
    arguments = asdict(BitsAndBytesParams.of(scheme))
    if arguments["bnb_4bit_compute_dtype"] == "fast":
        arguments["bnb_4bit_compute_dtype"] = fast_dtype(spec)
    return arguments


@torch.no_grad()
def _quantized(layer: nn.Module, scheme: Scheme, spec: WorkerSpec) -> nn.Module:
    """The layer that transformers' integration would have made of `layer`; weights are quantized when they move to the device."""
    outputs, inputs = layers.shape(layer)
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    rows = weight.T.contiguous() if isinstance(layer, Conv1D) else weight
    config = BitsAndBytesConfig(**_arguments(scheme, spec))
    made: Any
    of_8bit: Any = Int8Params  # torch types parameters as modules, without arguments of their own
    of_4bit: Any = Params4bit
    if config.load_in_8bit:
        made = Linear8bitLt(inputs, outputs, bias is not None, has_fp16_weights=False, threshold=config.llm_int8_threshold, device="meta")
        made.weight = of_8bit(rows.cpu(), requires_grad=False, has_fp16_weights=False)
    else:
        nested, kind = config.bnb_4bit_use_double_quant, config.bnb_4bit_quant_type
        made = Linear4bit(inputs, outputs, bias is not None, config.bnb_4bit_compute_dtype, nested, kind, device="meta")
        made.weight = of_4bit(rows.cpu(), requires_grad=False, compress_statistics=nested, quant_type=kind, module=made)
    made.bias = bias
    made.weight = made.weight.to(spec.device)
    return made.eval()


def _ready(layer: nn.Module) -> None:
    """The fused kernel misreads inputs that are not contiguous."""
    if isinstance(layer, Linear4bit) and fuses(layer.weight.device.type):
        layer.register_forward_pre_hook(lambda layer, inputs: (inputs[0].contiguous(),))


def _dequantized_4bit(layer: Linear4bit) -> Tensor:
    state: Any = layer.weight.quant_state  # type: ignore[attr-defined] - of Params4bit, which torch calls a Parameter
    if not getattr(state, "packing_format_for_cpu", False):
        return functional.dequantize_4bit(layer.weight.data, state).float()
    return of_repacked(layer.weight.data, state)


def _restored_8bit(weight: Tensor) -> Tensor:
    codes, scales, _ = functional.int8_vectorwise_quant(weight.to(torch.float16))
    return functional.int8_vectorwise_dequant(codes, scales)


def _packed(weight: Tensor, scheme: Scheme, spec: WorkerSpec, nested: bool) -> tuple[Tensor, Any]:
    """Codes, two a byte, and state, as `Params4bit` would have them; `nested`: scales are quantized too."""
    weight = weight.to(spec.device, dtype_of(scheme, spec)).contiguous()
    return functional.quantize_4bit(
        weight, blocksize=BLOCK, compress_statistics=nested, quant_type=BitsAndBytesParams.of(scheme).bnb_4bit_quant_type
    )


def _packed_rows(weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> tuple[Tensor, Tensor, Any]:
    """Codes (out, in / 2), scales (out, in / 64) and state, with little beside them in memory at a time.

    Scales are themselves quantized 256 at a time, less their mean over the tensor: so those of all rows come first.
    """
    outputs, inputs = weight.shape
    rows = max(1, PIECE // inputs)
    codes = torch.empty(outputs, inputs // 2, dtype=torch.uint8, device=spec.device)
    absmax = torch.empty(outputs, inputs // BLOCK, device=spec.device)
    state = None
    for start in range(0, outputs, rows):
        packed, state = _packed(weight[start : start + rows], scheme, spec, nested=False)
        codes[start : start + rows] = packed.view(-1, inputs // 2)
        absmax[start : start + rows] = state.absmax.view(-1, inputs // BLOCK)
    if _nests(scheme):
        offset = absmax.mean()
        absmax = functional.dequantize_blockwise(*functional.quantize_blockwise(absmax - offset, blocksize=NESTED_BLOCK)) + offset
    return codes, absmax, state


def _nests(scheme: Scheme) -> bool:
    return BitsAndBytesParams.of(scheme).bnb_4bit_use_double_quant


def _restored_rows(codes: Tensor, absmax: Tensor, state: Any, device: str) -> Tensor:
    """Some rows of a layer: `codes` (out, in / 2), `absmax` (out, in / 64)."""
    if fuses(device):
        return fused_values(unpacked(codes), state.code, absmax.bfloat16())
    shape = torch.Size((len(codes), codes.shape[1] * 2))
    part = functional.QuantState(
        absmax.reshape(-1), shape=shape, code=state.code, blocksize=BLOCK, quant_type=state.quant_type, dtype=state.dtype
    )
    return functional.dequantize_4bit(codes.reshape(-1, 1), part).float()
