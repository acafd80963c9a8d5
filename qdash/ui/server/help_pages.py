"""Serves the README and the documents as pages, so that help is one click away, offline too: /help, /help/verdict.md …

Only files of a table made at the start are read. Raw HTML in them is not passed on; links between them stay here, links to the source
become plain words.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from qdash.catalog.models import ASSETS
from qdash.markup import Macros
from qdash.ui.components.static import css

_draw = Macros(__name__)

_INSTALLED = ASSETS.parent / "documents"
ROOT = _INSTALLED if _INSTALLED.is_dir() else ASSETS.parents[1]
"""What has the README, the documents and their pictures: a folder that setup.py adds to the package, or the repository."""
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_LINK = re.compile(r'<a href="(?!https?:|#)([^"]*)">(.*?)</a>', re.DOTALL)
_IMAGE = re.compile(r'<img src="(?:[^"]*/)?([^"/]+)"')
_STYLE = (
    "body { max-width: 78ch; margin: 0 auto; padding: 24px 18px 60px; font: 16px/1.6 system-ui, sans-serif; } img { max-width: 100%; } "
    "pre { overflow-x: auto; padding: 10px 12px; border-radius: 9px; background: var(--chip); } a { color: var(--accent); } "
    "table { display: block; overflow-x: auto; } "
    "td, th { padding: 4px 12px 4px 0; text-align: left; border-bottom: 1px solid var(--line); }"
)


@cache
def pages() -> dict[str, Path]:
    """The last part of an address → the file: "" is the README."""
    documents = {path.name: path for path in sorted((ROOT / "docs").glob("*.md"))}
    pictures = {path.name: path for path in sorted((ROOT / "assets" / "screenshots").glob("*.png"))}
    return {"": ROOT / "README.md", **documents, **pictures}


@cache
def page_of(path: Path) -> Markup:
    """A document as a page of its own."""
    text = _FRONT_MATTER.sub("", path.read_text(encoding="utf-8"))
    body = _IMAGE.sub(r'<img src="\1"', MarkdownIt("commonmark", {"html": False}).enable("table").render(text))
    palette = css().split("\n/* The frame", 1)[0].replace(".dark {", "@media (prefers-color-scheme: dark) { :root {", 1)
    style = f"{_closed(palette)} body {{ background: var(--bg); color: var(--ink); }} {_STYLE}"
    # Both are of our own making: markdown-it passes no HTML on.
    return _draw.page(Markup(style), Markup(_LINK.sub(_linked, body)))


def _closed(palette: str) -> str:
    """The block of dark colours, wrapped in a query, ends one brace later."""
    head, query, rest = palette.partition("@media (prefers-color-scheme: dark) { :root {")
    return head + query + rest.replace("}", "} }", 1)


def _linked(link: re.Match[str]) -> str:
    name = link[1].rpartition("/")[2]
    return f'<a href="{name}">{link[2]}</a>' if name and name in pages() else link[2]


@dataclass(frozen=True)
class HelpPages:
    """Middleware: answers for /help. `path` is where a proxy shows the page, "" at the root of its host."""

    app: ASGIApp
    path: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        answer = self._answer(scope["path"].removeprefix(self.path)) if scope["type"] == "http" and scope["method"] == "GET" else None
        await (answer or self.app)(scope, receive, send)

    def _answer(self, address: str) -> Response | None:
        if address == "/help":
            return RedirectResponse(f"{self.path}/help/")
        found = pages().get(address.removeprefix("/help/")) if address.startswith("/help/") else None
        if found is None or not found.is_file():
            return None
        return FileResponse(found) if found.suffix == ".png" else HTMLResponse(page_of(found))
