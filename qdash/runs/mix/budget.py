"""A budget as people write it: a size, bits per weight, times smaller than the original, or the most damage that is allowed."""

import re
from dataclasses import dataclass
from typing import Literal

from qdash.errors import QdashError

Unit = Literal["bytes", "bits", "times", "nats"]

_UNITS: dict[str, tuple[Unit, float]] = {
    "b": ("bytes", 1), "kb": ("bytes", 1e3), "mb": ("bytes", 1e6), "gb": ("bytes", 1e9), "tb": ("bytes", 1e12),
    "kib": ("bytes", 2**10), "mib": ("bytes", 2**20), "gib": ("bytes", 2**30), "tib": ("bytes", 2**40),
    "bit": ("bits", 1), "bits": ("bits", 1), "x": ("times", 1), "×": ("times", 1), "nat": ("nats", 1), "nats": ("nats", 1),
}  # fmt: skip
_WRITTEN = re.compile(r"(\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})\s*([a-z×]{1,4})", re.IGNORECASE)
EXAMPLES = "1.2GB, 900MiB, 3.5bits per weight, 4x smaller, or 0.05nats of damage at most"


@dataclass(frozen=True)
class Budget:
    """`amount` in bytes, bits per weight, times smaller than the original, or nats."""

    amount: float
    unit: Unit


def read_budget(text: str) -> Budget:
    """The budget that `text` writes; raises QdashError."""
    written = _WRITTEN.fullmatch(text.strip())
    unit, factor = _UNITS.get(written[2].lower(), (None, 0.0)) if written else (None, 0.0)
    if written is None or unit is None:
        raise QdashError(f"“{text[:80]}” is not a budget.", f"Write one such as {EXAMPLES}.")
    amount = float(written[1]) * factor
    if amount <= 0 and unit != "nats":
        raise QdashError(f"A budget of “{text[:80]}” leaves room for nothing.", f"Write one such as {EXAMPLES}.")
    return Budget(amount, unit)
