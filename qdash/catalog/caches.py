"""Formats of the KV cache: in how many bits the keys and values of earlier tokens are kept while an answer is made.

transformers has a quantized cache whose arithmetic other packages bring (its back ends): optimum-quanto stores 2 or 4 bits, hqq also 8.
Where the package of a format is installed, that cache is used, and the format is real. Elsewhere the same rounding is simulated.
"""

from dataclasses import dataclass
from functools import cache
from importlib import metadata

from qdash.catalog.types import Kind

GROUP = 64
"""The most numbers that share a scale and a zero point; a group divides a head's vector, so that no group spans two tokens."""

RESIDUAL_TOKENS = 128
"""So many of the newest tokens stay floats: as many as in transformers unless told otherwise."""


@dataclass(frozen=True)
class CacheFormat:
    """One format: asymmetric, from the minimum to the maximum of each group of a key or value vector.

    `axis` is transformers' number for groups that lie within a vector; its back ends count differently.
    """

    key: str
    label: str
    about: str
    bits: int
    backend: str
    package: str
    axis: int

    @property
    def kind(self) -> Kind:
        """Whether the package that stores it is installed."""
        return "real" if _is_installed(self.package) else "simulated"

    def value_bits(self, head_size: int, float_bits: int) -> float:
        """Bits of a key's or value's number in memory, with its share of a group's scale and zero point; simulated ones stay floats."""
        return self.bits + 2 * float_bits / group_of(head_size) if self.kind == "real" else float_bits


CACHES: dict[str, CacheFormat] = {
    own.key: own
    for own in (
        CacheFormat(
            key="int8", label="KV cache INT8", bits=8, backend="hqq", package="hqq", axis=1,
            about="Keys and values of earlier tokens in 8 bits.",
        ),
        CacheFormat(
            key="int4", label="KV cache INT4", bits=4, backend="quanto", package="optimum-quanto", axis=0,
            about="Keys and values of earlier tokens in 4 bits.",
        ),
    )
}  # fmt: skip


def group_of(head_size: int) -> int:
    """How many numbers of a head's vector share a scale: its largest divisor that is at most `GROUP`."""
    return max(divisor for divisor in range(1, GROUP + 1) if head_size % divisor == 0)


@cache
def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True
