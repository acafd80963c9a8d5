"""Whether a model fits at a length of context: what each scheme takes, on which cards that is there, and what was measured of it."""

from datetime import UTC, datetime

from pydantic import Field

from qdash import __version__
from qdash.records.base import Record
from qdash.records.results import ErrorRecord, Host
from qdash.records.types import Dtype, Kind


class FitSizes(Record):
    """Bytes at the worst moment of reading the context: weights, the key-value cache, and what is computed meanwhile.

    `loading_bytes`: of weights at the worst moment of loading, when some schemes have them as plain floats.
    """

    weights_bytes: int
    cache_bytes: int
    working_bytes: int
    loading_bytes: int

    @property
    def total_bytes(self) -> int:
        """All three."""
        return self.weights_bytes + self.cache_bytes + self.working_bytes

    @property
    def needed_bytes(self) -> int:
        """What must be there: all three, or what loading takes if that is more."""
        return max(self.total_bytes, self.loading_bytes)


class FitScheme(Record):
    """One scheme, estimated: `here` in the report's `dtype`, `on_card` in its `card_dtype`.

    `cards`: sizes in GB of the cards on which it fits. `rough`: its weights are told from the files' headers alone.
    """

    scheme: str
    label: str
    kind: Kind
    bits: int | None
    here: FitSizes
    on_card: FitSizes
    fits_here: bool
    cards: tuple[int, ...]
    rough: bool = False


class MeasuredContext(Record):
    """The peak of a run of `context` tokens under a scheme beside its estimate; `problem` says why it could not be measured."""

    scheme: str
    context: int
    estimated_bytes: int
    peak_bytes: int | None = None
    problem: ErrorRecord | None = None

    @property
    def error(self) -> float | None:
        """How far the estimate is off, as a share of the peak: 0.05 is 5 % too high."""
        return None if not self.peak_bytes else self.estimated_bytes / self.peak_bytes - 1


class FitReport(Record):
    """All of it. `context` counts the tokens of a conversation, prompt and answer, `conversations` how many are held at once.
    `context_chosen`: somebody asked for this length; else it is the usual one, or the model's own where that is shorter.

    `available_bytes` is what this machine's device has for a model. `longest_context` is what the model was made for, `picture_tokens` what
    a picture takes of the context; None where its files do not say. `has_states`: some layers keep a state of a constant size in the place
    of keys and values.
    """

    qdash_version: str = __version__
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    model: str
    host: Host | None = None
    context: int
    context_chosen: bool = True
    conversations: int
    dtype: Dtype
    card_dtype: Dtype
    available_bytes: int
    longest_context: int | None
    picture_tokens: int | None = None
    has_states: bool = False
    schemes: tuple[FitScheme, ...]
    measured: tuple[MeasuredContext, ...] = ()
