"""Refuses requests that other web sites make a visitor's browser send and, on a person's own machine, host names that a stranger pointed at
it.

A page of another site can make a browser send requests here with the visitor's cookie, and on a person's own machine no cookie is needed:
`Origin` and `Sec-Fetch-Site`, which no script can forge, tell who asks. A name that resolves to this machine for a moment (DNS rebinding)
makes a stranger's page the same origin; `Host` still has that name. Frames of other sites, as on Spaces, only open the page: a navigation.
"""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from gradio.route_utils import CustomCORSMiddleware
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_WILDCARDS = {"0.0.0.0", "::", ""}
_DEFAULT_PORTS = (":80", ":443")


@dataclass(frozen=True)
class Hosts:
    """The names that a server answers to: those in `names`, everything that means this machine, and `addresses` of any kind if it listens
    on all of them. A stranger can point a name of their own here, but not an address.
    """

    names: frozenset[str]
    addresses: bool

    def allow(self, host: str) -> bool:
        """Whether `host`, as in the header of that name, is one of them."""
        name = _name(host)
        address = _address(name)
        if address is not None:
            return address.is_loopback or self.addresses or name in self.names
        return name == "localhost" or name.endswith(".localhost") or name in self.names


def hosts_of(listening: str, configured: Iterable[str], root_path: str) -> Hosts:
    """The names of a server that listens on `listening`: those `configured`, that of a public address, and this machine's own."""
    everywhere = _name(listening) in _WILDCARDS
    own = {socket.gethostname(), f"{socket.gethostname()}.local", socket.getfqdn()} if everywhere else {listening}
    names = {*configured, *own, urlsplit(root_path).netloc}
    return Hosts(frozenset(_name(name) for name in names if name), everywhere)


@dataclass(frozen=True)
class SameOrigin:
    """Middleware: 403 for requests of other sites, and for `hosts` that do not allow the name that was asked for (None: all do).

    `public`: the page's address behind a proxy that passes on neither host nor scheme, "" if there is none.
    """

    app: ASGIApp
    hosts: Hosts | None
    public: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            await PlainTextResponse(refusal, status_code=403)(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self.hosts is not None and not self.hosts.allow(host):
            return f"qdash does not answer to the name {_name(host)!r}. If it is yours, add it to QDASH_HOSTS and restart qdash."
        origin = headers.get("origin")
        ours = {_netloc(name) for name in (host, headers.get("x-forwarded-host", ""), urlsplit(self.public).netloc) if name}
        if origin is not None and _netloc(origin.partition("://")[2]) not in ours:
            return "Requests from other sites are refused."
        if headers.get("sec-fetch-site") == "cross-site" and not _navigates(scope, headers):
            return "Requests from other sites are refused."
        return None


def never_reflect_origins() -> None:
    """Let Gradio's own layer, which comes before all middleware, allow no other site to read answers. There is no setting for that."""
    CustomCORSMiddleware.is_valid_origin = lambda self, request_headers: False


def _navigates(scope: Scope, headers: Headers) -> bool:
    return scope["method"] in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"


def _netloc(text: str) -> str:
    """Host and port, without a port that the scheme implies."""
    lower = text.strip().lower()
    return next((lower.removesuffix(port) for port in _DEFAULT_PORTS if lower.endswith(port)), lower)


def _name(host: str) -> str:
    """The name or address in a `Host` header, without port and brackets."""
    try:
        return (urlsplit(f"//{host.strip()}").hostname or "").removesuffix(".")
    except ValueError:
        return host


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
