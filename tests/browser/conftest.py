"""A real server in a process of its own, and a real browser that fails the test on console errors and on requests to anywhere else."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.support.serving import Server

BROWSER_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--disable-features=LocalNetworkAccessChecks",  # a made-up public site may show a page of this machine in a frame
)  # fmt: skip
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium where there is one, else Playwright's own."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(BROWSER_FLAGS))
        yield chromium
        chromium.close()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """`open_page(server)` is a new tab of a new person; keywords go to the browser context. Checked for errors when the test is over."""
    complaints: list[str] = []
    contexts = []

    def opened(server: Server, path: str = "/", **options) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        # Of the context: a page that this one opens is held to the same.
        context.on("console", lambda message: complaints.append(message.text) if _is_error(message) else None)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        page = context.new_page()
        page.on("request", lambda request: None if _ours(request.url, server) else complaints.append(f"external: {request.url}"))
        page.goto(server.url + path)
        page.wait_for_selector("#compare", state="attached")  # an address of a run opens History at once, which hides it
        page.wait_for_function("document.querySelector('#preflight').innerText.includes('Needs')")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def _is_error(message: ConsoleMessage) -> bool:
    """What Gradio says of its own connections when a page is loaded again is none."""
    return message.type == "error" and not message.text.startswith(("AbortError: signal is aborted", "Unexpected error Connection errored"))


def _ours(url: str, server: Server) -> bool:
    return url.startswith((server.url, "data:", "blob:"))
