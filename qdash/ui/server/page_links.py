"""Names the language in the page's head, and rewrites its links and description, so that they work behind a proxy that shows the page
under a path.

Gradio's page links a manifest, for installing it as an app, at the root of its host, and names no icon, so that browsers ask for one there.
Behind a proxy both addresses belong to another site. The page cannot be installed anyway, so the manifest's link becomes the icon's.
Gradio's description for link previews is replaced by one of this page.
"""

import re
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qdash.markup import Macros
from qdash.present import language
from qdash.present.language import _
from qdash.ui.components import text

_draw = Macros(__name__)

MANIFEST = b'<link rel="manifest" href="/manifest.json" />'
ICON = b'<link rel="icon" type="image/svg+xml" href="favicon.ico" />'
_PREVIEWS = re.compile(rb'<meta\s+(?:property="og:|name="twitter:)[^>]*/>\s*')
_LANGUAGE = re.compile(rb'(<html\b[^>]*\blang=)"en"')
_PICTURE = "help/compare.png"


def opens_page(scope: Scope, path: str) -> bool:
    """Whether a request is for the page itself. Some proxies take `path`, where they show it, off the requests, some do not."""
    return scope["type"] == "http" and scope["path"].removeprefix(path) in ("", "/")


def described(page: bytes, address: str) -> bytes:
    """`page`, which is found at `address`, with its language, its icon and a preview of its own."""
    title = f"qdash: {_(text.TAGLINE)}"
    about = f"{title}. {_(text.EMPTY_HEADLINE)}"
    told = {"title": title, "description": about, "image": f"{address}/{_PICTURE}"}
    ours = _draw.description(about, address, told)
    named = _LANGUAGE.sub(rb'\1"%s"' % language.language().replace("_", "-").encode(), page, count=1)
    return _PREVIEWS.sub(b"", named).replace(MANIFEST, ICON + ours.encode())


def _address(scope: Scope, path: str) -> str:
    """The page's address as the browser or a proxy states it; it is echoed to that request only."""
    headers = Headers(scope=scope)
    scheme = headers.get("x-forwarded-proto", scope.get("scheme", "http")).split(",")[0].strip()
    return f"{'https' if scheme == 'https' else 'http'}://{headers.get('x-forwarded-host', headers.get('host', ''))}{path}"


@dataclass(frozen=True)
class PageLinks:
    """Middleware: replaces the link and the previews. `path` is where a proxy shows the page, "" at the root of its host."""

    app: ASGIApp
    path: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; the page goes out as a whole."""
        if not opens_page(scope, self.path) or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        start: Message = {}
        body = b""

        async def sending(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and "html" in Headers(scope=message).get("content-type", ""):
                start = message
            elif not start or message["type"] != "http.response.body":
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    page = described(body, _address(scope, self.path))
                    MutableHeaders(scope=start)["content-length"] = str(len(page))
                    await send(start)
                    await send({**message, "body": page})

        await self.app(scope, receive, sending)
