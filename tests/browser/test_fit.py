"""The Fit tab in a real browser: the slider by keyboard, where it has to fit, measuring and Stop."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.support.acting import fill_in, open_tab, started, stopped
from tests.support.serving import Server

pytestmark = pytest.mark.browser


def test_from_an_estimate_to_a_measurement(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    open_tab(page, "Fit")
    expect(page.locator("#fit-verdict")).to_contain_text("At 8,192 tokens")
    expect(page.locator("#context output")).to_have_text("8,192")
    expect(page.locator("#fit-plot .main-svg").first).to_be_visible()
    slider = page.get_by_role("slider", name="Context in tokens")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#fit-verdict")).to_contain_text("At 131,072 tokens")
    expect(page.locator("#fit-verdict")).to_contain_text("⚠ The model was made for 32,768 tokens.")
    page.get_by_role("radio", name="This machine").check()
    expect(page.locator("#fit-verdict")).to_contain_text("Original does not fit this machine")
    page.click("#measure")
    expect(page.locator("#fit-measured")).to_contain_text("−3.8%")
    expect(page.locator("#measure")).to_be_visible()


def test_measuring_stops(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    open_tab(page, "Fit")
    fill_in(page, page.get_by_label("Conversations at once"), "666")
    started(page, "#measure", "#fit-banner", "reading 8,192 tokens")
    stopped(page, "#measure-stop", "#fit-banner", "Press Measure to start again.", "#measure")
