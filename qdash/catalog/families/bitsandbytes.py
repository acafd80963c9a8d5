"""bitsandbytes: LLM.int8() (Dettmers et al. 2022) and 4-bit NF4/FP4 (Dettmers et al. 2023, "QLoRA")."""

from dataclasses import dataclass
from typing import Any, Literal

from qdash.catalog.elements import NF4
from qdash.catalog.needs import Need
from qdash.catalog.scheme import Family, Params, Scheme
from qdash.catalog.sharing import SYMMETRIC, Sharing

BLOCK = 64
"""Weights that share an absmax in 4 bits; bitsandbytes' default, which `BitsAndBytesConfig` does not change."""
NESTED_BLOCK = 256
"""Absmaxes that share a scale where they are quantized too; bitsandbytes' own."""

FP4_VALUES = tuple(sign * value / 12 for sign in (-1, 1) for value in (12, 8, 6, 4, 3, 2, 0.0625, 0))
"""bitsandbytes' 4-bit floats, which are not those of the OCP formats: quarters of a power of two, and one tiny number."""

ABSMAX = 32 / BLOCK
"""Bits a weight for its absmax in 32 bits."""
DOUBLE_ABSMAX = 8 / BLOCK + 32 / (BLOCK * NESTED_BLOCK)
"""The same doubly quantized: 8 bits, with one 32-bit scale per `NESTED_BLOCK` of them ("QLoRA", section 3)."""

LLM_INT8 = (
    "LLM.int8() rounds each input to 8 bits, multiplies integers, scales back, and computes the rare large columns separately in 16 bits: "
    "fewer bytes to read, but several passes where the original makes one."
)


@dataclass(frozen=True)
class BitsAndBytesParams(Params):
    """Arguments of `BitsAndBytesConfig`, with its names and defaults; compute dtype "fast": 16 bits where the device is fast in these."""

    load_in_8bit: bool = False
    load_in_4bit: bool = False
    bnb_4bit_quant_type: Literal["fp4", "nf4"] = "fp4"
    bnb_4bit_use_double_quant: bool = False
    bnb_4bit_compute_dtype: Literal["float32", "bfloat16", "fast"] = "float32"


class BitsAndBytesFamily(Family):
    """`from_pretrained` with a `BitsAndBytesConfig`.

    Two messages are silenced, which it writes on a CPU: `autograd._functions` says for every call of every int8 layer that inputs are cast
    to float16; a line per layer and token is what would be measured, and LLM.int8() rounds activations by design. `backends.cpu.ops` says
    on import that a faster kernel could be downloaded from the hub; workers are offline and run no code from there.
    """

    engine = "qdash.engine.schemes.bitsandbytes"
    group = "bitsandbytes"
    silenced = ("bitsandbytes.autograd._functions", "bitsandbytes.backends.cpu.ops")
    needs = (Need("Install it: pip install bitsandbytes==0.50.2", package="bitsandbytes"),)

    def sharing(self, scheme: Scheme) -> Sharing:
        """8 bits by row, 4 bits by block."""
        params = BitsAndBytesParams.of(scheme)
        if params.load_in_8bit:
            return Sharing("row", SYMMETRIC)
        return Sharing("block", NF4.values if params.bnb_4bit_quant_type == "nf4" else tuple(sorted(set(FP4_VALUES))), BLOCK)

    def kernel_work(self, scheme: Scheme, dtype: str) -> str:
        """LLM.int8() does more than round."""
        return LLM_INT8 if BitsAndBytesParams.of(scheme).load_in_8bit else super().kernel_work(scheme, dtype)

    def overhead(self, scheme: Scheme) -> str:
        """What LLM.int8() does more is what takes the time."""
        return "handling large activations separately" if BitsAndBytesParams.of(scheme).load_in_8bit else super().overhead(scheme)


BITSANDBYTES = BitsAndBytesFamily()


def bitsandbytes_scheme(
    key: str, label: str, bits: int, activation_bits: int, about: str, params: BitsAndBytesParams, **rest: Any
) -> Scheme:
    """A row; `rest`: further fields of `Scheme`."""
    return Scheme(key, label, BITSANDBYTES, "real", bits, activation_bits, about, params, **rest)
