"""What is inside a variant: how many numbers, in which types, how large in memory and on disk, and what that means."""

from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from qdash import __version__
from qdash.records.base import Record
from qdash.records.results import Coverage, Host
from qdash.records.types import Kind


class PartInside(Record):
    """One part of a model (see `catalog.parts.part_of`). What two parts share, as a tied head does, counts for the first."""

    part: str
    counted: int
    """What torch counts: two 4-bit weights packed in a byte are one, weights in packed objects none."""
    parameters: int
    """How many weights, biases and the like the part has."""
    stored: dict[str, int]
    """dtype ("uint8", "float32" …) → bytes in memory, scales and codes included."""
    computes_in: tuple[str, ...]
    """dtypes of the arithmetic of its linear layers; "int8" where products are of 8-bit integers."""

    @property
    def size_bytes(self) -> int:
        """Bytes in memory."""
        return sum(self.stored.values())


class QuantizedInside(Record):
    """The quantized layers of a variant together; biases are not in `counted` and `parameters`."""

    schemes: dict[str, int]
    """Key of a scheme → layers it quantized. A recipe has several."""
    experts: dict[str, int] = {}
    """Key of a scheme → parameters it quantized that hold all experts of a block in one."""
    counted: int
    parameters: int
    stored: dict[str, int]
    """As in `PartInside`, biases included."""
    computes_in: tuple[str, ...]

    @property
    def layers(self) -> int:
        """How many there are."""
        return sum(self.schemes.values())


class SavedFile(Record):
    """A file that `save_pretrained` wrote."""

    name: str
    size_bytes: int


class Explanation(Record):
    """A common question, answered from this variant's own numbers. Plain text."""

    question: str
    answer: str


class InspectorReport(Record):
    """All of it. `saved` and `saved_as` are None where nothing was written, and `not_saved` then says why."""

    qdash_version: str = __version__
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    model: str
    scheme: str
    label: str
    kind: Kind
    host: Host | None = None
    dtype: str
    """What `model.dtype` says."""
    counted: int
    """`sum(p.numel() for p in model.parameters())`, in which packed 4-bit weights count half."""
    parameters: int
    """How many weights, biases and the like there are."""
    parts: tuple[PartInside, ...]
    quantized: QuantizedInside | None
    """None where no layer is quantized."""
    coverage: Coverage | None = None
    """What was quantized of all weights, and what was left and why; None in records of earlier versions."""
    weights_bytes: int
    """Exactly what is in memory."""
    estimate_bytes: int
    """`counted` times the bytes of `dtype`: the estimate that tutorials print."""
    footprint_bytes: int
    """`model.get_memory_footprint()`, the estimate of transformers."""
    projected_bytes: int | None = None
    """Simulated schemes only: what the weights would take if really stored in the format, scales included."""
    saved: tuple[SavedFile, ...] | None
    saved_as: dict[str, int] | None
    """dtype → bytes of tensors in the weight files, as their headers say."""
    not_saved: str | None = None
    quantization_config: dict[str, Any] | None
    explanations: tuple[Explanation, ...] = ()

    @property
    def saved_bytes(self) -> int | None:
        """Bytes of the weight files."""
        return None if self.saved is None else sum(file.size_bytes for file in self.saved if file.name.endswith(".safetensors"))
