"""On a phone, for a screen reader, and on paper."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.support.acting import compare, finished
from tests.support.serving import Server

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
TABS = ("Compare", "Weights", "Quality", "Fit", "Mix", "Heal", "Play", "History", "Learn")
PRESSED = "button, select, summary, input:not([type=checkbox]):not([type=radio]), label.opt, .pills label, .foot a"
SMALL = """(selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility({ visibilityProperty: true }))
  .map((one) => [one.id || one.className || one.name, one.getBoundingClientRect()])
  .filter(([, box]) => box.width > 1 && box.height > 1 && box.height < 39.5 && box.bottom > 0)
  .map(([name, box]) => `${name}: ${Math.round(box.height)}`)"""
NAMELESS = """() => [...document.querySelectorAll("button, input, select, textarea")].filter((one) => {
  const labels = [...(one.labels ?? [])].map((label) => label.textContent).join("");
  const named = one.ariaLabel || one.title || one.placeholder || labels || one.textContent;
  return !/[\\p{L}\\p{N}]/u.test(named ?? "") && !one.closest("[hidden]") && one.checkVisibility();
}).map((one) => one.outerHTML.slice(0, 120))"""


def _opened(page: Page, tab: str) -> None:
    page.get_by_role("tab", name=tab).click()
    page.wait_for_timeout(600)


def test_fingers_hit_everything_and_no_tab_is_cut(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted, viewport=PHONE, has_touch=True)
    page.click(".builder.recipe summary")
    for tab in TABS:
        box = page.get_by_role("tab", name=tab).bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"], tab
    for tab in TABS:
        _opened(page, tab)
        assert page.evaluate(SMALL, PRESSED) == [], tab
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_everything_that_is_pressed_or_filled_in_has_a_name(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    expect(page.get_by_role("button", name="Another question", exact=True)).to_be_visible()
    page.click("#measurement button.label-wrap")
    for builder in (".builder.recipe", ".builder.rows"):
        page.click(f"{builder} summary")
    expect(page.get_by_role("combobox", name="Scheme of vision")).to_be_visible()
    for name in ("Model", "Other checkpoint"):  # two fields of one name could not be told apart
        expect(page.get_by_role("combobox", name=name, exact=True)).to_have_count(1)
    for tab in TABS:
        _opened(page, tab)
        assert page.evaluate(NAMELESS) == [], tab
    files = page.locator("input[type=file]").evaluate_all("(inputs) => inputs.map((input) => input.ariaLabel)")
    assert len(files) >= 3 and all(files)


def test_cards_are_swiped_and_the_results_are_one_tap_away(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted, viewport=PHONE, has_touch=True)
    expect(page.locator("#to-results")).to_be_hidden()
    compare(page)
    finished(page)
    boxes = [page.locator(".card").nth(place).bounding_box() for place in range(2)]
    assert boxes[0] is not None and boxes[1] is not None
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[1]["x"] < PHONE["width"] < boxes[1]["x"] + boxes[1]["width"]
    page.eval_on_selector(".cards", "cards => cards.scrollTo(cards.scrollWidth, 0)")
    page.wait_for_function(
        "() => { const last = document.querySelectorAll('.card')[3].getBoundingClientRect(); return last.right <= innerWidth }"
    )
    page.evaluate("scrollTo(0, 0)")
    page.get_by_role("button", name="Results", exact=True).click()
    expect(page.locator("#verdict")).to_be_in_viewport()
    assert page.locator("#latency .modebar").evaluate_all("bars => bars.every((bar) => getComputedStyle(bar).display === 'none')")


def test_paper_begins_with_the_result(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    compare(page)
    finished(page)
    page.emulate_media(media="print")
    for gone in ("#sidebar", "#tabs [role=tablist]", "#open-table", ".foot"):
        expect(page.locator(gone).first).to_be_hidden()
    box = page.locator("#verdict").bounding_box()
    assert box is not None and box["y"] < 60


def test_the_glossary_and_help_are_on_every_page(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    for tab in TABS:
        _opened(page, tab)
        expect(page.locator(".glossary summary")).to_be_visible()
    page.click(".glossary summary")
    expect(page.locator(".glossary dt").filter(has_text="SQNR")).to_be_visible()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Help and documents").click()
    expect(opened.value.locator("h1")).to_contain_text("qdash")
    opened.value.get_by_role("link", name="written rules").click()
    expect(opened.value.locator("h1")).to_be_visible()
