"""A real server in a process of its own, and a real browser that fails the test on console errors and on requests to anywhere else."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
BROWSER_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--disable-features=LocalNetworkAccessChecks",  # a made-up public site may show a page of this machine in a frame
)  # fmt: skip
# Generous: machines that run tests are busy.
START_TIMEOUT_S = 240
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


@dataclass(frozen=True)
class Server:
    """A running page."""

    url: str
    pid: int


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`python app.py`, as people start it."""
    with serving(["app.py"], tmp_path_factory.mktemp("app")) as running:
        yield running


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same page over `tests.ui.scripted`."""
    with serving(["-m", "tests.ui.scripted"], tmp_path_factory.mktemp("scripted")) as running:
        yield running


@pytest.fixture(scope="session")
def scripted_gpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The scripted page as on a machine with GPUs."""
    with serving(["-m", "tests.ui.scripted", "gpus"], tmp_path_factory.mktemp("gpus")) as running:
        yield running


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The scripted page, which does not wait long for somebody who has left."""
    with serving(["-m", "tests.ui.scripted", "impatient"], tmp_path_factory.mktemp("impatient")) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium where there is one, else Playwright's own."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(BROWSER_FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def event_loops_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For pages that are built and never served: Gradio makes event loops for them, and leaves them open."""
    loops: list[asyncio.AbstractEventLoop] = []
    policy = type(asyncio.get_event_loop_policy())
    make = policy.new_event_loop
    monkeypatch.setattr(policy, "new_event_loop", lambda self: (loops.append(make(self)), loops[-1])[1])
    yield
    asyncio.set_event_loop(None)
    for loop in loops:
        loop.close()


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
        page.wait_for_selector("#compare")
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


@contextlib.contextmanager
def serving(arguments: list[str], folder: Path, **settings: str) -> Iterator[Server]:
    """A server of its own, with its cache and its history in `folder`."""
    port = free_port()
    environment = os.environ | {
        "QDASH_PORT": str(port), "QDASH_CACHE_DIR": str(folder), "QDASH_HISTORY": str(folder / "history.sqlite3"), "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1", **settings,
    }  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        _wait_until_up(f"http://127.0.0.1:{port}", process, folder / "log")
        yield Server(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_until_up(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as response:
            if response.status == 200:
                return
        time.sleep(0.2)
    raise AssertionError(f"The server did not come up:\n{log.read_text(errors='replace')}")


def free_port() -> int:
    """A port of the loopback address that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
