"""Response headers that forbid the browser to guess types, to send the address to other sites, to show the page in a foreign frame, and to
run foreign scripts; and one that lets it keep what never changes.

The page's scripts carry a number that is new with each page (a nonce). Text that turns into markup by a fault could still show something,
but not run. Gradio's templates need `unsafe-eval`: scripts of HTML components are functions made of text that this server has sent.
"""

import re
import secrets
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qdash.ui.server.page_links import opens_page

FRAMED_BY = "'self' https://huggingface.co"
# Also those that Gradio adds later: they are text in its configuration, with "<" and ">" as escapes.
_SCRIPT = re.compile(rb"<script(?=[\s>])|\\u003cscript(?=\\u003e)")
_ALWAYS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
ASSETS = "/assets/"
"""Below it are Gradio's scripts and styles, several MB of them. Their names have a hash of their contents, but Gradio does not say that
they may be kept: browsers ask for all of them again, and are sent them whole, compressed anew."""
FOR_EVER = "public, max-age=31536000, immutable"


def policy(nonce: str, *, space: bool = False) -> str:
    """The Content-Security-Policy: nothing comes from anywhere else, but on a Space what its bar at the top reads from Hugging Face."""
    script = f"'nonce-{nonce}' 'unsafe-eval'" if nonce else ""
    also = " https://huggingface.co https://*.huggingface.co" if space else ""
    return (
        f"default-src 'self'; script-src 'self' {script}; style-src 'self' 'unsafe-inline'; connect-src 'self'{also}; "
        f"img-src 'self' data: blob:{also}; "
        "media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
        f"form-action 'self'; frame-ancestors {FRAMED_BY}"
    )


@dataclass(frozen=True)
class ResponseHeaders:
    """Middleware. `path` is where a proxy shows the page, "" at the root of its host. It has to be before what compresses the page."""

    app: ASGIApp
    path: str
    space: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; the page goes out as a whole, its scripts marked."""
        nonce = secrets.token_hex(16) if opens_page(scope, self.path) and scope["method"] == "GET" else ""
        kept = scope["type"] == "http" and scope["path"].removeprefix(self.path).startswith(ASSETS)
        start: Message = {}
        body = b""

        async def sending(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update({**_ALWAYS, "Content-Security-Policy": policy(nonce, space=self.space)})
                if kept and message["status"] == 200:
                    headers["Cache-Control"] = FOR_EVER
                if nonce and "html" in Headers(scope=message).get("content-type", ""):
                    start = message
                    return
            if not start or message["type"] != "http.response.body":
                await send(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                page = _SCRIPT.sub(rb"\g<0> nonce=" + nonce.encode(), body)
                MutableHeaders(scope=start)["content-length"] = str(len(page))
                await send(start)
                await send({**message, "body": page})

        await self.app(scope, receive, sending)
