"""The errors that a page shows for a run that failed or was stopped. Tracebacks go to the server's log, never to the page."""

import sys

from qdash.errors import QdashError
from qdash.remedies import by_reader
from qdash.ui.server.request_faults import log_fault


def by_button(error: QdashError, button: str) -> QdashError:
    """`error`; after Stop its remedy names the `button` that starts again, which only the page knows."""
    return QdashError(error.message, f"Press {button} to start again.", error.kind) if error.kind == "cancelled" else error


def internal_error() -> QdashError:
    """Log the current exception, within the log's limit a minute, and return the error to show."""
    error = sys.exception()
    if error is not None:
        log_fault(error, "a job")
    said = by_reader(owner="the server's log has the details.", visitor="tell the operator of this server.")
    return QdashError("Something went wrong inside qdash.", f"Your inputs are kept; try once more. If it happens again, {said}", "internal")
