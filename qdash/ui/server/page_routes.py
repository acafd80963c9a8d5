"""Lists the routes of Gradio's server that the page needs. All others answer 404: developers' streams, server files, stored requests.

Routes that a later version of Gradio adds stay closed until they are listed here.
"""

from dataclasses import dataclass

from gradio.route_utils import API_PREFIX
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

EXACT = {"/", "/config", "/favicon.ico", "/theme.css", "/robots.txt", "/login", "/logout", "/help"}
BELOW = ("/static/", "/assets/", "/help/")
API_EXACT = {
    "/queue/join", "/queue/data", "/cancel", "/reset", "/component_server", "/upload", "/upload_progress", "/startup-events", "/theme.css",
    "/info", "/app_id", "/login_check", "/user",
}  # fmt: skip
API_BELOW = ("/heartbeat/", "/run/", "/file=")


def is_needed(path: str) -> bool:
    """Whether the page needs `path`, which begins below where a proxy shows it."""
    path = path if path == "/" else path.rstrip("/")
    if path in ("", *EXACT) or path.startswith(BELOW):
        return True
    called = path.removeprefix(API_PREFIX)
    return called != path and (called in API_EXACT or called.startswith(API_BELOW))


@dataclass(frozen=True)
class PageRoutes:
    """Middleware: 404 for everything that the page does not need. `path` is where a proxy shows the page, "" at the root of its host."""

    app: ASGIApp
    path: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 404."""
        if scope["type"] == "http" and not is_needed(scope["path"].removeprefix(self.path)):
            await PlainTextResponse("Not found.", status_code=404)(scope, receive, send)
        else:
            await self.app(scope, receive, send)
