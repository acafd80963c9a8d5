"""Every quantization scheme: its stable key, what people read, and what it needs to run.

A scheme here is data. What it does to a model is one small object per family in `engine/schemes/`, found by `family`; the page, the
command line, the README table and the tests all read this table. Adding a scheme is one entry.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from qdash.errors import QdashError

Family = Literal["float", "bitsandbytes", "simulated"]


@dataclass(frozen=True)
class Need:
    """A package that a scheme cannot do without."""

    package: str
    remedy: str


BITSANDBYTES = Need("bitsandbytes", "Install it: pip install bitsandbytes==0.50.2")


@dataclass(frozen=True)
class Scheme:
    """One row of the catalogue.

    `bits` and `activation_bits` are what the format stores and computes in (None: the checkpoint's own). `stored_bits` is the average
    per quantized weight with everything but per-row scales; `row_scale_bits` comes once per output row. Together they give the estimate
    made before loading and the projected size of simulated formats.
    """

    key: str
    label: str
    family: Family
    kind: Literal["real", "simulated"]
    bits: int | None
    activation_bits: int | None
    about: str
    stored_bits: float = 0.0
    row_scale_bits: int = 0
    needs: tuple[Need, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_baseline(self) -> bool:
        """Whether other variants may be compared with it: the plain floating-point schemes."""
        return self.family == "float"


def _float(key: str, label: str, dtype: str | None, bits: int | None, about: str) -> Scheme:
    return Scheme(key, label, "float", "real", bits, bits, about, stored_bits=bits or 0, params={"dtype": dtype})


def _bnb(key: str, label: str, bits: int, activation_bits: int, about: str, **rest: Any) -> Scheme:
    return Scheme(key, label, "bitsandbytes", "real", bits, activation_bits, about, needs=(BITSANDBYTES,), **rest)


def _cast(key: str, label: str, bits: int, number_format: str, about: str) -> Scheme:
    # Carried in the checkpoint's dtype; stored for real it would be `bits` a weight and one 32-bit scale a row.
    params = {"format": number_format}
    return Scheme(key, label, "simulated", "simulated", bits, 16, about, bits, row_scale_bits=32, params=params)


# NF4 and FP4 keep one absmax per 64 weights: 32 bits plain (0.5 a weight); doubly quantized 8 bits, with one 32-bit scale per 256 of
# them (Dettmers et al. 2023, "QLoRA", section 3).
_ABSMAX = 32 / 64
_DOUBLE_ABSMAX = 8 / 64 + 32 / (64 * 256)
_NF4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}

SCHEMES: dict[str, Scheme] = {
    scheme.key: scheme
    for scheme in (
        _float("original", "Original", None, None, "The model as published: the reference that everything is compared with."),
        _float("fp32", "32-bit float", "float32", 32, "Full precision. The safest and the largest."),
        _float("fp16", "16-bit float", "float16", 16, "Half the size of 32 bits; 5 bits of range, 10 of precision."),
        _float("bf16", "bfloat16", "bfloat16", 16, "Half the size of 32 bits, with their full range and less precision."),
        _bnb(
            "bnb-int8", "INT8 (LLM.int8)", 8, 8,
            "LLM.int8(): 8-bit weights and activations; the rare very large activations are computed in 16 bits.",
            stored_bits=8, row_scale_bits=32, params={"load_in_8bit": True},
        ),
        _bnb(
            "bnb-nf4", "NF4 4-bit", 4, 16,
            "16 levels placed where normally distributed weights lie, unpacked to 16 bits (32 where 16 is slow) to compute.",
            stored_bits=4 + _DOUBLE_ABSMAX, params={**_NF4, "bnb_4bit_compute_dtype": "fast"},
        ),
        _bnb(
            "bnb-nf4-fp32", "NF4, 32-bit compute", 4, 32,
            "NF4 with bitsandbytes' default compute type. Some tutorials call this W4A4; its activations are 32-bit.",
            stored_bits=4 + _DOUBLE_ABSMAX, params=_NF4,
        ),
        _bnb(
            "bnb-fp4", "FP4 4-bit", 4, 16,
            "4-bit floats in blocks of 64 weights, computed in bfloat16.",
            stored_bits=4 + _ABSMAX,
            params={"load_in_4bit": True, "bnb_4bit_quant_type": "fp4", "bnb_4bit_compute_dtype": "bfloat16"},
        ),
        _cast("fp8-e4m3", "FP8 E4M3", 8, "e4m3fn", "8-bit floats with 4 bits of range and 3 of precision, one scale a row."),
        _cast("fp6-e2m3", "FP6 E2M3", 6, "e2m3fn", "6-bit floats with 2 bits of range and 3 of precision, one scale a row."),
    )
}  # fmt: skip


def find_scheme(key: str) -> Scheme:
    """Look a scheme up; raises QdashError naming the key and the ones there are."""
    if key in SCHEMES:
        return SCHEMES[key]
    raise QdashError(f"There is no scheme “{key}”.", f"Choose from: {', '.join(SCHEMES)}.")


def unavailable(scheme: Scheme, packages: Mapping[str, str]) -> QdashError | None:
    """Why `scheme` cannot run where `packages` (name → version) are installed, or None if it can."""
    for need in scheme.needs:
        if need.package not in packages:
            message = f"{scheme.label} needs {need.package}, which is not installed here."
            return QdashError(message, need.remedy, "unavailable")
    return None


def order_variants(keys: list[str]) -> list[str]:
    """Put the baseline first, drop repeats: the first of original, fp32, fp16, bf16 in the list, else `original` added in front.

    Raises QdashError for an empty list or an unknown key.
    """
    if not keys:
        raise QdashError("No scheme is chosen.", "Choose at least one, such as bnb-nf4.")
    unique = list(dict.fromkeys(keys))
    baseline = next((key for key in unique if find_scheme(key).is_baseline), "original")
    return [baseline, *(key for key in unique if key != baseline)]
