"""A run that is open on the History tab: where it is, not what is in it. There are many tabs, and each keeps this as long as it lives."""

from dataclasses import dataclass

from qdash.errors import QdashError
from qdash.history import Run, history


@dataclass(frozen=True)
class OpenRun:
    """`key` is the run's own or that of a share link, `owner` the visitor who opened it; `own`: whether it is theirs."""

    key: str
    owner: str
    own: bool

    def read(self) -> Run | None:
        """The run as it is now; None if it has been deleted, or is no longer shared."""
        try:
            return history().open(self.key, self.owner)
        except QdashError:
            return None
