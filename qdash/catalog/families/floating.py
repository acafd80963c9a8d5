"""Plain floating-point schemes: the checkpoint's weights in one dtype, nothing quantized. The baselines."""

from dataclasses import dataclass

from qdash.catalog.scheme import Family, Params, Scheme
from qdash.catalog.types import Dtype


@dataclass(frozen=True)
class FloatParams(Params):
    """`dtype` None: the checkpoint's, or what is usual on the device."""

    dtype: Dtype | None = None


class FloatingFamily(Family):
    """Casts, and nothing else."""

    engine = "qdash.engine.schemes.floating"
    group = "Plain floats"
    is_baseline = True
    saved_as_floats = True

    def sharing(self, scheme: Scheme) -> None:
        """Floats have no scales."""

    def own_dtype(self, scheme: Scheme) -> Dtype | None:
        """The one that the scheme is."""
        return FloatParams.of(scheme).dtype


FLOATING = FloatingFamily()


def float_scheme(key: str, label: str, dtype: Dtype | None, bits: int | None, about: str) -> Scheme:
    """A row."""
    return Scheme(key, label, FLOATING, "real", bits, bits, about, FloatParams(dtype), stored_bits=bits or 0)
