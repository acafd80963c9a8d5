"""The Mix tab in a real browser: measuring, another budget by keyboard and in words, the proof, the mix at the side, Stop."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.support.acting import choose_schemes, fill_in, open_tab, started, stopped
from tests.support.serving import Server

pytestmark = pytest.mark.browser


def test_from_measuring_to_the_proof(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    choose_schemes(page, "original", "bnb-int8", "bnb-nf4", "fp6-e2m3")
    open_tab(page, "Mix")
    expect(page.locator("#mix-verdict")).to_contain_text("press Measure layers")
    expect(page.locator("#mix-results")).to_be_hidden()
    page.click("#mix-measure")
    expect(page.locator("#mix-verdict")).to_contain_text("predicted KL divergence")
    expect(page.locator("#mix-solved .cell").first).to_be_visible()
    recipe = page.locator("#mix-solved code")
    expect(page.get_by_label("Budget", exact=True)).to_have_value("5bits")
    before = recipe.inner_text()
    slider = page.get_by_role("slider", name="Bits per weight")
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Budget", exact=True)).to_have_value("6bits")
    expect(recipe).not_to_have_text(before)
    page.get_by_label("Budget", exact=True).fill("1bits")
    page.keyboard.press("Enter")
    expect(page.locator("#mix-verdict")).to_contain_text("the smallest possible size is")
    page.get_by_label("Budget", exact=True).fill("6x")
    page.keyboard.press("Enter")
    expect(page.locator("#mix-verdict")).to_contain_text("predicted KL divergence")
    page.click("#mix-prove")
    expect(page.locator("#mix-proof")).to_contain_text("by chance")
    expect(page.locator("#mix-measure")).to_be_visible()
    page.click("#mix-use")
    expect(page.locator("#mix-banner")).to_contain_text("among the schemes at the side")
    expect(page.locator("#filled")).to_contain_text("The mix was added: schemes.")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#mix-banner")).not_to_contain_text("at the side")
    expect(page.locator("#mix-divergence")).to_be_hidden()
    page.click("#mix-progress")
    expect(page.locator("#mix-progressive-told")).to_contain_text("with least damage first")
    for plot in ("#mix-divergence", "#mix-accuracy"):
        expect(page.locator(f"{plot} .js-plotly-plot")).to_be_visible()
    page.get_by_text("All steps as a table").click()
    expect(page.locator("#mix-steps").get_by_role("row", name="part by part projector")).to_be_visible()
    expect(page.locator("#mix-banner")).to_be_empty()


def test_measuring_stops(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    open_tab(page, "Mix")
    fill_in(page, "#mix-limit input", "333")
    started(page, "#mix-measure", "#mix-banner", "about 40 s left")
    stopped(page, "#mix-stop", "#mix-banner", "Press Measure layers to start again.", "#mix-measure")
