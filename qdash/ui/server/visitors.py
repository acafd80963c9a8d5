"""Tells visitors apart. On a person's own machine there is one history; in public mode every browser has one, known by a cookie.

The cookie is a random number that only the server reads (HttpOnly); the history stores its digest, so that reading the database does not
let anyone act as a visitor. Behind HTTPS the cookie also works in a frame of another site, as on Spaces, kept apart for each such site
(Partitioned). A browser that takes no cookies has a history for as long as its tab is open.
"""

import ipaddress
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from typing import Any

import gradio as gr
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qdash.settings import settings
from qdash.ui.server.page_links import opens_page
from qdash.ui.server.run_queue import Visitor

COOKIE = "qdash_visitor"
_FORM = re.compile(r"[A-Za-z0-9_-]{43}")  # secrets.token_urlsafe(32)
_YEAR_S = 365 * 24 * 3600


def owner_of(request: gr.Request) -> str:
    """The owner of the runs of the sender of `request`: "" on a person's own machine."""
    if not settings().public:
        return ""
    return owner_in(request.cookies, str(request.session_hash))


def visitor_behind(request: gr.Request) -> Visitor:
    """The sender of `request`, as the queue tells visitors apart; on a person's own machine it does not."""
    if not settings().public:
        return Visitor()
    forwarded = dict(request.headers or {}).get("x-forwarded-for", "")
    return Visitor(owner_of(request), address_of(getattr(request.client, "host", ""), forwarded))


def address_of(peer: str, forwarded: str) -> str:
    """The network address of a visitor: that of the `peer`, or what a proxy in one's own network says in X-Forwarded-For (`forwarded`).

    Each proxy appends the address it was asked from, so a forged entry comes first and the last outside address counts. For IPv6 it is the
    /64 network, as one person has a whole one. "" if unknown.
    """
    chain = [address for address in (_address(text.strip()) for text in (*forwarded.split(","), peer)) if address is not None]
    if not chain:
        return ""
    outside = next((address for address in reversed(chain) if address.is_global), None)
    # All are within one's own network: the address that the last proxy was asked from.
    found = outside or chain[-2 if len(chain) > 1 else -1]
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def owner_in(cookies: Any, session: str) -> str:
    """A digest of the visitor's cookie; of the tab's session where there is none."""
    token = dict(cookies).get(COOKIE, "") if isinstance(cookies, Mapping) else getattr(cookies, COOKIE, "")
    known = isinstance(token, str) and _FORM.fullmatch(token) is not None
    return sha256(f"visitor {token}".encode() if known else f"tab {session}".encode()).hexdigest()


@dataclass(frozen=True)
class VisitorCookie:
    """Middleware: gives the cookie to a browser that opens the page without one. `path` is where a proxy shows it, "" at the root."""

    app: ASGIApp
    path: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the cookie with the answer to it."""
        opens = opens_page(scope, self.path) and not _has_cookie(scope)

        async def sending(message: Message) -> None:
            if opens and message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("set-cookie", self._fresh(_is_https(scope)))
            await send(message)

        await self.app(scope, receive, sending)

    def _fresh(self, https: bool) -> str:
        where = "Secure; SameSite=None; Partitioned" if https else "SameSite=Lax"
        return f"{COOKIE}={secrets.token_urlsafe(32)}; Path={self.path or '/'}; Max-Age={_YEAR_S}; HttpOnly; {where}"


def _has_cookie(scope: Scope) -> bool:
    try:
        morsel = SimpleCookie(Headers(scope=scope).get("cookie", "")).get(COOKIE)
    except CookieError:
        return False
    return morsel is not None and _FORM.fullmatch(morsel.value) is not None


def _is_https(scope: Scope) -> bool:
    """Whether the browser uses HTTPS, possibly to a proxy in front of this server."""
    forwarded = Headers(scope=scope).get("x-forwarded-proto", scope.get("scheme", "http"))
    return forwarded.split(",")[0].strip() == "https"
