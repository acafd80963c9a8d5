"""The Learn tab in a real browser: cards, sliders, pills, numbers that are clicked, rows that are chosen; quick, and readable anywhere."""

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from qdash.checkpoints import locate
from qdash.learn.mappings import MAPPINGS
from qdash.learn.rows import layers, read_row
from qdash.ui.learn.lessons import LESSONS
from tests.browser.conftest import OpenPage
from tests.support.serving import Server

pytestmark = pytest.mark.browser


def learn(open_page: OpenPage, server: Server, **options) -> Page:
    page = open_page(server, **options)
    page.get_by_role("tab", name="Learn").click()
    expect(page.locator("#learn .levels .stick").first).to_be_attached()
    return page


def headline(page: Page) -> str:
    return page.locator("#learn .verdict").inner_text()


def decibels(page: Page) -> float:
    return float(re.findall(r"([\d.]+) dB", headline(page))[0])


def move(page: Page, name: str, presses: int) -> None:
    """Move a slider with the arrow keys."""
    page.focus(f"#learn [data-part={name}]")
    for _ in range(abs(presses)):
        page.keyboard.press("ArrowRight" if presses > 0 else "ArrowLeft")


def test_the_bits_slider_changes_levels_and_error(scripted: Server, open_page: OpenPage) -> None:
    page = learn(open_page, scripted)
    assert "INT4: 15 levels for 512 numbers" in headline(page)
    four = decibels(page)
    assert page.locator("#learn .levels .level").count() == 15
    move(page, "bits", -1)
    assert "INT3: 7 levels" in headline(page) and f"was {four:.1f} dB" in headline(page)
    assert page.locator("#learn .levels .level").count() == 7
    assert decibels(page) < four - 5
    expect(page.locator("#learn .learn")).to_have_class(re.compile("b2"))
    move(page, "bits", 5)
    assert "INT8: 255 levels" in headline(page)
    assert decibels(page) > four + 20
    expect(page.locator("#learn [data-part=bits]")).to_have_attribute("aria-valuetext", "8 bits")
    expect(page.locator("#learn [data-part=spoken]")).to_contain_text("INT8: 255 levels")


def test_a_label_is_not_covered_by_its_pills(scripted: Server, open_page: OpenPage) -> None:
    page = learn(open_page, scripted)
    for options in page.locator("#learn .options").all():
        label, pills = options.locator(".lab").bounding_box(), options.locator(".seg").bounding_box()
        assert label is not None and pills is not None and label["width"] > 0
        assert label["x"] + label["width"] <= pills["x"] or label["y"] + label["height"] <= pills["y"]


def test_six_cards_change_the_picture(scripted: Server, open_page: OpenPage) -> None:
    page = learn(open_page, scripted)
    assert page.locator("#learn .lesson").count() == len(LESSONS) == 6
    pictures = set()
    for index, lesson in enumerate(LESSONS):
        page.locator("#learn .lesson").nth(index).click()
        expect(page.locator("#learn .lesson[aria-pressed=true] b")).to_have_text(lesson.title)
        expect(page.locator("#learn [data-part=words]")).to_have_text(lesson.words)
        expect(page.locator(f"#learn [data-mapping={lesson.mapping}]")).to_have_attribute("aria-pressed", "true")
        expect(page.locator(f"#learn [data-numbers={lesson.numbers}]")).to_have_attribute("aria-pressed", "true")
        pictures.add(page.locator("#learn .levels").inner_html() + page.locator("#learn .order").inner_html())
    assert len(pictures) == 6
    move(page, "size", 1)
    expect(page.locator("#learn .lesson[aria-pressed=true]")).to_have_count(0)


def test_every_mapping_shows_its_codes_and_fills_in_its_formula(scripted: Server, open_page: OpenPage) -> None:
    page = learn(open_page, scripted)
    for mapping in MAPPINGS.values():
        page.click(f"#learn [data-mapping={mapping.key}]")
        title = page.locator("#learn [data-part=codes-title]").inner_text()
        codes = next(codes for codes in mapping.codes if title == f"Every code of {codes.name}")
        drawn = page.locator("#learn .codes .dot-code").count() + page.locator("#learn .codes .level").count()
        assert drawn == len(codes.values) == page.locator("#learn .levels .level").count()
        formula = page.locator("#learn [data-part=formula]").inner_text()
        assert "NaN" not in formula and "undefined" not in formula and "Infinity" not in formula
        steps = page.locator("#learn .step dt").all_inner_texts()
        assert steps[0] == "r" and steps[-2:] == ["r̂", "e"] and "S" in steps
        assert ("Z" in steps) == (mapping.key == "affine")
        assert page.locator("#learn [data-part=bits]").is_disabled() == (mapping.key == "nf4")
        assert page.locator("#learn [data-part=size]").is_disabled() == (mapping.size is not None)
    page.click("#learn [data-mapping=fp4-e2m1]")
    move(page, "bits", 1)
    expect(page.locator("#learn [data-mapping=fp6-e2m3]")).to_have_attribute("aria-pressed", "true")


def test_the_formula_is_that_of_the_number_that_is_clicked(scripted: Server, open_page: OpenPage) -> None:
    page = learn(open_page, scripted)
    page.click("#learn [data-mapping=affine]")
    row = read_row(locate("tiny-vlm"), layers(locate("tiny-vlm"))[0].name, 0).values.astype(np.float64)
    scale = (row.max() - row.min()) / 15
    zero = np.round(-8 - row.min() / scale)
    box = page.locator("#learn .levels").bounding_box()
    assert box is not None
    seen = set()
    for share in (0.25, 0.5, 0.7):
        page.mouse.click(box["x"] + box["width"] * share, box["y"] + 100)
        found = {
            name: value
            for name, value in zip(*(page.locator(f"#learn .step {part}").all_inner_texts() for part in ("dt", "b")), strict=True)
        }
        told = {name: float(value.removeprefix("= ").replace("−", "-")) for name, value in found.items()}
        r = row[np.abs(row - told["r"]).argmin()]
        q = np.clip(np.round(r / scale + zero), -8, 7)
        expected = {"r": r, "S": scale, "Z": zero, "q": q, "r̂": scale * (q - zero), "e": scale * (q - zero) - r}
        assert told == pytest.approx(expected, rel=1e-3)
        seen.add(told["r"])
    assert len(seen) == 3
    before = page.locator("#learn [data-part=formula]").inner_text()
    move(page, "weight", 40)
    assert page.locator("#learn [data-part=formula]").inner_text() != before


def test_a_code_says_what_its_bits_mean(scripted: Server, open_page: OpenPage) -> None:
    page = learn(open_page, scripted)
    page.locator("#learn .lesson").nth(5).click()
    page.locator("#learn .codes .dot-code").nth(12).click(force=True)
    expect(page.locator("#learn [data-part=code]")).to_have_text("0 10 1 = 22−1 · (1 + 1/2) = 3")
    page.locator("#learn .codes .dot-code").nth(6).click(force=True)
    expect(page.locator("#learn [data-part=code]")).to_have_text("1 00 1 = −21−1 · 1/2 = −0.5")
    page.click("#learn [data-mapping=symmetric]")
    page.locator("#learn .codes .dot-code").nth(4).click(force=True)
    expect(page.locator("#learn [data-part=code]")).to_have_text("1101 stands for −3")
    page.focus("#learn .codes")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#learn .codes")).to_have_attribute("aria-valuetext", "1100 stands for −4")


def test_a_row_of_another_layer_comes_from_the_checkpoint(server: Server, open_page: OpenPage) -> None:
    page = learn(open_page, server)
    name = "vision_tower.encoder.layers.0.mlp.fc2.weight"
    page.select_option("#learn [data-part=layer]", name)
    expect(page.locator("#learn .verdict")).to_contain_text("768 numbers")
    move(page, "row", 3)
    expect(page.locator("#learn [data-part=row-value]")).to_have_text("3 of 192")
    page.focus("#learn [data-part=weight]")
    page.keyboard.press("End")
    largest = read_row(locate("tiny-vlm"), name, 3).values.max()
    expect(page.locator("#learn [data-part=weight-value]")).to_contain_text(f"r = {float(f'{largest:.3g}'):g},")


def test_a_model_that_is_not_here_leaves_the_bundled_rows(scripted: Server, open_page: OpenPage) -> None:
    page = learn(open_page, scripted)
    page.click("#model input")
    page.get_by_role("option", name="BLOOM 1.7B", exact=True).click()
    expect(page.locator("#learn [data-part=note]")).to_contain_text("BLOOM 1.7B is not on this machine yet")
    expect(page.locator("#learn .verdict")).to_contain_text("512 numbers")


@pytest.mark.alone
def test_a_change_takes_less_than_100_ms(scripted: Server, open_page: OpenPage) -> None:
    """From the movement of a slider to a page that is laid out; the most numbers, the most groups."""
    page = learn(open_page, scripted)
    page.locator("#learn .lesson").nth(2).click()
    for key in ("symmetric", "fp8-e4m3", "nvfp4"):
        page.click(f"#learn [data-mapping={key}]")
        taken = page.evaluate(
            """() => {
                const slider = document.querySelector("#learn [data-part=weight]");
                return [...Array(15).keys()].map((turn) => {
                    const start = performance.now();
                    slider.value = turn * 100;
                    slider.dispatchEvent(new Event("input", { bubbles: true }));
                    document.querySelector("#learn").getBoundingClientRect();
                    return performance.now() - start;
                });
            }"""
        )
        assert np.median(taken) < 100, (key, taken)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_take_the_colours_of_the_theme(scripted: Server, open_page: OpenPage, scheme: str) -> None:
    page = learn(open_page, scripted, color_scheme=scheme)
    colour = "getComputedStyle(document.querySelector('#learn .stick')).fill"
    text = "getComputedStyle(document.querySelector('#learn .levels .code')).fill"
    light, dark = ("rgb(217, 119, 6)", "rgb(28, 32, 36)"), ("rgb(251, 191, 36)", "rgb(236, 238, 240)")
    assert (page.evaluate(colour), page.evaluate(text)) == (dark if scheme == "dark" else light)
    page.click(".theme-switch")
    assert (page.evaluate(colour), page.evaluate(text)) == (light if scheme == "dark" else dark)


def test_a_phone_scrolls_one_way(scripted: Server, open_page: OpenPage) -> None:
    page = learn(open_page, scripted, viewport={"width": 390, "height": 844})
    for index in range(len(LESSONS)):
        page.locator("#learn .lesson").nth(index).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    widths = page.evaluate("[...document.querySelectorAll('#learn svg')].map((svg) => svg.clientWidth)")
    assert all(300 < width < 390 for width in widths)
