"""The errors that a page shows for a run that failed or was stopped. Tracebacks go to the server's log, never to the page."""

import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

from qdash.errors import QdashError
from qdash.remedies import by_reader
from qdash.ui.server.request_faults import log_fault

ViewT = TypeVar("ViewT")


def guarded(views: Iterator[ViewT], button: str, failed: Callable[[QdashError, ViewT | None], ViewT]) -> Iterator[ViewT]:
    """The views of a run that the `button` starts. Never raises: what goes wrong ends it with what `failed` makes of the error and of the
    last view, if there was one.
    """
    view: ViewT | None = None
    try:
        for view in views:
            yield view
    except QdashError as error:
        yield failed(by_button(error, button), view)
    except Exception:
        yield failed(internal_error(), view)


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
