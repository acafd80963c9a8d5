"""Plain floating-point schemes: the checkpoint's weights in one dtype, nothing quantized. The baselines."""

from dataclasses import dataclass

from qdash.catalog.scheme import Family, FloatType, Params, Scheme


@dataclass(frozen=True)
class FloatParams(Params):
    """`dtype` None: the checkpoint's, or what is usual on the device."""

    dtype: FloatType | None = None


class FloatingFamily(Family):
    """Casts, and nothing else."""

    engine = "qdash.engine.schemes.floating"
    group = "Plain floats"
    is_baseline = True

    def sharing(self, scheme: Scheme) -> None:
        """Floats have no scales."""

    def own_dtype(self, scheme: Scheme) -> FloatType | None:
        """The one that the scheme is."""
        return FloatParams.of(scheme).dtype


FLOATING = FloatingFamily()


def float_scheme(key: str, label: str, dtype: FloatType | None, bits: int | None, about: str) -> Scheme:
    """A row."""
    return Scheme(key, label, FLOATING, "real", bits, bits, about, FloatParams(dtype), stored_bits=bits or 0)
