"""The browser tabs that use this server: whose each is, and whether it still listens.

Gradio knows a tab by a number that the tab makes up, and believes whoever sends it. Here a tab belongs to the cookie (see `visitors`) that
its first request came with. It is there as long as one of its streams is open, and for a minute after: a request that nobody listens to is
not somebody to work for.
"""

import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qdash.ui.visitors import COOKIE

AWAY_S = 60.0
"""How long a tab without a stream still counts as there."""

MOST_TABS = 10_000
_NUMBER = re.compile(r"[A-Za-z0-9-]{1,64}")
_STREAMS = ("/heartbeat/", "/queue/data")
_IN_BODY = ("/queue/join", "/cancel", "/component_server")


@dataclass
class _Tab:
    owner: str
    seen: float
    streams: int = 0


@dataclass
class Tabs:
    """All tabs that have been seen; the ones that were away longest are forgotten first."""

    clock: Callable[[], float] = time.monotonic
    most: int = MOST_TABS
    _tabs: OrderedDict[str, _Tab] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def claim(self, number: str, owner: str) -> bool:
        """Note a request of the tab `number` with the cookie `owner`; False if the tab is somebody else's."""
        with self._lock:
            tab = self._tabs.get(number)
            if tab is None:
                self._forget()
                tab = self._tabs[number] = _Tab(owner, self.clock())
            elif tab.owner != owner:
                return False
            tab.seen = self.clock()
            self._tabs.move_to_end(number)
            return True

    def listens(self, number: str, change: int) -> None:
        """One of its streams opens (1) or ends (-1)."""
        with self._lock:
            tab = self._tabs.get(number)
            if tab is not None:
                tab.streams += change
                tab.seen = self.clock()

    def is_here(self, number: str) -> bool:
        """Whether the tab has a stream, or has sent or read something within the last minute."""
        with self._lock:
            tab = self._tabs.get(number)
            return tab is not None and (tab.streams > 0 or self.clock() - tab.seen <= AWAY_S)

    def _forget(self) -> None:
        if len(self._tabs) >= self.most:
            away = next((number for number, tab in self._tabs.items() if tab.streams <= 0), next(iter(self._tabs)))
            del self._tabs[away]


@dataclass(frozen=True)
class TabGuard:
    """Middleware: notes the tab of each request in `tabs`; 403 if it is somebody else's. It has to come after what limits bodies."""

    app: ASGIApp
    tabs: Tabs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        number, receive = await _tab_of(scope, receive)
        if number is None:
            await self.app(scope, receive, send)
            return
        if not _NUMBER.fullmatch(number) or not self.tabs.claim(number, Request(scope).cookies.get(COOKIE, "")):
            refusal = "This tab of the page belongs to somebody else. Reload the page."
            await PlainTextResponse(refusal, status_code=403)(scope, receive, send)
            return
        if not any(stream in scope["path"] for stream in _STREAMS):
            await self.app(scope, receive, send)
            return
        self.tabs.listens(number, 1)
        try:
            await self.app(scope, receive, send)
        finally:
            self.tabs.listens(number, -1)


async def _tab_of(scope: Scope, receive: Receive) -> tuple[str | None, Receive]:
    """The number of the tab that sends a request, None if it names none; and the request's body, to be read again."""
    path = scope["path"]
    if "/heartbeat/" in path:
        return path.rpartition("/heartbeat/")[2], receive
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("session_hash")
    if asked:
        return asked[0], receive
    if scope["method"] != "POST" or not (path.rstrip("/").endswith(_IN_BODY) or "/run/" in path or "/api/" in path):
        return None, receive
    body, receive = await _read(receive)
    try:
        said = json.loads(body)
    except ValueError:  # Gradio says what is wrong with it
        return None, receive
    number = said.get("session_hash") if isinstance(said, dict) else None
    return (number if isinstance(number, str) else None), receive


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    messages: list[Message] = []
    body = bytearray()
    while True:
        message = await receive()
        messages.append(message)
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            break

    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    return bytes(body), again
