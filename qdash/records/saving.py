"""A version of a model that is saved as files of its own, and how it was checked that they hold it."""

from datetime import UTC, datetime

from pydantic import Field

from qdash import __version__
from qdash.records.base import Record
from qdash.records.inspector import SavedFile
from qdash.records.messages import Loaded
from qdash.records.results import Host
from qdash.records.types import Kind


class Logits(Record):
    """What a variant predicts at each of n tokens of a fixed text: `values` are float32 [n, `width`], little-endian, in C order."""

    tokens: int
    width: int
    values: bytes = Field(repr=False)
    step_by_step: bool
    """Whether the text was scored one token at a time, because the model reads it otherwise in one pass."""
    process: int
    """The number of the process that computed them."""


class ReloadCheck(Record):
    """The logits of a saved model, loaded again, beside those of the variant that was saved, at each of `tokens` tokens.

    `equal`: bit for bit. Otherwise `apart_nats` is the largest of the tokens' mean differences of log-probabilities, weighted by
    probability, and `allowed_nats` what counts as another order of the same sums.
    """

    tokens: int
    equal: bool
    apart_nats: float
    allowed_nats: float
    new_process: bool = True
    """Whether it was loaded in another process than the variant; on hosts that forbid child processes it cannot be."""

    @property
    def passed(self) -> bool:
        """Whether the saved model is the variant."""
        return self.equal or self.apart_nats <= self.allowed_nats


class Narrowed(Record):
    """How a model in plain floats was written: how many of its tensors in 16 bits, which hold them exactly, and how many in more."""

    in_16_bits: int
    in_more: int


class Written(Record):
    """The files that a worker wrote; None where they would have taken more than it was allowed, which `needed_bytes` tells."""

    loaded: Loaded
    needed_bytes: int
    files: tuple[SavedFile, ...] | None = None
    narrowed: Narrowed | None = None
    """None for a quantized model."""


class Saved(Record):
    """A version of a model that was saved, loaded again and found to be the same."""

    qdash_version: str = __version__
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    model: str
    scheme: str
    label: str
    kind: Kind
    host: Host
    where: str
    """A folder, a zip file, or the address of a repository on the hub."""
    loads_from: str
    """What `from_pretrained` takes in `snippet`: the name of the folder, or of the repository."""
    files: tuple[SavedFile, ...]
    narrowed: Narrowed | None
    loaded: Loaded
    check: ReloadCheck
    snippet: str
    """Python that loads it, with transformers alone."""
    base_model: str | None = None
    """The hub id of the model that it was made from, where it has one."""
    licence: str | None = None
    """Of that model, by its identifier on the hub, where it is known."""

    @property
    def weights_bytes(self) -> int:
        """Bytes of the weight files."""
        return sum(file.size_bytes for file in self.files if file.name.endswith(".safetensors"))

    @property
    def on_hub(self) -> bool:
        """Whether it is in a repository on the hub."""
        return self.where.startswith(("https://", "http://"))

    @property
    def snippet_here(self) -> str:
        """`snippet` with the folder where it lies now. A repository has its name everywhere; a zip file has to be unpacked first."""
        if self.on_hub or self.where.endswith(".zip"):
            return self.snippet
        return self.snippet.replace(f"folder = {self.loads_from!r}", f"folder = {self.where!r}", 1)
