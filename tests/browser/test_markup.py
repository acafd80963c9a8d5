"""Texts that try to become scripts, in every field and from a file: none runs, and the browser has none to refuse."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import OpenPage
from tests.history.examples import comparison, evaluation
from tests.report.examples import COMPARISON
from tests.support.acting import compare, finished
from tests.support.serving import Server

pytestmark = pytest.mark.browser

RUN = "window.qdashWasFooled=1"
CORPUS = (
    f"<script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"\"'><svg/onload={RUN}>",
    f"</textarea></style></title></script><iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<a href=javascript:{RUN}>[x](javascript:{RUN})</a>",
    f"<details open ontoggle={RUN}><math><mtext></form><form><mglyph><style></math><img src onerror={RUN}>",
    f"${{{RUN}}} {{{{{RUN}}}}} <%={RUN}%> `;{RUN}//",
    f"<b data-jump='0' data-do='delete-all' autofocus onfocus={RUN} tabindex=1>x</b>",
    f'" autofocus onfocus={RUN} x="',
    "\u202e<\u200bscript>\u0000" + f"<ScRiPt/src=data:,{RUN}>",
)
ALL = " ".join(CORPUS)
WATCH = (
    "window.qdashRefused = []; document.addEventListener('securitypolicyviolation', "
    "event => window.qdashRefused.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));"
)


def _nothing_ran(page: Page) -> None:
    assert page.evaluate("[window.qdashWasFooled, window.qdashRefused]") == [None, []]
    made = "#main script, #main iframe, #main [onerror], #main [onload], #main [onfocus], #main [ontoggle], #main a[href^='javascript:']"
    assert page.locator(made).count() == 0


def _hostile_file(folder: Path) -> Path:
    """A history of a comparison and an evaluation in which every text that is not one of a few words is hostile."""
    variants = tuple(
        result.model_copy(update={"label": ALL[:500], "answer": ALL, "model": ALL[:300]} if result.answer else {"label": ALL[:500]})
        for result in COMPARISON.variants
    )
    hostile = comparison(1, prompt=ALL, variants=variants)
    other = evaluation()
    asked = other.model_copy(update={"task_label": ALL[:300], "request": other.request.model_copy(update={"source": ALL[:300]})})
    runs = [
        {"kind": kind, "pinned": True, "picture": None, "record": json.loads(record.model_dump_json())}
        for kind, record in (("comparison", hostile), ("evaluation", asked))
    ]
    path = folder / "<img src=x onerror=window.qdashWasFooled=1>.json"
    path.write_text(json.dumps({"qdash_history": 1, "runs": runs}))
    return path


def test_no_text_becomes_a_script(scripted: Server, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(scripted)
    page.add_init_script(WATCH)
    page.reload()
    page.wait_for_selector("#compare")
    page.wait_for_function("document.querySelector('#preflight').innerText.includes('Needs')")
    compare(page, ALL)
    finished(page)
    expect(page.locator("#cards .card").first).to_contain_text("<script>")
    _nothing_ran(page)
    page.fill("#model input", CORPUS[1])
    page.keyboard.press("Enter")
    expect(page.locator("#model input")).to_have_value(CORPUS[1])
    page.wait_for_timeout(500)
    _nothing_ran(page)
    page.get_by_role("tab", name="History").click()
    page.set_input_files("#history-tools input[type=file]", _hostile_file(tmp_path))
    expect(page.locator("#history-banner")).to_contain_text("2 runs imported")
    expect(page.locator("#history-list")).to_contain_text("onerror")
    _nothing_ran(page)
    for place in range(3):
        page.locator("#history-list .run-open").nth(place).click()
        expect(page.locator("#history-run-head")).to_be_visible()
        page.wait_for_timeout(500)
        _nothing_ran(page)
        page.get_by_role("button", name="All runs").click()
        expect(page.locator("#history-list .run-open").first).to_be_visible()
    page.locator("#history-search textarea, #history-search input").first.fill(CORPUS[2])
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    for tab in ("Weights", "Quality", "Learn", "Compare"):
        page.get_by_role("tab", name=tab).click()
    _nothing_ran(page)


def test_hugging_face_may_show_the_page_in_a_frame_and_nobody_else(scripted: Server, browser: Browser) -> None:
    """Spaces are frames of huggingface.co: another site, whose cookies and requests are not the page's own."""
    context = browser.new_context()
    for site in ("https://huggingface.co/spaces/x", "https://evil.example/"):
        context.route(site, lambda route: route.fulfill(content_type="text/html", body=f"<iframe src='{scripted.url}/'></iframe>"))
    page = context.new_page()
    page.goto("https://huggingface.co/spaces/x")
    frame = page.frame_locator("iframe")
    expect(frame.locator("#preflight")).to_contain_text("Needs")
    frame.locator("#compare").click()
    expect(frame.locator(".card.is-done")).to_have_count(6)
    other = context.new_page()
    refused: list[str] = []
    other.on("console", lambda message: refused.append(message.text))
    other.goto("https://evil.example/")
    expect(other.frame_locator("iframe").locator("#compare")).to_have_count(0)
    assert any("frame-ancestors" in text for text in refused)
    context.close()
