"""Compresses the page, the largest response; Gradio compresses its scripts and styles only.

Only the page is touched: streams of events must go out as they come, and files to take away may be asked for in parts.
"""

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from qdash.ui.server.page_links import opens_page

LEVEL = 6


class PageZipped:
    """Middleware. `path` is where a proxy shows the page, "" at the root of its host."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self.app, self.path = app, path
        self.zipped = GZipMiddleware(app, compresslevel=LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        await (self.zipped if opens_page(scope, self.path) else self.app)(scope, receive, send)
