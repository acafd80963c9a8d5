"""A page that is loaded again goes on where it was: the run, the form, the picture; and each Stop ends what its own page has started."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from qdash.catalog.presets import PRESETS
from tests.browser.conftest import OpenPage
from tests.support.acting import choose_model, compare, finished
from tests.support.scripted import ENDLESS
from tests.support.serving import Server

pytestmark = pytest.mark.browser


def _tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def _reloaded(page: Page) -> None:
    page.reload()
    page.wait_for_selector("#compare", state="attached")


def test_a_reload_in_mid_run_shows_it_going_on(scripted: Server, open_page: OpenPage, tmp_path: Path, png: bytes) -> None:
    page = open_page(scripted)
    picture = tmp_path / "mine.png"
    picture.write_bytes(png)
    page.set_input_files("#picture input[type=file]", picture)
    page.wait_for_function("document.querySelector('#picture .view img').src.startsWith('blob:')")
    page.uncheck(".opt input[value=bnb-int8]")
    page.click("#measurement button.label-wrap")
    page.get_by_label("Timed runs").fill("7")
    compare(page, "rounds of my own")
    expect(page.locator("#verdict")).to_contain_text("round 2 of 7")
    _reloaded(page)
    expect(page.locator("#verdict")).to_contain_text("round 2 of 7")
    expect(page.locator(".card.is-measuring")).to_have_count(5)
    expect(page.locator("#question textarea")).to_have_value("rounds of my own")
    expect(page.locator(".opt input[value=bnb-int8]")).not_to_be_checked()
    expect(page.locator("#measurement")).to_contain_text("7 timed runs")
    page.wait_for_function("document.querySelector('#picture .view img').naturalWidth === 100")
    page.click("#stop")
    finished(page)
    expect(page.locator(".card.is-done")).to_have_count(5)
    compare(page, "and again")
    finished(page)


def test_a_reload_keeps_the_place_in_the_line(scripted: Server, open_page: OpenPage) -> None:
    first, second = open_page(scripted), open_page(scripted)
    choose_model(first, ENDLESS)
    compare(first)
    expect(first.locator(".card.is-answering")).to_be_visible()
    compare(second, "beta")
    expect(second.locator("#verdict")).to_contain_text("Waiting for 1 answer")
    _reloaded(second)
    expect(second.locator("#verdict")).to_contain_text("Waiting for 1 answer")
    first.click("#stop")
    finished(second)
    assert "beta" in second.locator(".card .ans").first.inner_text()


def test_weights_and_quality_go_on_too(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    choose_model(page, ENDLESS)
    _tab(page, "Weights")
    page.click("#look")
    expect(page.locator("#weights-verdict")).to_contain_text("Worst so far")
    _reloaded(page)
    _tab(page, "Weights")
    expect(page.locator("#weights-verdict")).to_contain_text("Worst so far")
    expect(page.locator("#heat button").first).to_be_visible()
    page.click("#look-stop")
    expect(page.locator("#look")).to_be_visible()
    _tab(page, "Quality")
    page.click("#evaluate")
    expect(page.locator("#quality-cards .running")).to_be_visible()
    _reloaded(page)
    _tab(page, "Quality")
    expect(page.locator("#quality-cards .running")).to_be_visible()
    page.click("#evaluate-stop")
    expect(page.locator("#evaluate")).to_be_visible()


def test_stop_ends_what_its_own_page_has_started(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    choose_model(page, ENDLESS)
    compare(page)
    expect(page.locator(".card.is-answering")).to_be_visible()
    for tab, start, stop in (("Weights", "#look", "#look-stop"), ("Quality", "#evaluate", "#evaluate-stop")):
        _tab(page, tab)
        page.click(start)
        expect(page.locator(f"#{tab.lower()}-verdict")).to_contain_text("in line")
        page.click(stop)
        button = page.locator(start).inner_text()
        expect(page.locator(f"#{tab.lower()}-banner")).to_contain_text(f"Press {button} to start again.")
    _tab(page, "Compare")
    expect(page.locator(".card.is-answering")).to_be_visible()
    page.click("#stop")
    expect(page.locator("#compare")).to_be_visible()


def test_an_input_error_keeps_the_results_on_screen(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    _tab(page, "Quality")
    page.fill("#limit input", "40")
    page.click("#evaluate")
    expect(page.locator(".phase.quality-results")).to_have_count(1)
    headline = page.locator("#quality-verdict").inner_text()
    _tab(page, "Weights")
    page.click("#look")
    expect(page.locator(".phase.weights-results")).to_have_count(1)
    expect(page.locator("#look")).to_be_visible()
    said = page.locator("#weights-verdict").inner_text()
    for key in PRESETS[0].keys:
        page.uncheck(f".opt input[value={key}]")
    page.click("#look")
    expect(page.locator("#weights-banner")).to_contain_text("No scheme")
    expect(page.locator("#weights-verdict")).to_have_text(re.compile(re.escape(said.split("\n")[0])))
    expect(page.locator("#heat button").first).to_be_visible()
    _tab(page, "Quality")
    page.click("#evaluate")
    expect(page.locator("#quality-banner")).to_contain_text("No scheme")
    expect(page.locator("#quality-verdict")).to_have_text(re.compile(re.escape(headline.split("\n")[0])))
    expect(page.locator("#quality-results")).to_be_visible()
    expect(page.locator("#quality-items .items > li").first).to_be_visible()
