"""The Weights tab in a real browser: from the map to a layer, a row and a weight, by mouse and by keyboard."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.support.acting import choose_model, choose_schemes
from tests.support.scripted import ENDLESS
from tests.support.serving import Server

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}


def _looked(page: Page) -> None:
    choose_schemes(page, "original", "bnb-int8", "bnb-nf4", "fp6-e2m3")
    page.get_by_role("tab", name="Weights").click()
    page.click("#look")
    _arrived(page, "Row 298, columns 0–63")


def _arrived(page: Page, words: str) -> None:
    """The detail is there: the layer's scale is said."""
    expect(page.locator("#scale")).to_contain_text(words)
    expect(page.locator("#look")).to_be_visible()


def _middle(page: Page, canvas: str) -> list[int]:
    """The colour in the middle of a canvas."""
    script = "canvas => [...canvas.getContext('2d').getImageData(128, 128, 1, 1).data]"
    return page.eval_on_selector(f"#patch canvas[data-of={canvas}]", script)


def test_from_the_map_to_a_layer_and_a_weight(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    _looked(page)
    expect(page.locator("#weights-verdict")).to_contain_text("With NF4 4-bit, the rounding error is")
    expect(page.locator("#layer-head h3")).to_contain_text("language · layer 3 · down projection")
    page.get_by_role("button", name="vision · layer 2 · fc1:").click()
    expect(page.locator("#layer-head h3")).to_contain_text("vision · layer 2 · fc1")
    _arrived(page, "Row 298")
    expect(page.locator("#layer-head")).to_contain_text("Ticks: the 16 values")
    expect(page.locator("#heat [aria-pressed=true]")).to_have_count(1)
    for plot in ("weights-plot", "errors-plot", "rows-plot", "sqnr-plot"):
        expect(page.locator(f"#{plot} .main-svg").first).to_be_visible()
    page.locator("#patch canvas").first.click(position={"x": 60, "y": 5})
    expect(page.locator("#scale")).not_to_contain_text("Row 298")
    row = page.locator("#patch input[name=row]")
    expect(row).not_to_have_value("298")
    row.fill("700")
    row.press("Enter")
    _arrived(page, "Row 700")
    page.locator("#ranking .pick").nth(1).click()
    expect(page.locator("#layer-head h3")).to_contain_text("vision · layer 11 · k projection")


def test_colours_are_common_to_all_schemes_until_a_scale_of_its_own_is_chosen(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    _looked(page)
    page.locator("#weights-scheme label").first.click()
    expect(page.locator("#layer-head h3")).to_contain_text("INT8")
    deepest = "cells => Math.max(...cells.map(cell => parseInt(cell.style.getPropertyValue('--q'))))"
    assert page.locator("#heat .cell").evaluate_all(deepest) < 50
    own = page.get_by_role("button", name="Own scale")
    expect(own).to_have_attribute("aria-pressed", "false")
    own.click()
    expect(own).to_have_attribute("aria-pressed", "true")
    assert page.locator("#heat .cell").evaluate_all(deepest) == 100
    own.click()
    expect(own).to_have_attribute("aria-pressed", "false")


def test_schemes_change_the_map_and_keep_the_layer(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    _looked(page)
    page.locator("#weights-scheme").get_by_text("FP6 E2M3").click()
    expect(page.locator("#heat .heat-of.b6.sim")).to_have_count(1)
    expect(page.locator("#layer-head h3")).to_contain_text("language · layer 3 · down projection FP6 E2M3")
    page.locator("#weights-scheme").get_by_text("Side by side").click()
    expect(page.locator("#heat .heat-of")).to_have_count(3)
    page.locator("#heat .heat-of.b8 button").nth(4).click()
    expect(page.locator("#layer-head h3")).to_contain_text("INT8")
    page.get_by_text("All layers together").click()
    expect(page.locator("#layer-head h3")).to_contain_text("All layers together")
    expect(page.locator("#rows-sheet")).to_be_hidden()
    expect(page.locator("#patch")).to_contain_text("Pick a layer")


def test_the_keyboard_goes_from_cell_to_cell(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    _looked(page)
    page.focus("#heat [tabindex='0']")
    for key in ("ArrowLeft", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused).startswith("language · layer 1 · up projection")
    expect(page.locator(".heat-said")).to_contain_text("layer 1 · up projection")
    page.keyboard.press("Enter")
    expect(page.locator("#layer-head h3")).to_contain_text("language · layer 1 · up projection")
    assert page.evaluate(focused).startswith("language · layer 1 · up projection"), "the pick keeps the focus"
    page.focus("#patch canvas")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#patch .said")).to_contain_text(re.compile(r"row \d+, column \d+: −?0\.\d+ → "))
    page.keyboard.press("+")
    expect(page.get_by_role("button", name="Zoom out")).to_be_enabled()


def test_layers_come_in_and_stop_works(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    choose_model(page, ENDLESS)
    page.get_by_role("tab", name="Weights").click()
    page.click("#look")
    expect(page.locator("#weights-verdict")).to_contain_text("Worst so far")
    expect(page.locator("#heat button").first).to_be_visible()
    expect(page.locator("#layer-sheet")).to_be_hidden()
    page.click("#look-stop")
    expect(page.locator("#look")).to_be_visible()
    expect(page.locator("#weights-verdict")).to_contain_text(re.compile(r"Stopped at \d+%. Worst so far"))
    page.wait_for_timeout(1000)  # for what comes after the stop
    expect(page.locator("#heat button").first).to_be_visible()
    page.locator("#heat button").first.click()
    page.wait_for_timeout(1000)
    expect(page.locator("#heat button").first).to_be_visible()
    choose_model(page, "tiny-vlm")
    _looked(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone_in_both_themes(scripted: Server, open_page: OpenPage, theme: str) -> None:
    page = open_page(scripted, viewport=PHONE, color_scheme=theme)
    _looked(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for plot in ("weights-plot", "errors-plot", "rows-plot", "sqnr-plot"):
        expect(page.locator(f"#{plot} .main-svg").first).to_be_visible()
    before = _middle(page, "error")
    page.click(".theme-switch")
    page.wait_for_function(f"{json.dumps(before)}.some((value, at) => value !== document.querySelector('#patch canvas[data-of=error]')"
                           ".getContext('2d').getImageData(128, 128, 1, 1).data[at])")  # fmt: skip


def test_the_table_and_the_files(scripted: Server, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(scripted)
    _looked(page)
    page.click("#open-weights-table")
    expect(page.locator("#drawer-weights-table")).to_contain_text("language · layer 23 · down projection")
    for suffix, beginning in (("csv", "scheme,label"), ("json", "{"), ("html", "<!doctype html>")):
        with page.expect_download() as download:
            page.click(f"#weights-{suffix}")
        path = tmp_path / f"weights.{suffix}"
        download.value.save_as(path)
        assert path.read_text(encoding="utf-8").startswith(beginning)


def test_another_file_of_the_model_is_compared_layer_by_layer(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    page.get_by_role("tab", name="Weights").click()
    page.get_by_role("button", name="Against another file of this model").click()
    page.get_by_label("Another file").fill("/data/other-model.gguf")
    page.click("#compare-files")
    expect(page.locator("#weights-banner")).to_contain_text("are not files of one model")
    page.get_by_label("Another file").fill("/data/bob/m-Q4.gguf")
    page.get_by_label("Another file").press("Enter")
    expect(page.locator("#weights-verdict")).to_contain_text("The weights of bob/m-Q4.gguf differ from those of")
    expect(page.locator("#types .heat")).to_have_count(2)
    expect(page.locator("#types")).to_contain_text("Q8_0 8.50 bits")
    expect(page.locator("#drift-told")).to_contain_text("Not known yet")
    page.click("#measure-drift")
    expect(page.locator("#drift-told td").first).to_have_text("0.0020")
    expect(page.locator("#drift-stop")).to_be_hidden()
    page.get_by_role("button", name="language · layer 3 · v projection:").click()
    expect(page.locator("#layer-head")).to_contain_text("Q5_K, 5.50 bits → Q8_0, 8.50 bits")
    expect(page.locator("#layer-head")).not_to_contain_text("Reading")
    expect(page.locator("#patch-sheet")).to_be_hidden()
    page.click("#look")
    expect(page.locator("#scale")).to_contain_text("Row 298")
    expect(page.locator("#drift-sheet")).to_be_hidden()
    expect(page.locator("#types-sheet")).to_be_hidden()
    expect(page.locator("#patch-sheet")).to_be_visible()


def test_the_map_turns_to_the_damage_to_the_answer(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    page.get_by_role("tab", name="Weights").click()
    expect(page.locator("#quantity")).to_be_hidden()
    _looked(page)
    expect(page.locator("#damage")).to_be_hidden()
    page.get_by_role("radio", name="Damage to the answer").check(force=True)
    expect(page.locator("#damage-told")).to_contain_text("Not known yet")
    expect(page.locator("#heat .cell")).to_have_count(0)
    expect(page.locator("#damage-stop")).to_be_hidden()
    page.click("#measure-damage")
    expect(page.locator("#damage-told")).to_contain_text("over 241 layers.", timeout=180_000)  # the map of a busy machine comes late
    expect(page.locator("#damage-told li")).to_have_count(3)
    expect(page.locator("#measure-damage")).to_be_hidden()
    expect(page.locator("#heat .cell.blank")).to_have_count(1)
    expect(page.locator("#heat-sheet h3:visible")).to_have_text("Damage by layer")
    cell = page.get_by_role("button", name=re.compile("^language · layer 0 · q projection: .* ± .* nats"))
    cell.focus()
    expect(page.locator(".heat-said")).to_contain_text("language · layer 0 · q projection")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#layer-head h3")).to_contain_text("language · layer 0 · k projection")
    expect(page.locator("#heat .by-damage [aria-pressed=true].cell")).to_have_count(1)
    page.locator("#weights-scheme label").first.click()
    expect(page.locator("#layer-head h3")).to_contain_text("INT8")
    expect(page.locator("#damage-told")).to_contain_text("over 241 layers.")
    page.get_by_role("radio", name="Error in the weights").check(force=True)
    expect(page.locator("#damage")).to_be_hidden()
    expect(page.get_by_role("button", name=re.compile("^language · layer 0 · k projection: [0-9.]+ dB"))).to_be_visible()
