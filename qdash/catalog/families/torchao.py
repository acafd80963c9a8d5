"""torchao: 8-bit integers, 8-bit floats and 4-bit integers as tensor subclasses in ordinary linear layers."""

from dataclasses import dataclass
from typing import Any

from qdash.catalog.calibration import range_passes
from qdash.catalog.elements import E4M3
from qdash.catalog.kernel_work import rounding_inputs
from qdash.catalog.needs import Need
from qdash.catalog.scheme import Family, Params, Scheme
from qdash.catalog.sharing import SIGNED, Sharing

INT4, STATIC = "Int4WeightOnlyConfig", "Int8StaticActivationInt8WeightConfig"
INT8_WEIGHTS, INT8_DYNAMIC = "Int8WeightOnlyConfig", "Int8DynamicActivationInt8WeightConfig"
FLOAT8_WEIGHTS, FLOAT8_DYNAMIC = "Float8WeightOnlyConfig", "Float8DynamicActivationFloat8WeightConfig"

INT8_ROW_BITS = 32 + 8
"""A 32-bit scale and an 8-bit zero point a row."""
INT4_BITS = 4 + 32 / 64 + 0.25
"""Scale and zero point in 16 bits each for 64 weights. On CUDA rows are also padded to multiples of 1024, so this lies between 4.5 bits and
what is usual there."""

UNSIGNED_4BIT = tuple(map(float, range(16)))

QUANTIZED_AFTERWARDS = (
    "torchao quantized it after it was loaded, and save_pretrained writes torchao's tensors only where from_pretrained made them"
)


@dataclass(frozen=True)
class TorchAoParams(Params):
    """The name of a configuration of torchao, and its arguments: how many weights share a scale, where rows do not."""

    config: str
    group_size: int | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """What the configuration is made with."""
        return {} if self.group_size is None else {"group_size": self.group_size}


class TorchAoFamily(Family):
    """`from_pretrained` with a `TorchAoConfig` wherever that can do it."""

    engine = "qdash.engine.schemes.torchao"
    group = "torchao"
    needs = (Need("Install it: pip install torchao==0.18.0", package="torchao"),)
    dtype_remark = "A torchao tensor, too, names the type that it replaces, not the one that it stores."

    def sharing(self, scheme: Scheme) -> Sharing:
        """4 bits by group, 8-bit floats whose inputs are rounded as well by tensor, all else by row."""
        params = TorchAoParams.of(scheme)
        if params.config == INT4:
            return Sharing("group", UNSIGNED_4BIT, params.group_size, affine=True)
        if params.config.startswith("Float8"):
            return Sharing("tensor" if params.config == FLOAT8_DYNAMIC else "row", E4M3.values)
        return Sharing("row", SIGNED)

    def unsaveable(self, scheme: Scheme) -> str | None:
        """What is calibrated is quantized after loading, whatever the model."""
        return QUANTIZED_AFTERWARDS if TorchAoParams.of(scheme).config == STATIC else None

    def calibration_passes(self, scheme: Scheme, columns: int, sees: bool, alone: int = 0) -> int:
        """The ranges of all layers come from the same passes."""
        return range_passes(sees) if TorchAoParams.of(scheme).config == STATIC else 0

    def kernel_work(self, scheme: Scheme, dtype: str) -> str:
        """A range that was calibrated need not be found."""
        if TorchAoParams.of(scheme).config == STATIC:
            return rounding_inputs(f"“{scheme.label}” rounds", "by a range measured beforehand")
        return super().kernel_work(scheme, dtype)


TORCHAO = TorchAoFamily()


def torchao_scheme(key: str, label: str, bits: int, activation_bits: int, about: str, config: str, **rest: Any) -> Scheme:
    """A row; `rest`: `group_size`, and further fields of `Scheme`."""
    params = TorchAoParams(config, rest.pop("group_size", None))
    return Scheme(key, label, TORCHAO, "real", bits, activation_bits, about, params, **rest)
