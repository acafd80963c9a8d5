"""The Quality tab and the trade-off chart in a real browser, by mouse, keyboard and finger."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.support.acting import choose_model, choose_schemes, compare, finished
from tests.support.scripted import ENDLESS
from tests.support.serving import Server

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}


def _quality(page: Page) -> None:
    page.get_by_role("tab", name="Quality").click()
    expect(page.locator("#evaluate")).to_be_visible()


def _ask(page: Page, limit: int) -> None:
    page.fill("#limit input", str(limit))
    page.keyboard.press("Tab")


def _evaluated(page: Page, limit: int = 80) -> None:
    _quality(page)
    _ask(page, limit)
    page.click("#evaluate")
    _done(page)


def _done(page: Page, *, traded: bool = True) -> None:
    expect(page.locator(".phase.quality-results")).to_have_count(1)
    expect(page.locator("#evaluate")).to_be_visible()
    # One variant alone has nothing to trade.
    for plot in ("quality-accuracy", "quality-speed", *(["quality-tradeoff"] if traded else [])):
        expect(page.locator(f"#{plot} .main-svg").first).to_be_visible()


def _dot(page: Page, figure: str, place: int) -> tuple[float, float]:
    """The middle of the dot of a variant, in the window."""
    page.locator(f"#{figure}").scroll_into_view_if_needed()
    return page.evaluate(
        """([id, place]) => {
          const plot = document.querySelector(`#${id} .js-plotly-plot`), box = plot.getBoundingClientRect(), full = plot._fullLayout;
          const trace = plot.data.find(one => one.customdata?.[0] === place);
          return [box.left + full.xaxis._offset + full.xaxis.d2p(trace.x[0]), box.top + full.yaxis._offset + full.yaxis.d2p(trace.y[0])];
        }""",
        [figure, place],
    )


def test_the_first_click_evaluates_offline(scripted: Server, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(scripted)
    _quality(page)
    expect(page.locator("#quality-verdict")).to_contain_text("How many answers are still right?")
    expect(page.locator("#task")).to_contain_text("Questions about drawings")
    expect(page.locator("#task")).not_to_contain_text("LAMBADA")
    expect(page.locator("#limit input")).to_have_value("400")
    expect(page.locator("#quality-results")).to_be_hidden()
    page.click("#evaluate")
    expect(page.locator("#quality-cards .running")).to_be_visible()
    expect(page.locator("#evaluate-stop")).to_be_visible()
    _done(page)
    expect(page.locator("#quality-verdict")).to_contain_text("no difference found for INT8")
    expect(page.locator("#quality-verdict")).to_contain_text("INT2 costs 83.5 points")
    expect(page.locator("#quality-cards")).to_contain_text("clearly worse")
    expect(page.locator("#quality-kinds")).to_contain_text("count")
    expect(page.locator("#quality-conditions")).to_contain_text("400 questions")
    for button, beginning in (("csv", "scheme,label"), ("items-csv", "question,prompt"), ("json", "{"), ("html", "<!doctype")):
        with page.expect_download() as download:
            page.click(f"#quality-{button}")
        path = tmp_path / button
        download.value.save_as(path)
        assert path.read_text(encoding="utf-8").startswith(beginning)
    assert len(json.loads((tmp_path / "json").read_text())["variants"]) == 6
    page.get_by_role("tab", name="History").click()
    expect(page.locator(".run").first).to_contain_text("Questions about drawings")


def test_answers_are_browsed_a_page_at_a_time(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    _evaluated(page)
    items = page.locator("#quality-items")
    expect(items.locator(".items > li")).to_have_count(20)
    expect(items.locator(".pager").first).to_contain_text("1–20 of 80")
    items.get_by_role("button", name="Next →").first.press("Enter")
    expect(items.locator(".pager").first).to_contain_text("21–40 of 80")
    items.locator("[data-goto]").first.fill("4")
    items.locator("[data-goto]").first.press("Enter")
    expect(items.locator(".pager").first).to_contain_text("61–80 of 80")
    items.get_by_role("button", name=re.compile("Only where they differ")).click()
    expect(items.locator("[data-only=differ]")).to_have_attribute("aria-pressed", "true")
    expect(items.locator("[data-only=all]")).to_have_attribute("aria-pressed", "false")
    shown = int(items.locator("[data-only=differ] small").inner_text())
    assert 0 < shown < 80
    expect(items.locator(".items > li")).to_have_count(min(shown, 20))
    for row in range(min(shown, 5)):
        assert items.locator(".items > li").nth(row).locator(".given li").count() > 1
    items.locator("select").select_option(index=1)
    expect(items.locator(".items > li")).not_to_have_count(min(shown, 20))
    assert items.locator("i, b, script").filter(has_text="is wrong").count() == 0, "an answer's markup is text"
    expect(items).to_contain_text("<i>bnb-nf4</i> is wrong")


def test_stop_keeps_what_was_answered(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    choose_model(page, ENDLESS)
    _quality(page)
    page.click("#evaluate")
    expect(page.locator("#quality-cards")).to_contain_text("8 of 400")
    page.click("#evaluate-stop")
    _done(page, traded=False)
    expect(page.locator("#quality-cards")).to_contain_text("stopped after")
    expect(page.locator("#quality-verdict")).to_contain_text("Stopped early")


def test_a_file_of_ones_own_and_a_faulty_one(scripted: Server, open_page: OpenPage, tmp_path: Path) -> None:
    good, bad = tmp_path / "mine.csv", tmp_path / "bad.csv"
    good.write_text("prompt,answer,kind\n" + "".join(f"<b>{n}</b> + 1?,{n + 1},sum\n" for n in range(30)))
    bad.write_text("prompt,answer\n1 + 1?,\n")
    page = open_page(scripted)
    _quality(page)
    page.locator("#task").get_by_text("Your own questions").click()
    expect(page.locator("#question-file button")).to_be_visible()
    page.click("#evaluate")
    expect(page.locator("#quality-banner")).to_contain_text("no file of questions yet")
    expect(page.locator("#evaluate")).to_be_visible()
    for path, words in ((bad, "bad.csv, line 2"), (good, "")):
        page.set_input_files("#question-file input", str(path))
        expect(page.locator("#question-file .name")).to_have_text(path.name)
        page.click("#evaluate")
        if words:
            expect(page.locator("#quality-banner")).to_contain_text(words)
            expect(page.locator("#evaluate")).to_be_visible()
    _done(page)
    expect(page.locator("#quality-banner")).to_be_empty()
    expect(page.locator("#quality-items")).to_contain_text("<b>0</b> + 1?")


def test_questions_with_pictures(scripted: Server, open_page: OpenPage, tmp_path: Path, png: bytes) -> None:
    table, first, second, archive = (tmp_path / name for name in ("mine.csv", "one.png", "two.png", "all.zip"))
    table.write_text("prompt,answer,image\nOne?,1,one.png\nTwo?,2,two.png\n")
    first.write_bytes(png)
    second.write_bytes(png)
    with ZipFile(archive, "w") as zipped:
        for file in (table, first, second):
            zipped.write(file, f"set/{file.name}")
    page = open_page(scripted)
    _quality(page)
    page.locator("#task").get_by_text("Your own questions").click()
    note, chosen = page.locator("#file-note"), page.locator("#question-file input")
    chosen.set_input_files([str(first)])
    expect(note).to_contain_text("There is no file of questions among the files that were chosen")
    chosen.set_input_files([str(table)])
    expect(note).to_contain_text("mine.csv, line 3: the picture “two.png” is not among the files that were chosen")
    chosen.set_input_files([str(second)])
    expect(page.locator("#question-file .name")).to_have_text("3 files: one.png, mine.csv, two.png")
    expect(note).to_contain_text("2 questions, 2 with a picture ✓")
    chosen.set_input_files([str(archive)])
    expect(page.locator("#question-file .name")).to_have_text("all.zip")
    expect(note).to_contain_text("2 questions, 2 with a picture ✓")
    page.click("#evaluate")
    _done(page)
    expect(page.locator("#quality-banner")).to_be_empty()
    expect(page.locator("#quality-items img").first).to_be_visible()


def test_another_model_has_other_tasks(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    _quality(page)

    choose_model(page, "Qwen3 4B")
    expect(page.locator("#task")).to_contain_text("LAMBADA")
    expect(page.locator("#task")).not_to_contain_text("drawings")
    choose_model(page, "Qwen3 4B, random weights")
    expect(page.locator("#task-about")).to_contain_text("Random weights only guess")


def test_a_dot_leads_to_its_row_and_its_card(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    choose_schemes(page, "original", "bnb-int8", "bnb-nf4", "fp6-e2m3")
    compare(page)
    finished(page)
    expect(page.locator("#tradeoff .main-svg").first).to_be_visible()
    page.mouse.click(*_dot(page, "tradeoff", 2))
    expect(page.locator("#cards .card").nth(2)).to_be_focused()
    page.locator("#against").get_by_text("Time").click()
    expect(page.locator(".tradeoff-note").first).to_contain_text("FP6 E2M3 (simulated: its time is that of a stand-in)")
    page.click("#open-table")
    page.locator("#drawer-table [data-jump='3']").press("Enter")
    expect(page.locator("#cards .card").nth(3)).to_be_focused()
    _evaluated(page)
    page.mouse.click(*_dot(page, "quality-tradeoff", 1))
    expect(page.locator("#quality-cards tr[data-variant='1']")).to_be_focused()
    page.click(".theme-switch")
    expect(page.locator("body")).to_have_class(re.compile("dark"))
    page.wait_for_function("document.querySelector('#quality-tradeoff .js-plotly-plot').layout.font.color === '#9ba1a6'")


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1440, "height": 900}])
def test_the_names_of_twenty_dots_never_cover_each_other(scripted: Server, open_page: OpenPage, viewport: Any) -> None:
    page = open_page(scripted, viewport=viewport)
    page.get_by_role("button", name="All", exact=True).click()
    page.wait_for_function("document.querySelectorAll('.schemes input:checked').length > 15")
    _evaluated(page, 60)
    assert page.locator("#quality-cards tr[data-variant]").count() > 15
    boxes = page.evaluate(
        "[...document.querySelectorAll('#quality-tradeoff .annotation-text')].map(one => one.getBoundingClientRect().toJSON())"
    )
    assert len(boxes) > 5
    for one, two in combinations(boxes, 2):
        apart = one["right"] <= two["left"] or two["right"] <= one["left"] or one["bottom"] <= two["top"] or two["bottom"] <= one["top"]
        assert apart, (one, two)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
