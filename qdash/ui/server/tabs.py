"""The browser tabs that use this server: each tab's owner, and whether it still listens.

Gradio identifies a tab by a number that the tab makes up, and trusts any sender of it. Here a tab belongs to the cookie (see `visitors`) of
its first request. It is there as long as one of its streams is open, and for a minute after; nothing is computed for a tab that no longer
listens.
"""

import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock, Thread
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qdash.present.language import _
from qdash.settings import settings
from qdash.ui.server.visitors import COOKIE, address_of

AWAY_S = 60.0
"""How long a tab without a stream still counts as there."""

FORGOTTEN_S = 600.0
"""After this time a tab that has gone cannot be taken up again; one that never had a stream was none."""

MOST_TABS = 10_000
SWEEP_S = 20.0
MOST_UNREAD = 200
"""Messages that may wait for a tab that does not read them; a tab that does has a few. Gradio keeps them all."""

NEW_A_MINUTE = 120
"""Tabs that may be opened from one network address; a room of people behind one address stays far below."""
_NUMBER = re.compile(r"[A-Za-z0-9-]{1,64}")
_STREAMS = ("/heartbeat/", "/queue/data")
_IN_BODY = ("/queue/join", "/cancel", "/component_server")


@dataclass
class _Tab:
    owner: str
    address: str
    opened: float
    seen: float
    streams: int = 0
    listened: bool = False


@dataclass
class Tabs:
    """All tabs that have been seen; the ones that were away longest are forgotten first. `when_gone`: what is called with each of these."""

    clock: Callable[[], float] = time.monotonic
    most: int = MOST_TABS
    when_gone: list[Callable[[str], object]] = field(default_factory=list)
    _tabs: OrderedDict[str, _Tab] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def claim(self, number: str, owner: str, address: str = "") -> str | None:
        """Note a request of the tab `number` with the cookie `owner`; returns why it is refused, None if it is not."""
        with self._lock:
            tab, now = self._tabs.get(number), self.clock()
            if tab is None:
                if address and self._new_from(address, now) >= NEW_A_MINUTE:
                    return _("Too many tabs were opened from your network address. Try again in a minute.")
                tab = self._tabs[number] = _Tab(owner, address, now, now)
            elif tab.owner != owner:
                return _("This tab belongs to another visitor. Reload the page.")
            tab.seen = now
            self._tabs.move_to_end(number)
            return None

    def forget(self) -> None:
        """Forget the tabs that are gone, and those that are too many."""
        with self._lock:
            now, gone = self.clock(), []
            for number, tab in self._tabs.items():
                too_many = len(self._tabs) - len(gone) > self.most
                if tab.streams <= 0 and (too_many or now - tab.seen > (FORGOTTEN_S if tab.listened else AWAY_S)):
                    gone.append(number)
            for number in gone:
                del self._tabs[number]
        for number in gone:
            for tell in self.when_gone:
                tell(number)

    def listens(self, number: str, change: int) -> None:
        """One of its streams opens (1) or ends (-1)."""
        with self._lock:
            tab = self._tabs.get(number)
            if tab is not None:
                tab.streams += change
                tab.seen, tab.listened = self.clock(), True

    def is_here(self, number: str) -> bool:
        """Whether the tab has a stream, or has sent or read something within the last minute."""
        with self._lock:
            tab = self._tabs.get(number)
            return tab is not None and (tab.streams > 0 or self.clock() - tab.seen <= AWAY_S)

    def _new_from(self, address: str, now: float) -> int:
        return sum(tab.address == address and now - tab.opened < 60 for tab in self._tabs.values())


@dataclass(frozen=True)
class TabGuard:
    """Middleware: notes the tab of each request in `tabs`; 403 if it belongs to another visitor, 429 if it sends more without reading the
    answers.

    It has to come after what limits bodies. `unread`: how many messages wait for a tab.
    """

    app: ASGIApp
    tabs: Tabs
    unread: Callable[[str], int] = lambda number: 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        number, receive = await _tab_of(scope, receive)
        if number is None:
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope, number)
        if refusal is not None:
            await PlainTextResponse(refusal, status_code=403)(scope, receive, send)
            return
        if scope["path"].rstrip("/").endswith("/queue/join") and self.unread(number) > MOST_UNREAD:
            await PlainTextResponse(_("This tab does not read its answers. Reload the page."), status_code=429)(scope, receive, send)
            return
        if not any(stream in scope["path"] for stream in _STREAMS):
            await self.app(scope, receive, send)
            return
        self.tabs.listens(number, 1)
        try:
            await self.app(scope, receive, send)
        finally:
            self.tabs.listens(number, -1)

    def _refusal(self, scope: Scope, number: str) -> str | None:
        if not _NUMBER.fullmatch(number):
            return "This is not a tab of the page."
        request = Request(scope)
        peer = request.client.host if request.client else ""
        address = address_of(peer, request.headers.get("x-forwarded-for", "")) if settings().public else ""
        return self.tabs.claim(number, request.cookies.get(COOKIE, ""), address)


def sweep(tabs: Tabs, every_s: float = SWEEP_S) -> None:
    """Forget the tabs that are gone, periodically, in a thread that ends with the process."""

    def sweeping() -> None:
        while True:
            time.sleep(every_s)
            tabs.forget()

    Thread(target=sweeping, daemon=True, name="tabs").start()


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
