"""The form of a comparison in a browser: what it explains, keeps, fills in and undoes."""

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Route, expect

from qdash.catalog.presets import STARTER_SAMPLE
from qdash.ui.controls.samples import own_question
from tests.browser.conftest import OpenPage
from tests.support.acting import choose_model, compare, finished
from tests.support.serving import Server

pytestmark = pytest.mark.browser


def test_bad_input_is_explained_and_kept(scripted: Server, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(scripted)
    compare(page)
    finished(page)
    compare(page, " ")
    expect(page.locator(".banner")).to_contain_text("The question is empty")
    expect(page.locator("#compare")).to_be_visible()
    expect(page.locator("#results")).to_be_visible()
    page.fill("#question textarea", "x" * 25_000)
    compare(page)
    expect(page.locator(".banner")).to_contain_text("25,000 characters")
    assert len(page.input_value("#question textarea")) == 25_000
    fake = tmp_path / "fake.png"
    fake.write_bytes(b"this is no picture")
    page.set_input_files("#picture input[type=file]", fake)
    page.wait_for_function("document.querySelector('#picture .note').innerText === 'No preview for this file.'")
    compare(page, "What?")
    expect(page.locator(".banner")).to_contain_text("not a picture")
    page.locator("#picture .thumb").nth(1).click()
    compare(page)
    finished(page)
    expect(page.locator(".banner")).to_have_count(0)


def test_an_uploaded_picture_is_shown_and_used(scripted: Server, open_page: OpenPage, tmp_path: Path, png: bytes) -> None:
    page = open_page(scripted)
    picture = tmp_path / "mine.png"
    picture.write_bytes(png)
    page.set_input_files("#picture input[type=file]", picture)
    page.wait_for_function("document.querySelector('#picture .view img').src.startsWith('blob:')")
    compare(page)
    finished(page)
    expect(page.locator(".banner")).to_have_count(0)


def test_the_keyboard_is_enough(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    preset = page.get_by_role("button", name="FastVLM", exact=True)
    preset.focus()
    page.keyboard.press("Enter")
    expect(preset).to_have_attribute("aria-pressed", "true")
    page.focus("#schemes input[value='bnb-int8']")
    page.keyboard.press("Space")
    expect(page.locator("#schemes input[value='bnb-int8']")).not_to_be_checked()
    assert page.evaluate("document.activeElement.value") == "bnb-int8"
    page.focus("#question textarea")
    page.keyboard.press("Control+a")
    page.keyboard.type("keys only")
    page.keyboard.press("Control+Enter")
    finished(page)
    assert "says keys only" in page.locator(".card .ans").first.inner_text()
    assert page.locator(".card").count() == 3


def test_what_a_preset_sets_can_be_undone(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    question, checked = page.locator("#question textarea"), page.locator("#schemes input:checked")
    before = checked.evaluate_all("boxes => boxes.map((box) => box.value)")
    page.get_by_role("button", name="BLOOM-1.7B", exact=True).click()
    expect(page.locator("#filled")).to_contain_text("“BLOOM-1.7B” set the model, question, tokens, timed runs, data type and schemes.")
    expect(question).to_have_value("Hello, how are you?")
    page.click("#undo-fill")
    expect(question).to_have_value(own_question(STARTER_SAMPLE))
    expect(page.locator("#filled")).to_be_hidden()
    expect(page.locator("#model input")).to_have_value("Bundled drawing reader")
    expect(checked).to_have_count(len(before))
    assert checked.evaluate_all("boxes => boxes.map((box) => box.value)") == before
    question.fill("My own?")
    page.get_by_role("button", name="Stories", exact=True).click()
    expect(page.locator("#filled")).to_contain_text("“Stories” set the model and schemes.")
    expect(question).to_have_value("My own?")


def test_a_photo_is_told_at_once_and_one_click_leads_to_a_model_that_sees_it(scripted: Server, open_page: OpenPage, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.effect_noise((200, 150), 80).save(photo)
    page = open_page(scripted)
    page.set_input_files("#picture input[type=file]", photo)
    expect(page.locator("#picture-note")).to_contain_text("This looks like a photo.")
    page.click("#photo-model")
    expect(page.locator("#model input")).to_have_value("SmolVLM 256M")
    expect(page.locator("#picture-note")).to_be_empty()
    expect(page.locator("#photo-model")).to_be_hidden()


def test_a_text_model_hides_the_picture(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    page.click("#model input")
    page.get_by_role("option", name="SmolLM2 360M").click()
    expect(page.locator("#picture")).to_be_hidden()
    page.click("#dice")
    page.wait_for_function("!/picture|图/.test(document.querySelector('#question textarea').value)")
    compare(page)
    finished(page)


def test_what_is_typed_while_a_model_is_looked_up_stays(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    held: list[Route] = []
    typed = False

    def hold(route: Route) -> None:
        """What is asked of the server waits until the question is typed."""
        if typed:
            route.continue_()
        else:
            held.append(route)

    page.route("**/gradio_api/run/**", hold)
    with page.expect_request("**/gradio_api/run/**"):
        choose_model(page, "my own")
    page.wait_for_timeout(500)  # for what else is asked with it
    page.fill("#question textarea", "Who are you?")
    typed = True
    assert held
    for route in held:
        route.continue_()
    expect(page.locator("#model-hint")).to_contain_text("your own model")
    assert page.input_value("#question textarea") == "Who are you?"


def test_a_reference_text_is_kept_and_checked(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    page.click("#measurement button.label-wrap")
    page.fill("#reference-text textarea", "x" * 20_500)
    compare(page)
    expect(page.locator(".banner")).to_contain_text("The reference text has 20,500 characters")
    page.fill("#reference-text textarea", "A longer text.")
    compare(page)
    finished(page)
    expect(page.locator(".banner")).to_have_count(0)
