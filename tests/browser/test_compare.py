"""The page in a real browser: against the real engine once, against a script where odd things have to happen."""

import csv
import json
import re
import sys
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from qdash.catalog.schemes import find_scheme
from tests.browser.conftest import OpenPage
from tests.support.acting import choose_model, choose_schemes, compare, finished
from tests.support.scripted import ENDLESS
from tests.support.serving import Server

pytestmark = pytest.mark.browser

REAL_RUN_MS = 280_000


@pytest.mark.timeout(400)
def test_the_first_click_compares(server: Server, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(server)
    expect(page.locator("#verdict")).to_contain_text("One question")
    compare(page)
    finished(page, REAL_RUN_MS)
    cards = page.locator(".card")
    assert cards.count() == 6
    assert [(cards.nth(index).get_attribute("class") or "").split()[-1] for index in range(6)] == ["is-done"] * 6
    expect(cards.nth(0).locator(".mark")).to_have_text("✓ right")
    expect(cards.nth(5).locator(".mark")).to_have_text("✕ wrong: there is no bus")
    expect(page.locator("#verdict h2")).not_to_contain_text("Comparing")
    expect(page.locator("#latency .main-svg").first).to_be_visible()
    expect(page.locator("#memory .main-svg").first).to_be_visible()
    expect(page.locator(".cond")).to_contain_text("noise")
    _exports_open(page, tmp_path)
    page.click("#open-inside")
    page.click("#inside-look")
    expect(page.locator(".inside")).to_contain_text("Why did the parameter count fall?", timeout=REAL_RUN_MS)
    expect(page.locator(".inside")).to_contain_text("model.safetensors")
    if sys.platform == "linux":
        # The page's own process stays small: torch lives in workers.
        assert "libtorch" not in Path(f"/proc/{server.pid}/maps").read_text()


def _exports_open(page: Page, folder: Path) -> None:
    page.click("#open-export")
    files = {}
    for suffix in ("json", "csv", "html"):
        expect(page.locator(f"#export-{suffix}")).to_be_visible()
        with page.expect_download() as download:
            page.click(f"#export-{suffix}")
        files[suffix] = folder / download.value.suggested_filename
        download.value.save_as(files[suffix])
    variants = json.loads(files["json"].read_text())["variants"]
    assert [variant["status"] for variant in variants] == ["ok"] * 6
    assert len(list(csv.DictReader(files["csv"].read_text().splitlines()))) >= 6
    report = page.context.new_page()
    report.goto(files["html"].as_uri())
    assert "INT8" in report.inner_text("body")


def test_the_answers_of_the_starter_fit_the_first_screen_and_with_four_the_charts_too(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    compare(page)
    finished(page)
    _fits(page, ".card >> nth=5 >> .chip", "#compare")
    choose_schemes(page, "original", "bnb-int8", "bnb-nf4", "fp6-e2m3")
    compare(page)
    finished(page)
    expect(page.locator("#memory .main-svg").first).to_be_visible()
    _fits(page, ".card >> nth=3", "#latency", "#memory", "#compare")


def _fits(page: Page, *selectors: str) -> None:
    for selector in selectors:
        box = page.locator(selector).first.bounding_box()
        assert box is not None and box["y"] + box["height"] <= 900, selector


def test_dark_mode_follows_the_system_and_the_switch(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted, color_scheme="dark")
    assert _luminance(page, "body") < 40
    compare(page)
    finished(page)
    tick = page.locator("#latency .main-svg text").first
    expect(tick).to_be_visible()
    assert _luminance(page, "#latency .main-svg text", "fill") > 90
    page.click(".theme-switch")
    assert _luminance(page, "body") > 200
    page.wait_for_function(
        "() => { const t = document.querySelector('#latency .main-svg text'); "
        "return t && Number(getComputedStyle(t).fill.match(/\\d+/)[0]) < 120 }"
    )


def _luminance(page: Page, selector: str, style: str = "backgroundColor") -> float:
    colour = page.eval_on_selector(selector, f"element => getComputedStyle(element).{style}")
    red, green, blue = map(float, re.findall(r"[\d.]+", colour)[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_phone_sees_the_sidebar_first_and_scrolls_one_way(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted, viewport={"width": 390, "height": 844})
    compare(page)
    finished(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [page.locator(selector).bounding_box() for selector in ("#sidebar", ".card >> nth=0", ".card >> nth=1", "#latency")]
    tops = [box["y"] for box in boxes if box is not None]
    assert len(tops) == len(boxes) and tops == sorted(tops)


def test_stop_ends_what_would_go_on(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    choose_model(page, ENDLESS)
    compare(page, "Is there an end?")
    expect(page.locator(".card.is-answering")).to_be_visible()
    page.click("#stop")
    expect(page.locator("#compare")).to_be_visible()
    expect(page.locator(".card.is-stopped").first).to_be_visible()
    assert page.input_value("#question textarea") == "Is there an end?"
    choose_model(page, "tiny-vlm")
    compare(page, "again")
    finished(page)
    assert page.locator(".card.is-done").count() == 6


def test_a_failed_variant_says_why_and_the_others_go_on(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    compare(page, "fail")
    finished(page)
    failed = page.locator(".card.is-failed")
    expect(failed).to_have_count(1)
    expect(failed).to_contain_text("more memory than there is")
    expect(failed).to_contain_text("Choose fewer bits")
    assert page.locator(".card.is-done").count() == 5


def test_markup_in_an_answer_is_text(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    compare(page, "script")
    finished(page)
    expect(page.locator(".card .ans").first).to_have_text("<script>document.title='owned'</script><b>bold</b>")
    assert page.title() == "qdash"
    assert page.locator(".card .ans b").count() == 0


def test_stop_in_the_rounds_keeps_the_answers(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    compare(page, "rounds")
    expect(page.locator("#verdict")).to_contain_text("round 2 of 5")
    expect(page.locator(".card.is-measuring")).to_have_count(6)
    assert re.search(r"faster|slower|trade|≈ same", page.inner_text("#main")) is None
    page.click("#stop")
    finished(page)
    expect(page.locator(".card.is-done")).to_have_count(6)
    expect(page.locator(".card").nth(1)).to_contain_text("not timed")
    expect(page.locator("#latency")).to_contain_text("Nothing was timed")
    expect(page.locator("#memory")).to_contain_text("20.0 MiB")
    page.click("#open-export")
    with page.expect_download() as download:
        page.click("#export-json")
    assert json.loads(download.value.path().read_text())["variants"][1]["latency"] is None
    page.get_by_role("tab", name="History").click()
    page.locator(".run-open").first.click()
    expect(page.locator("#history-latency")).to_contain_text("Nothing was timed")


def test_two_people_wait_for_each_other_and_see_their_own(scripted: Server, open_page: OpenPage) -> None:
    first, second = open_page(scripted), open_page(scripted)
    compare(first, "slow alpha")
    expect(first.locator(".card.is-answering")).to_be_visible()
    compare(second, "beta")
    expect(second.locator("#verdict")).to_contain_text("Waiting for 1 answer before yours")
    finished(first)
    finished(second)
    for page, own, other in ((first, "alpha", "beta"), (second, "beta", "alpha")):
        answers = page.locator(".card .ans").all_inner_texts()
        assert len(answers) == 6 and all(own in answer and other not in answer for answer in answers)


def test_leaving_the_line_for_good_frees_it(impatient: Server, open_page: OpenPage) -> None:
    first, second = open_page(impatient), open_page(impatient)
    choose_model(first, ENDLESS)
    compare(first)
    expect(first.locator(".card.is-answering")).to_be_visible()
    compare(second, "beta")
    expect(second.locator("#verdict")).to_contain_text("Waiting for 1 answer")
    first.close()
    finished(second)


def test_the_strip_tells_each_token_by_keyboard(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    compare(page, "one two three")
    finished(page)
    expect(page.locator(".card").nth(0).locator(".strip")).to_have_count(0)
    tokens = page.locator(".card").nth(2).locator(".token")
    assert tokens.count() == 5
    tokens.nth(0).focus()
    for key, there in (("ArrowLeft", 0), ("ArrowRight", 1), ("End", 4), ("ArrowRight", 4), ("Home", 0)):
        page.keyboard.press(key)
        expect(tokens.nth(there)).to_be_focused()
    page.keyboard.press("End")
    assert tokens.nth(4).evaluate("token => getComputedStyle(token, '::after').visibility") == "visible"
    expect(tokens.nth(4)).to_have_attribute("aria-label", "“three”: 1.0 nats, would say “star”")
    chip = page.locator(".card").nth(2).locator(".chip .term")
    chip.hover()
    assert "KL" in (chip.get_attribute("data-tip") or "")


def test_looking_inside_the_weights(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    compare(page)
    finished(page)
    page.get_by_role("button", name="Look inside the weights").click()
    expect(page.locator("#weights-results")).to_be_visible()
    expect(page.locator("#weights-verdict")).to_contain_text("the rounding error is")
    expect(page.locator("#weights-plot .main-svg").first).to_be_visible()
    page.locator("#weights-scheme").get_by_text(find_scheme("bnb-int8").label).click()
    expect(page.locator("#layer-head h3")).to_contain_text(find_scheme("bnb-int8").label)


def test_code_and_table_open(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    compare(page)
    finished(page)
    page.click("#open-code")
    expect(page.locator("#drawer-code")).to_contain_text("from_pretrained")
    page.click("#open-table")
    expect(page.locator("#drawer-code")).to_be_hidden()
    expect(page.locator("#drawer-table")).to_contain_text("quantized")
    expect(page.locator("#open-table")).to_have_attribute("aria-expanded", "true")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save “Memory” as a picture").press("Enter")
    assert download.value.suggested_filename == "qdash-memory-tiny-vlm.png"
    with Image.open(download.value.path()) as picture:
        assert picture.width == 1920 and picture.convert("RGB").getpixel((1900, 8)) == (255, 255, 255), "on the ground of its sheet"
