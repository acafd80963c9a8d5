"""Why a quantized variant is slower, in plain words.

Quantization saves memory traffic and pays with work: weights must be unpacked before every multiplication. On a large model on a GPU
the traffic dominates; on a small model or a CPU the unpacking does. The rules below say which of these fits the conditions at hand.
"""

from qdash.catalog.schemes import Scheme, known_scheme
from qdash.records import VariantResult

SMALL_MODEL_BYTES = 500 * 2**20
"""Below this a model's weights are read in a blink, so reading fewer of them saves next to nothing."""


def is_slower(result: VariantResult, noise: float) -> bool:
    """Whether a real variant takes longer than the baseline by more than `noise`."""
    ratio = result.relative.latency if result.relative else None
    return ratio is not None and ratio > 1 + noise


def why_slower(result: VariantResult, baseline: VariantResult, noise: float) -> str | None:
    """One sentence for the card; None if the variant is not slower."""
    if not is_slower(result, noise):
        return None
    scheme = known_scheme(result.scheme)
    if scheme is not None and scheme.is_baseline:
        return f"Slower: this device computes {result.dtype or 'this type'} less quickly."
    small = baseline.memory is not None and baseline.memory.weights_bytes < SMALL_MODEL_BYTES
    work = _work(scheme)
    if small:
        return f"Slower: the model is small, so {work} costs more than it saves."
    return f"Slower: {work} for every token costs more than reading fewer bytes saves."


def _work(scheme: Scheme | None) -> str:
    """What its kernels do besides multiplying."""
    if scheme is None or scheme.family == "recipe":
        return "unpacking weights"
    if scheme.key == "bnb-int8":
        return "sorting out large activations"
    rounds = scheme.activation_bits is not None and scheme.activation_bits <= 8
    return f"rounding activations to {scheme.activation_bits} bits" if rounds else f"unpacking {scheme.bits}-bit weights"
