"""The page's links stay below the page; everything else a server answers is left as it is."""

import asyncio
from pathlib import Path

import gradio as gr
import pytest
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from qdash.ui.server.page_links import ICON, MANIFEST, PageLinks, described

PREVIEW = b'<meta property="og:title" content="Gradio" />\n<meta\n name="twitter:image"\n content="https://x/y.jpg"\n/>'
PAGE = b"<head>" + PREVIEW + MANIFEST + "</head>é".encode()
OURS = "http://here.test"


def _answered(response: Response, path: str = "/", method: str = "GET", shown_at: str = "") -> tuple[bytes, dict[str, str]]:
    """Body and headers that come out for what goes in."""
    sent = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return await asyncio.Future()

    scope = {"type": "http", "path": path, "method": method, "headers": [(b"host", b"here.test")]}
    asyncio.run(PageLinks(response, shown_at)(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return b"".join(message["body"] for message in sent[1:]), headers


@pytest.mark.parametrize(("path", "shown_at"), [("/", ""), ("/", "/qdash"), ("/qdash/", "/qdash")])
def test_the_page_links_its_own_icon_and_no_manifest(path: str, shown_at: str) -> None:
    body, headers = _answered(HTMLResponse(PAGE), path, shown_at=shown_at)
    assert body == described(PAGE, OURS + shown_at) and headers["content-length"] == str(len(body))
    assert ICON in body and MANIFEST not in body and f'content="{OURS}{shown_at}/help/compare.png"'.encode() in body
    assert b"Gradio" not in body and b"y.jpg" not in body


def test_a_page_that_comes_in_pieces_is_put_together() -> None:
    pieces = (PAGE[at : at + 7] for at in range(0, len(PAGE), 7))
    body, _ = _answered(StreamingResponse(pieces, media_type="text/html"))
    assert body == described(PAGE, OURS)


@pytest.mark.parametrize(
    ("response", "path", "method"),
    [(HTMLResponse(PAGE), "/other", "GET"), (PlainTextResponse(PAGE), "/", "GET"), (HTMLResponse(PAGE), "/", "POST")],
)
def test_nothing_else_is_touched(response: Response, path: str, method: str) -> None:
    assert _answered(response, path, method)[0] == PAGE


def test_an_answer_that_never_comes_is_not_waited_for() -> None:
    async def leaves(scope: Scope, receive: Receive, send: Send) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(PageLinks(leaves, "")({"type": "http", "path": "/", "method": "GET", "headers": []}, None, None))  # type: ignore[arg-type]


def test_gradio_names_the_manifest_in_these_words() -> None:
    page = (Path(gr.__file__).parent / "templates" / "frontend" / "index.html").read_bytes()
    assert page.count(MANIFEST) == 1
    assert page.count(b"og:title") == page.count(b"twitter:title") == 2
    ours = described(page, OURS)
    assert ours.count(b"og:title") == ours.count(b"twitter:title") == 1 and b"@Gradio" not in ours and b"raw.githubusercontent" not in ours


def test_what_a_browser_says_of_its_host_is_no_markup() -> None:
    assert b'"><script>' not in described(PAGE, 'http://"><script>')
