"""Every quantization scheme: its stable key, what people read, and what it needs to run.

A scheme here is data, a row of its family (see `families`), which answers every question about it. The page, the command line, the README
table and the tests all read this table. Adding a scheme is one row; every number format of `catalog.formats` brings its own.
"""

from dataclasses import replace

from qdash.catalog.families.bitsandbytes import ABSMAX, DOUBLE_ABSMAX, BitsAndBytesParams, bitsandbytes_scheme
from qdash.catalog.families.floating import float_scheme
from qdash.catalog.families.gguf import GGUF_FILE
from qdash.catalog.families.pruned_in_steps import is_pruned_in_steps, pruned_in_steps_scheme
from qdash.catalog.families.pruning import PRUNING_SCHEMES, is_pruning, pruning_scheme
from qdash.catalog.families.qat import qat_scheme
from qdash.catalog.families.rounding import rounding_scheme
from qdash.catalog.families.simulated import scheme_of_format
from qdash.catalog.families.torch_dynamic import TORCH_DYNAMIC
from qdash.catalog.families.torchao import (
    FLOAT8_DYNAMIC,
    FLOAT8_WEIGHTS,
    INT4,
    INT4_BITS,
    INT8_DYNAMIC,
    INT8_ROW_BITS,
    INT8_WEIGHTS,
    STATIC,
    torchao_scheme,
)
from qdash.catalog.formats import FORMATS
from qdash.catalog.needs import Need, Surroundings
from qdash.catalog.recipes import is_recipe, recipe_scheme
from qdash.catalog.scheme import Family, Scheme
from qdash.errors import QdashError

__all__ = [
    "SCHEMES", "Scheme", "families", "find_scheme", "known_scheme", "libraries", "order_variants", "packages", "saveable_instead",
    "unavailable",
]  # fmt: skip

_FP8_WEIGHTS = "FP8 weights (ao-fp8wo)"
_GPTQ = "weights are rounded one after another, and those still to come make up for the error in the layer's output."
_AWQ = "before rounding, weights that meet large inputs are made larger, by a scale of each input that is tried out."
_HQQ = "the minimum of each group is searched for many small errors and a few large ones, from the weights alone."
_NF4 = BitsAndBytesParams(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)

SCHEMES: dict[str, Scheme] = {
    scheme.key: scheme
    for scheme in (
        float_scheme("original", "Original", None, None, "The model as published: the reference that everything is compared with."),
        float_scheme("fp32", "32-bit float", "float32", 32, "Full precision. The safest and the largest."),
        float_scheme("fp16", "16-bit float", "float16", 16, "Half the size of 32 bits: 5 exponent bits, 10 mantissa bits."),
        float_scheme("bf16", "bfloat16", "bfloat16", 16, "Half the size of 32 bits, with the same range and less precision."),
        bitsandbytes_scheme(
            "bnb-int8", "INT8 (LLM.int8)", 8, 8,
            "LLM.int8(): 8-bit weights and activations; the rare very large activations are computed in 16 bits.",
            BitsAndBytesParams(load_in_8bit=True), stored_bits=8, row_scale_bits=32,
        ),
        bitsandbytes_scheme(
            "bnb-nf4", "NF4 4-bit", 4, 16,
            "16 levels placed where normally distributed weights lie, unpacked to 16 bits (32 where 16 is slow) before computing.",
            replace(_NF4, bnb_4bit_compute_dtype="fast"), stored_bits=4 + DOUBLE_ABSMAX,
        ),
        bitsandbytes_scheme(
            "bnb-nf4-fp32", "NF4, 32-bit compute", 4, 32,
            "NF4 with bitsandbytes' default compute type. Some tutorials call this W4A4; its activations are 32-bit.",
            _NF4, stored_bits=4 + DOUBLE_ABSMAX,
        ),
        bitsandbytes_scheme(
            "bnb-fp4", "FP4 4-bit", 4, 16,
            "4-bit floats in blocks of 64 weights, computed in bfloat16.",
            BitsAndBytesParams(load_in_4bit=True, bnb_4bit_quant_type="fp4", bnb_4bit_compute_dtype="bfloat16"), stored_bits=4 + ABSMAX,
        ),
        torchao_scheme(
            "ao-int8wo", "INT8 weights", 8, 16, "torchao: 8-bit weights, one scale per row, unpacked before computing.",
            INT8_WEIGHTS, stored_bits=8, row_scale_bits=INT8_ROW_BITS,
        ),
        torchao_scheme(
            "ao-int8dyn", "INT8 dynamic", 8, 8,
            "torchao: 8-bit weights; activations rounded to 8 bits during inference, one scale per token.",
            INT8_DYNAMIC, stored_bits=8, row_scale_bits=INT8_ROW_BITS,
        ),
        torchao_scheme(
            "ao-int8static", "INT8 static", 8, 8,
            "torchao: 8-bit weights and activations; the range of the activations is measured beforehand on sample questions.",
            STATIC, stored_bits=8, row_scale_bits=INT8_ROW_BITS, floats_first=True,
        ),
        Scheme(
            "torch-int8dyn", "INT8 dynamic (PyTorch)", TORCH_DYNAMIC, "real", 8, 8,
            "PyTorch's own dynamic INT8 for CPUs: weights with one scale per layer, activations rounded during inference.",
            stored_bits=8, floats_first=True, scales_span_rows=True,
        ),
        torchao_scheme(
            "ao-int4wo", "INT4 weights", 4, 16,
            "torchao: 4-bit weights in groups of 64, unpacked to bfloat16 before computing, whatever the model's own type.",
            INT4, group_size=64, stored_bits=INT4_BITS, floats_first=True,
            more_needs=(Need("Choose the device “cpu”, or NF4 4-bit (bnb-nf4).", capability=(8, 0)),),
        ),
        torchao_scheme(
            "ao-fp8wo", "FP8 weights", 8, 16, "torchao: 8-bit E4M3 floats, unpacked before computing: slow on a CPU.",
            FLOAT8_WEIGHTS, stored_bits=8, row_scale_bits=32,
        ),
        torchao_scheme(
            "ao-fp8dyn", "FP8 dynamic", 8, 8,
            "torchao: weights and activations as 8-bit E4M3 floats, one scale per tensor; activations are rounded during inference.",
            FLOAT8_DYNAMIC, stored_bits=8, scales_span_rows=True,
            more_needs=(
                Need(f"Choose the device “cuda”, or {_FP8_WEIGHTS}.", device="cuda", elsewhere=f"Choose {_FP8_WEIGHTS}."),
                Need(f"Choose {_FP8_WEIGHTS}.", capability=(8, 9)),
            ),
        ),
        Scheme(
            "gguf", "GGUF, as stored", GGUF_FILE, "real", None, None,
            "The blocks of a GGUF file, each layer in the type that the file has it in, unpacked before computing.",
            floats_first=True,
        ),
        *map(scheme_of_format, FORMATS.values()),
        *PRUNING_SCHEMES,
        rounding_scheme("gptq", "int4-g64", "GPTQ-INT4", f"As INT4; {_GPTQ}"),
        rounding_scheme("gptq", "int3-g64", "GPTQ-INT3", f"As INT3; {_GPTQ}"),
        rounding_scheme("gptq", "int2-g64", "GPTQ-INT2", f"As INT2; {_GPTQ}"),
        rounding_scheme("awq", "int4-g64", "AWQ-INT4", f"As INT4; {_AWQ}"),
        rounding_scheme("hqq", "int4-g64", "HQQ-INT4", f"As INT4; {_HQQ}"),
        rounding_scheme("hqq", "int3-g64", "HQQ-INT3", f"As INT3; {_HQQ}"),
        qat_scheme("qat-int4", "INT4, healed", "int4-g64"),
        qat_scheme("qat-int3", "INT3, healed", "int3-g64"),
        qat_scheme("qat-int2", "INT2, healed", "int2-g64"),
        pruned_in_steps_scheme("prune-iterative-80"),
    )
}  # fmt: skip


def find_scheme(key: str) -> Scheme:
    """Look a scheme up, or build the one that a recipe or a share to prune stands for; raises QdashError naming what there is."""
    if is_recipe(key):
        return recipe_scheme(key, _listed_scheme)
    return _listed_scheme(key)


def known_scheme(key: str) -> Scheme | None:
    """`find_scheme`, or None for what this version does not know: a record from another one may name it."""
    try:
        return find_scheme(key)
    except QdashError:
        return None


def families() -> tuple[Family, ...]:
    """Every family that has a row, in the order of the table."""
    return tuple(dict.fromkeys(scheme.family for scheme in SCHEMES.values()))


def packages() -> tuple[str, ...]:
    """Every package that a scheme needs."""
    return tuple(dict.fromkeys(need.package for scheme in SCHEMES.values() for need in scheme.needs if need.package is not None))


def libraries() -> tuple[str, ...]:
    """The packages whose versions decide what comes of a scheme: PyTorch, transformers, and all that schemes need."""
    return ("torch", "transformers", *packages())


def _listed_scheme(key: str) -> Scheme:
    if key in SCHEMES:
        return SCHEMES[key]
    if is_pruned_in_steps(key):
        return pruned_in_steps_scheme(key)
    if is_pruning(key):
        return pruning_scheme(key)
    raise QdashError(f"There is no scheme “{key[:80]}”.", f"Choose from: {', '.join(SCHEMES)}.")


def unavailable(scheme: Scheme, here: Surroundings) -> QdashError | None:
    """Why `scheme` cannot run `here`, or None if it can."""
    for need in scheme.needs:
        missing = need.missing(here)
        if missing is not None:
            return QdashError(f"{scheme.label} needs {missing}.", need.remedy_in(here), "unavailable")
    return None


def saveable_instead(scheme: Scheme, here: Surroundings, *, others_only: bool = False) -> list[Scheme]:
    """Schemes with weights of as many bits as those of `scheme` that can be saved and run `here`; `others_only`: of other families."""
    return [
        other
        for other in SCHEMES.values()
        if other.bits == scheme.bits
        and other.key != scheme.key
        and other.family.unsaveable(other) is None
        and unavailable(other, here) is None
        and not (others_only and other.family == scheme.family)
    ]


def order_variants(keys: list[str]) -> list[str]:
    """Put the baseline first, drop repeats: the first of original, fp32, fp16, bf16 in the list, else `original` added in front.

    Raises QdashError for an empty list, an unknown key or a recipe that is wrong. Recipes come back in their canonical form.
    """
    if not keys:
        raise QdashError("No scheme is chosen.", "Choose at least one, such as bnb-nf4.")
    unique = list(dict.fromkeys(find_scheme(key).key for key in keys))
    baseline = next((key for key in unique if find_scheme(key).is_baseline), "original")
    return [baseline, *(key for key in unique if key != baseline)]
