"""Explains why a quantized variant is slower, if the record shows that the reason holds.

Quantization saves memory traffic and pays with work: weights must be unpacked before every multiplication. On a large model on a GPU the
traffic dominates; on a small model or a CPU the unpacking does. The rules below choose the one that fits the conditions; if none does, no
reason is given.
"""

from collections.abc import Sequence

from qdash.catalog.kernel_work import BESIDE_MULTIPLYING, UNPACKING
from qdash.catalog.schemes import Scheme, known_scheme
from qdash.present.language import _, recorded
from qdash.records import Comparison, VariantResult
from qdash.verdict.evidence import pace_of

SMALL_MODEL_BYTES = 500 * 2**20
"""Below this size reading a model's weights takes so little time that reading fewer saves next to nothing."""


def why_slower(result: VariantResult, comparison: Comparison) -> str | None:
    """One sentence for the card; None unless the variant is reported as slower and the reason is known."""
    if pace_of(result, comparison).told != "slower":
        return None
    reason = _reason(result, comparison.variants[0], _overhead(known_scheme(result.scheme)))
    return _("Slower: {reason}.", reason=reason) if reason else None


def common_reason(slower: Sequence[VariantResult], comparison: Comparison) -> str | None:
    """A clause that holds for all of several variants that are slower; None where they do not share one."""
    overheads = {_overhead(known_scheme(result.scheme)) for result in slower}
    overhead = overheads.pop() if len(overheads) == 1 else UNPACKING if all(map(_unpacks, overheads)) else BESIDE_MULTIPLYING
    reasons = {_reason(result, comparison.variants[0], overhead) for result in slower}
    return reasons.pop() if len(reasons) == 1 else None


def _unpacks(overhead: str) -> bool:
    return overhead.startswith("unpacking ")


def _reason(result: VariantResult, original: VariantResult, overhead: str) -> str | None:
    """A clause; None where nothing in the record explains it: another model, the same numbers in the same type, weights no smaller."""
    if result.model != original.model:
        return None
    scheme = known_scheme(result.scheme)
    if scheme is not None and scheme.is_baseline:
        if result.dtype is None or original.dtype is None or result.dtype == original.dtype:
            return None
        return _("this device computes {dtype} more slowly than {other}", dtype=result.dtype, other=original.dtype)
    if result.memory is None or original.memory is None or result.memory.weights_bytes >= original.memory.weights_bytes:
        return None
    if original.memory.weights_bytes < SMALL_MODEL_BYTES:
        return _("the model is so small that {work} costs more than it saves", work=recorded(overhead))
    return _("{work} for every token takes more time than reading fewer bytes saves", work=recorded(overhead))


def _overhead(scheme: Scheme | None) -> str:
    """The work of its kernels besides multiplying, in general terms for a scheme unknown to this version."""
    return UNPACKING if scheme is None else scheme.family.overhead(scheme)
