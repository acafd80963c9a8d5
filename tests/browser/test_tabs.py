"""What is on every tab: it can be opened late, whatever was changed before, and Compare stays at hand."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.support.acting import choose_model, compare, finished
from tests.support.serving import Server

pytestmark = pytest.mark.browser

DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
ALIVE = {
    "Weights": "#look:visible",
    "Quality": "#evaluate:visible",
    "History": "#history-list",
    "Learn": "#learn .levels .stick",
}
"""Something of every tab that is there only if the tab works."""


def _changed(page: Page, picture: Path) -> None:
    """Everything in the sidebar is changed before a tab is opened."""
    page.click(".pill[data-preset=stories]")
    expect(page.locator("#model input")).to_have_value("Bundled story finisher")
    choose_model(page, "Qwen3 4B, random weights")
    expect(page.locator("#picture")).to_be_hidden()
    page.click(".pill[data-preset=starter]")
    expect(page.locator("#model input")).to_have_value("Bundled drawing reader")
    page.check(".opt input[value=bnb-nf4]")
    page.locator("#picture .thumb").nth(1).click()
    page.set_input_files("#picture input[type=file]", picture)
    page.wait_for_function("document.querySelector('#picture .view img').src.startsWith('blob:')")


@pytest.mark.parametrize("tab", ALIVE)
def test_a_tab_opens_after_everything_was_changed(scripted: Server, open_page: OpenPage, tmp_path: Path, png: bytes, tab: str) -> None:
    picture = tmp_path / "mine.png"
    picture.write_bytes(png)
    page = open_page(scripted)
    _changed(page, picture)
    compare(page)
    finished(page)
    page.get_by_role("tab", name=tab).click()
    expect(page.locator(ALIVE[tab]).first).to_be_attached()


def test_learn_shows_the_model_that_was_chosen_before_it_was_opened(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    page.click(".pill[data-preset=stories]")
    expect(page.locator("#model input")).to_have_value("Bundled story finisher")
    page.get_by_role("tab", name="Learn").click()
    expect(page.locator("#learn [data-part=model]")).to_have_text("Bundled story finisher")
    page.locator("#learn .lesson").nth(5).click()
    expect(page.locator("#learn .levels .stick").first).to_be_attached()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_compare_and_stop_stay_at_hand(scripted: Server, open_page: OpenPage, size: dict[str, int]) -> None:
    page = open_page(scripted, viewport=size)
    compare(page)
    finished(page)
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    assert page.evaluate("scrollY") > 50
    expect(page.locator("#compare")).to_be_in_viewport(ratio=1)
    page.fill("#question textarea", "rounds")
    page.keyboard.press("Tab")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.locator("#compare").click()
    expect(page.locator(".card.is-measuring").first).to_be_visible()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(page.locator("#stop")).to_be_in_viewport(ratio=1)
    page.get_by_role("tab", name="Weights").click()
    expect(page.locator("#look")).to_be_visible()
    page.get_by_role("button", name="Comparison: Stop", exact=True).click()
    _each_tab_has_its_own_button(page)
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator("#compare")).to_be_in_viewport(ratio=1)


def _each_tab_has_its_own_button(page: Page) -> None:
    """And before it was pressed, a sketch of what it will show. From the question, Ctrl+Enter presses it."""
    expect(page.locator(".phase.compare-running")).to_have_count(0)
    starting = {
        "Quality": "#evaluate",
        "Weights": "#look",
        "Fit": "#measure",
        "Mix": "#mix-measure",
        "Heal": "#heal-start",
        "Play": "#play-start",
        "History": None,
        "Learn": None,
    }
    for tab, button in starting.items():
        page.get_by_role("tab", name=tab).click()
        page.evaluate("scrollTo(0, 0)")
        expect(page.locator(".sketch:visible")).to_have_count(1 if tab in ("Quality", "Weights") else 0)
        if button:
            expect(page.locator(button)).to_be_in_viewport(ratio=1)
        buttons = ":is(#compare, #stop, #look, #evaluate, #measure, #mix-measure, #heal-start, #play-start):visible"
        assert page.locator(buttons).count() == (1 if button else 0), tab
    page.get_by_role("tab", name="Weights").click()
    page.focus("#question textarea")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#weights-results")).to_be_visible()
    expect(page.locator(".sketch:visible")).to_have_count(0)
