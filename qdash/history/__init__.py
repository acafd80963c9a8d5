"""Finished runs, kept: a SQLite file at `settings().history`, which outlives restarts and kills.

Kinds of record are a table (`kinds`), so that the store, the list, share links and files know nothing of any of them in particular.
"""

from functools import cache

from qdash.history.database import DamagedHistory
from qdash.history.kinds import Kept
from qdash.history.store import History, Limits, Listing, NewRun, Run
from qdash.settings import settings

__all__ = ["DamagedHistory", "History", "Kept", "Limits", "Listing", "NewRun", "Run", "history"]

_VISITORS = 20
"""In public mode no visitor may use more than this fraction of the space."""


@cache
def history() -> History:
    """The history of this process's settings."""
    limits = settings()
    own = limits.history_bytes // _VISITORS if limits.public else limits.history_bytes
    return History(limits.history, Limits(limits.history_runs, own, limits.history_bytes, all_may_go=limits.public))
