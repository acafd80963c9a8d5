"""Logs each request that cannot be answered in one line, a limited number a minute, because strangers can send anything.

Gradio prints a traceback for every event it cannot use and answers 500. Here such a request is answered 400 unless qdash's own code raised
the error; then the traceback is logged, at most once a minute.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TextIO

import fastapi
import gradio
import starlette
from gradio import queueing, routes
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LINES_A_MINUTE = 30
_OURS = f"{Path(__file__).parents[2]}{os.sep}"
_THEIRS = tuple(f"{Path(module.__file__ or '').parent}{os.sep}" for module in (gradio, starlette, fastapi))


@dataclass
class _Request:
    """A request and what has gone wrong in it. What it has started, Gradio's queue among it, goes on in its context when it is `over`."""

    faults: list[BaseException] = field(default_factory=list)
    over: bool = False


_request: ContextVar[_Request | None] = ContextVar("request", default=None)


@dataclass
class FaultLog:
    """Writes faults to `stream` (standard error), at most LINES_A_MINUTE, and says how many it has left out."""

    clock: Callable[[], float] = time.monotonic
    stream: TextIO | None = None
    _minute: float = -1.0
    _lines: int = 0
    _traced: float = field(default=float("-inf"))

    def write(self, error: BaseException, what: str = "an event") -> None:
        """One line about `error`; all of it where it is ours, unless there was one within a minute."""
        now = self.clock()
        if now - self._minute >= 60 or self._minute < 0:
            left_out, self._minute, self._lines = self._lines - LINES_A_MINUTE, now, 0
            if left_out > 0:
                self._print(f"qdash: {left_out} more faults in the last minutes")
        self._lines += 1
        if self._lines > LINES_A_MINUTE:
            return
        self._print(f"qdash: {what[:200]!r} failed: {_said(error)}")
        if is_ours(error) and now - self._traced >= 60:
            self._traced = now
            self._print("".join(traceback.format_exception(error)).rstrip())

    def _print(self, text: str) -> None:
        with suppress(OSError):  # no room for the log: the request is answered all the same
            print(text, file=self.stream or sys.stderr, flush=True)


_log = FaultLog()


def log_fault(error: BaseException, what: str) -> None:
    """Write `error`, at which `what` failed, to the log of all faults."""
    _log.write(error, what)


def is_ours(error: BaseException) -> bool:
    """Whether qdash's own code failed: a handler that Gradio has called, or a layer in front of Gradio."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    # Layers of both surround each other; what counts is who was at work last.
    return next((file.startswith(_OURS) for file in reversed(files) if file.startswith((_OURS, *_THEIRS))), True)


def log_in_lines() -> None:
    """Redirect Gradio's tracebacks to this log; it has no setting for them."""

    def print_exc() -> None:
        error, request = sys.exception(), _request.get()
        if error is not None and request is not None and not request.over:
            request.faults.append(error)
        elif error is not None:
            _log.write(error)

    for module in (routes, queueing):
        module.traceback = SimpleNamespace(print_exc=print_exc, format_exc=traceback.format_exc)  # type: ignore[attr-defined] - its name for the standard module


@dataclass(frozen=True)
class RequestFaults:
    """The outermost middleware: logs every error of `app` and answers without details."""

    app: ASGIApp
    log: FaultLog = field(default_factory=lambda: _log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _Request()
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                if message["status"] == 500 and request.faults and not any(map(is_ours, request.faults)):
                    message = {**message, "status": 400}
            await send(message)

        token = _request.set(request)
        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            request.faults.append(error)
            if not begun:
                ours = is_ours(error)
                said = "Something went wrong inside qdash." if ours else "This request cannot be used."
                await PlainTextResponse(said, status_code=500 if ours else 400)(scope, receive, send)
        finally:
            _request.reset(token)
            request.over = True
            for fault in request.faults:
                self.log.write(fault, scope["path"])
            request.faults.clear()


def _said(error: BaseException) -> str:
    words = " ".join(str(error).split())
    return f"{type(error).__name__}{f': {words[:200]}' if words else ''}"
