"""The list entries of the history, and the file in which runs move from one history to another."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from qdash import __version__
from qdash.records.base import Record

RunKind = Literal["comparison", "evaluation"]


class Share(Record):
    """A run's link: anyone who knows `key` may open the run, read-only; `prompt` and `picture` say which parts of the question are
    shown.
    """

    key: str
    prompt: bool = False
    picture: bool = False


class Entry(Record):
    """A run as the list of the history shows it. `key` is its owner's handle, unguessable too."""

    key: str
    kind: RunKind
    created_at: datetime
    """When the run ended, wherever it did."""
    model: str
    labels: tuple[str, ...]
    """Names of its variants, the baseline first."""
    headline: str
    asked: str = ""
    """The beginning of the question; for an evaluation, how many questions, and from which file, if from one."""
    pinned: bool = False
    share: Share | None = None


class HistoryRun(Record):
    """One run in a file. `record`: a `Comparison` or `Evaluation` as JSON; `picture`: base64 of a small WebP, if it was about one."""

    kind: RunKind
    pinned: bool = False
    picture: str | None = None
    record: dict[str, Any]


class HistoryFile(Record):
    """What `export` writes and `import` reads."""

    qdash_history: Literal[1] = 1
    """Version of this layout."""
    qdash_version: str = __version__
    exported_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    runs: tuple[HistoryRun, ...]
