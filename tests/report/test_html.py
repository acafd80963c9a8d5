"""The HTML report: complete, self-contained, and harmless whatever a model said."""

import base64
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from qdash.report import to_html
from tests.report.examples import COMPARISON, HOSTILE

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


@pytest.fixture(scope="module")
def html(png: bytes) -> str:
    return to_html(COMPARISON, png)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_everything_is_on_the_page(html: str, page: Page) -> None:
    for words in (
        "这张图片中有什么？",
        "Original",
        "INT8",
        "FP6 E2M3",
        "19.6",
        "SIMULATED",
        "noise ±4%",
        "50 tokens × 5 runs",
        "torch 2.11.0",
    ):
        assert words in html
    assert page.count("article") == 5
    assert "Memory ran out &lt;here&gt;." in html and "Choose fewer." in html
    assert "from_pretrained(&#34;folder&#34;" in html
    assert "lm_head" in html


def test_the_verdict_and_the_agreement_are_on_the_page(html: str, page: Page) -> None:
    assert "4 bits is 71 % smaller, 2.0× faster here, but answers something else." in html
    assert "Distance from the original over 2 tokens of its answer" in html
    assert "△ Careful · different answer" in html and "50 % · KL 0.21 ± 0.10 nats" in html
    strips = [attributes for _, attributes in page.tags if attributes.get("class") == "strip"]
    assert len(strips) == 2 and "Along the reference text" in (strips[1]["aria-label"] or "")
    tokens = [attributes for _, attributes in page.tags if (attributes.get("class") or "").startswith("token")]
    assert [token["title"] for token in tokens[:2]] == ["“白色”: 0.010 nats", f"“{HOSTILE}”: no number, would say “{HOSTILE}”"]


def test_differences_from_the_original_are_marked(page: Page) -> None:
    assert "星" in page.text["mark"] and "正方" not in page.text["mark"]


def test_the_picture_is_optional(html: str, png: bytes) -> None:
    assert base64.b64encode(png).decode() in html
    assert Page(to_html(COMPARISON)).count("img") == 0


def test_model_output_is_text(html: str, page: Page) -> None:
    assert HOSTILE not in html and "onerror=alert" not in re.sub(r"&lt;.*?&gt;", "", html)
    assert page.count("img") == 1, "the picture alone"
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    # Three figures as data, plotly, and the lines that draw.
    assert page.count("script") == 5


def test_nothing_is_fetched(page: Page) -> None:
    policy = next(attributes["content"] for tag, attributes in page.tags if attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and "default-src 'none'" in policy
    addresses = [value or "" for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(address.startswith("data:") for address in addresses)
    assert "url(" not in page.text["style"] and "@import" not in page.text["style"]


def test_plotly_is_there_once(html: str) -> None:
    assert len(re.findall(r"plotly\.js v\d", html)) == 1
    assert len(html) < 6e6


def test_without_any_result_the_report_still_opens() -> None:
    failed = COMPARISON.model_copy(update={"variants": (COMPARISON.variants[4],), "noise_floor": None})
    assert "Memory ran out" in to_html(failed)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_opens_it_offline(html: str, tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(html, encoding="utf-8")
    # In a thread of its own: Playwright allows one instance a thread, and the tests of the page may hold one.
    with ThreadPoolExecutor(1) as thread:
        seen = thread.submit(open_in_browser, path, scheme).result()
    assert seen.problems == []
    assert seen.answer == HOSTILE
    assert not seen.overflows
    assert (seen.background == "rgb(16, 18, 20)") == (scheme == "dark")


@dataclass
class Seen:
    """What a browser made of the report. `problems`: console errors, dialogs, requests."""

    problems: list[str] = field(default_factory=list)
    answer: str = ""
    background: str = ""
    overflows: bool = False


def open_in_browser(path: Path, scheme: str) -> Seen:
    """Open the report at a phone's width, without a network."""
    seen = Seen()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(offline=True, viewport={"width": 390, "height": 800}, color_scheme=scheme).new_page()
        page.on("console", lambda message: seen.problems.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: seen.problems.append(str(error)))
        page.on("dialog", lambda dialog: seen.problems.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: None if request.url.startswith(LOCAL) else seen.problems.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_function("document.querySelectorAll('.chart .main-svg').length >= 2")
        seen.overflows = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        seen.answer = page.locator("article").nth(2).locator(".answer").inner_text()
        seen.background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        browser.close()
    return seen
