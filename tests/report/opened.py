"""A report as a parser and as a browser without a network see it."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import sync_playwright

ColorScheme = Literal["light", "dark"]
LOCAL = ("file:", "data:", "blob:")


class Page(HTMLParser):
    """The tags, the text and the scripts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.text[self._open] = self.text.get(self._open, "") + data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


@dataclass
class Seen:
    """What a browser made of a report at a phone's width. `problems`: console errors, dialogs, requests. `cells`: texts of `what`."""

    problems: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    background: str = ""
    overflows: bool = False
    saved: tuple[str, int] = ("", 0)
    """Name and width of the first chart as a picture."""


def opened(html: str, folder: Path, charts: int, what: str = "h1", scheme: ColorScheme = "light") -> Seen:
    """Open the page, wait until `charts` charts or more are drawn, and look at it; `what` selects the elements to read."""
    path = folder / "report.html"
    path.write_text(html, encoding="utf-8")
    # In a thread of its own: Playwright allows one instance a thread, and the tests of the page may hold one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_opened, path, charts, what, scheme).result()


def _opened(path: Path, charts: int, what: str, scheme: ColorScheme) -> Seen:
    seen = Seen()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(offline=True, viewport={"width": 390, "height": 800}, color_scheme=scheme).new_page()
        page.on("console", lambda message: seen.problems.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: seen.problems.append(str(error)))
        page.on("dialog", lambda dialog: seen.problems.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: None if request.url.startswith(LOCAL) else seen.problems.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_function(f"document.querySelectorAll('.chart .main-svg').length >= {charts}")
        seen.overflows = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        seen.cells = page.locator(what).all_text_contents()
        seen.background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        with page.expect_download() as download:
            page.locator(".save-picture").first.press("Enter")
        with Image.open(download.value.path()) as picture:
            seen.saved = (download.value.suggested_filename, picture.width)
        browser.close()
    return seen
