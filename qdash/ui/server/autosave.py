"""Saves finished runs in the history. A failed save is shown to the user and never costs the result."""

from qdash.errors import QdashError
from qdash.history import Kept, history
from qdash.history.kinds import has_results
from qdash.ui.server.run_errors import internal_error


def keep(record: Kept, owner: str, png: bytes | None = None) -> QdashError | None:
    """Keep `record` for `owner` if anything in it ran; returns what to put into the banner if that could not be done."""
    if not has_results(record):
        return None
    try:
        history().keep(record, owner=owner, png=png)
    except QdashError as error:
        return QdashError(f"This run may not be in the history. {error.message}", error.remedy, error.kind)
    except Exception:
        return internal_error()
    return None
