"""Which weights of a layer share a scale under a scheme, and what the codes beside that scale stand for.

Simulated schemes have this in `catalog.formats`. For the others it is what their packages do; a test compares it with the weights that
their layers hold.
"""

from dataclasses import dataclass

from qdash.catalog.formats import E4M3, FORMATS, NF4_VALUES, Format
from qdash.catalog.recipes import assigned
from qdash.catalog.schemes import Scheme, find_scheme
from qdash.records import Shares

BNB_BLOCK = 64
FP4_VALUES = tuple(sign * value / 12 for sign in (-1, 1) for value in (12, 8, 6, 4, 3, 2, 0.0625, 0))
"""bitsandbytes' 4-bit floats, which are not those of the OCP formats: quarters of a power of two, and one tiny number."""

SYMMETRIC = tuple(map(float, range(-127, 128)))
SIGNED = tuple(map(float, range(-128, 128)))
UNSIGNED_4BIT = tuple(map(float, range(16)))


@dataclass(frozen=True)
class Sharing:
    """`size` is the length of a block or group, None for a row or a tensor; `affine`: a minimum or zero point stands beside the scale."""

    shares: Shares
    codes: tuple[float, ...]
    size: int | None = None
    affine: bool = False

    def together(self, columns: int) -> int:
        """How many neighbours in a row share a scale; 0: the whole tensor does."""
        return 0 if self.shares == "tensor" else min(self.size or columns, columns)


def sharing_of(scheme: Scheme, module: str) -> Sharing | None:
    """How the layer at path `module` is stored under `scheme`; None where it stays a plain float."""
    key = assigned(scheme, module)
    part = None if key is None else find_scheme(key)
    return None if part is None or part.is_baseline else _BY_FAMILY[part.family](part)


def _simulated(scheme: Scheme) -> Sharing:
    number_format: Format = FORMATS[scheme.params["format"]]
    rule, size = number_format.rule, number_format.size
    shares: Shares = "block" if rule in ("mx", "nvfp4") else rule  # type: ignore[assignment]  # the rules that are left are named alike
    return Sharing(shares, number_format.values, size, affine=rule in ("group", "tensor"))


def _bitsandbytes(scheme: Scheme) -> Sharing:
    if scheme.params.get("load_in_8bit"):
        return Sharing("row", SYMMETRIC)
    values = NF4_VALUES if scheme.params["bnb_4bit_quant_type"] == "nf4" else tuple(sorted(set(FP4_VALUES)))
    return Sharing("block", values, BNB_BLOCK)


def _torchao(scheme: Scheme) -> Sharing:
    config = scheme.params["config"]
    if config == "Int4WeightOnlyConfig":
        return Sharing("group", UNSIGNED_4BIT, scheme.params["group_size"], affine=True)
    if config.startswith("Float8"):
        return Sharing("tensor" if "Activation" in config else "row", E4M3.values)
    return Sharing("row", SIGNED)


_BY_FAMILY = {
    "simulated": _simulated,
    "bitsandbytes": _bitsandbytes,
    "torchao": _torchao,
    "torch-dynamic": lambda scheme: Sharing("tensor", SIGNED),
}
