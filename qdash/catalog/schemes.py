"""Every quantization scheme: its stable key, what people read, and what it needs to run.

A scheme here is data. What it does to a model is one small object per family in `engine/schemes/`, found by `family`; the page, the
command line, the README table and the tests all read this table. Adding a scheme is one entry.
"""

from typing import Any

from qdash.catalog.formats import FORMATS
from qdash.catalog.recipes import is_recipe, recipe_scheme
from qdash.catalog.scheme import Family, Need, Scheme, Surroundings
from qdash.errors import QdashError

__all__ = ["SCHEMES", "Family", "Need", "Scheme", "find_scheme", "known_scheme", "order_variants", "unavailable"]

BITSANDBYTES = Need("Install it: pip install bitsandbytes==0.50.2", package="bitsandbytes")
TORCHAO = Need("Install it: pip install torchao==0.18.0", package="torchao")
ON_CPU = Need("Choose the device “cpu”.", device="cpu")
_FP8_WEIGHTS = "FP8 weights (ao-fp8wo)"


def _float(key: str, label: str, dtype: str | None, bits: int | None, about: str) -> Scheme:
    return Scheme(key, label, "float", "real", bits, bits, about, stored_bits=bits or 0, params={"dtype": dtype})


def _bnb(key: str, label: str, bits: int, activation_bits: int, about: str, **rest: Any) -> Scheme:
    return Scheme(key, label, "bitsandbytes", "real", bits, activation_bits, about, needs=(BITSANDBYTES,), **rest)


def _ao(key: str, label: str, bits: int, activation_bits: int, about: str, *needs: Need, **rest: Any) -> Scheme:
    return Scheme(key, label, "torchao", "real", bits, activation_bits, about, needs=(TORCHAO, *needs), **rest)


def _simulated(key: str, label: str, about: str, *, weights: str | None = None, activations: str | None = None) -> Scheme:
    """Weights carried in the baseline's dtype; `activations` is the format that every layer's input is rounded to, if it is."""
    number_format = FORMATS[weights or key]
    rounded = {"format": number_format.key} | ({"activations": activations} if activations else {})
    return Scheme(
        key, label, "simulated", "simulated", number_format.bits, FORMATS[activations].bits if activations else 16, about,
        stored_bits=number_format.stored_bits, row_scale_bits=number_format.row_scale_bits, params=rounded,
        scales_span_rows=activations is not None and FORMATS[activations].rule in ("nvfp4", "tensor"),
    )  # fmt: skip


# NF4 and FP4 keep one absmax per 64 weights: 32 bits plain (0.5 a weight); doubly quantized 8 bits, with one 32-bit scale per 256 of
# them (Dettmers et al. 2023, "QLoRA", section 3).
_ABSMAX = 32 / 64
_DOUBLE_ABSMAX = 8 / 64 + 32 / (64 * 256)
_NF4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}

# torchao's 8-bit integers carry a 32-bit scale and an 8-bit zero point a row. Its 4-bit ones carry both in 16 bits for 64 weights; on CUDA
# rows are also padded to multiples of 1024, so this lies between 4.5 bits and what is usual there.
_INT8_ROW = 32 + 8
_INT4 = 4 + 32 / 64 + 0.25

SCHEMES: dict[str, Scheme] = {
    scheme.key: scheme
    for scheme in (
        _float("original", "Original", None, None, "The model as published: the reference that everything is compared with."),
        _float("fp32", "32-bit float", "float32", 32, "Full precision. The safest and the largest."),
        _float("fp16", "16-bit float", "float16", 16, "Half the size of 32 bits: 5 exponent bits, 10 mantissa bits."),
        _float("bf16", "bfloat16", "bfloat16", 16, "Half the size of 32 bits, with the same range and less precision."),
        _bnb(
            "bnb-int8", "INT8 (LLM.int8)", 8, 8,
            "LLM.int8(): 8-bit weights and activations; the rare very large activations are computed in 16 bits.",
            stored_bits=8, row_scale_bits=32, params={"load_in_8bit": True},
        ),
        _bnb(
            "bnb-nf4", "NF4 4-bit", 4, 16,
            "16 levels placed where normally distributed weights lie, unpacked to 16 bits (32 where 16 is slow) before computing.",
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
        _ao(
            "ao-int8wo", "INT8 weights", 8, 16, "torchao: 8-bit weights, one scale per row, unpacked before computing.",
            stored_bits=8, row_scale_bits=_INT8_ROW, params={"config": "Int8WeightOnlyConfig"},
        ),
        _ao(
            "ao-int8dyn", "INT8 dynamic", 8, 8,
            "torchao: 8-bit weights; activations rounded to 8 bits during inference, one scale per token.",
            stored_bits=8, row_scale_bits=_INT8_ROW, params={"config": "Int8DynamicActivationInt8WeightConfig"},
        ),
        _ao(
            "ao-int8static", "INT8 static", 8, 8,
            "torchao: 8-bit weights and activations; the range of the activations is measured beforehand on sample questions.",
            stored_bits=8, row_scale_bits=_INT8_ROW, floats_first=True, params={"config": "Int8StaticActivationInt8WeightConfig"},
        ),
        Scheme(
            "torch-int8dyn", "INT8 dynamic (PyTorch)", "torch-dynamic", "real", 8, 8,
            "PyTorch's own dynamic INT8 for CPUs: weights with one scale per layer, activations rounded during inference.",
            stored_bits=8, needs=(ON_CPU,), floats_first=True, scales_span_rows=True,
        ),
        _ao(
            "ao-int4wo", "INT4 weights", 4, 16,
            "torchao: 4-bit weights in groups of 64, unpacked to bfloat16 before computing, whatever the model's own type.",
            Need("Choose the device “cpu”, or NF4 4-bit (bnb-nf4).", capability=(8, 0)),
            stored_bits=_INT4, floats_first=True, params={"config": "Int4WeightOnlyConfig", "group_size": 64},
        ),
        _ao(
            "ao-fp8wo", "FP8 weights", 8, 16, "torchao: 8-bit E4M3 floats, unpacked before computing: slow on a CPU.",
            stored_bits=8, row_scale_bits=32, params={"config": "Float8WeightOnlyConfig"},
        ),
        _ao(
            "ao-fp8dyn", "FP8 dynamic", 8, 8,
            "torchao: weights and activations as 8-bit E4M3 floats, one scale per tensor; activations are rounded during inference.",
            Need(f"Choose the device “cuda”, or {_FP8_WEIGHTS}.", device="cuda", elsewhere=f"Choose {_FP8_WEIGHTS}."),
            Need(f"Choose {_FP8_WEIGHTS}.", capability=(8, 9)),
            stored_bits=8, scales_span_rows=True, params={"config": "Float8DynamicActivationFloat8WeightConfig"},
        ),
        _simulated("fp8-e4m3", "FP8 E4M3", "8-bit floats with 4 exponent and 3 mantissa bits, one scale per row."),
        _simulated("fp8-e5m2", "FP8 E5M2", "8-bit floats with 5 exponent and 2 mantissa bits, one scale per row."),
        _simulated("fp6-e2m3", "FP6 E2M3", "6-bit floats with 2 exponent and 3 mantissa bits, one scale per row."),
        _simulated("fp6-e3m2", "FP6 E3M2", "6-bit floats with 3 exponent and 2 mantissa bits, one scale per row."),
        _simulated("fp4-e2m1", "FP4 E2M1", "4-bit floats with 2 exponent bits and 1 mantissa bit, one scale per row."),
        _simulated(
            "mxfp8", "MXFP8", "Blocks of 32 E4M3 floats that share a power of two as their scale; weights and activations.",
            activations="mxfp8",
        ),
        _simulated(
            "mxfp6", "MXFP6", "Blocks of 32 E2M3 floats that share a power of two as their scale; weights and activations.",
            activations="mxfp6",
        ),
        _simulated(
            "mxfp4", "MXFP4", "Blocks of 32 E2M1 floats that share a power of two as their scale; weights and activations.",
            activations="mxfp4",
        ),
        _simulated(
            "nvfp4", "NVFP4", "Blocks of 16 E2M1 floats that share an E4M3 number as scale; weights and activations.", activations="nvfp4",
        ),
        _simulated(
            "sim-w8a8", "W8A8", "8-bit integers: weights with one scale per row, activations with one per token.",
            weights="int8-row", activations="int8-row",
        ),
        _simulated(
            "sim-w4a4", "W4A4", "True 4-bit integers: weights with one scale per row, activations with one per token.",
            weights="int4-row", activations="int4-row",
        ),
        _simulated("int3-g64", "INT3", "8 levels for every group of 64 weights."),
        _simulated("int2-g64", "INT2", "4 levels for every group of 64 weights."),
        _simulated("minmax-6", "Min–max, 64 levels", "64 equal steps from a layer's smallest weight to its largest."),
        _simulated("minmax-4", "Min–max, 16 levels", "16 equal steps from a layer's smallest weight to its largest."),
    )
}  # fmt: skip


def find_scheme(key: str) -> Scheme:
    """Look a scheme up, or build the one that a recipe stands for (see `recipes`); raises QdashError naming what there is."""
    if is_recipe(key):
        return recipe_scheme(key, _listed_scheme)
    return _listed_scheme(key)


def known_scheme(key: str) -> Scheme | None:
    """`find_scheme`, or None for what this version does not know: a record from another one may name it."""
    try:
        return find_scheme(key)
    except QdashError:
        return None


def _listed_scheme(key: str) -> Scheme:
    if key in SCHEMES:
        return SCHEMES[key]
    raise QdashError(f"There is no scheme “{key[:80]}”.", f"Choose from: {', '.join(SCHEMES)}.")


def unavailable(scheme: Scheme, here: Surroundings) -> QdashError | None:
    """Why `scheme` cannot run `here`, or None if it can."""
    for need in scheme.needs:
        missing = need.missing(here)
        if missing is not None:
            return QdashError(f"{scheme.label} needs {missing}.", need.remedy_in(here), "unavailable")
    return None


def order_variants(keys: list[str]) -> list[str]:
    """Put the baseline first, drop repeats: the first of original, fp32, fp16, bf16 in the list, else `original` added in front.

    Raises QdashError for an empty list, an unknown key or a recipe that is wrong. Recipes come back in their canonical form.
    """
    if not keys:
        raise QdashError("No scheme is chosen.", "Choose at least one, such as bnb-nf4.")
    unique = list(dict.fromkeys(find_scheme(key).key for key in keys))
    baseline = next((key for key in unique if find_scheme(key).is_baseline), "original")
    return [baseline, *(key for key in unique if key != baseline)]
