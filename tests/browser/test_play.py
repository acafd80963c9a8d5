"""The Play tab in a real browser: from the slider to the answer and back, what hurts and heals, a reload, another model."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.support.acting import choose_model
from tests.support.serving import Server

pytestmark = pytest.mark.browser


def test_a_model_is_broken_and_healed(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    page.get_by_role("tab", name="Play").click()
    told, slider = page.locator("#play-verdict"), page.get_by_role("slider", name="Bits per weight")
    expect(page.locator("#play-game")).to_be_hidden()
    page.click("#play-start")
    expect(told).to_contain_text("This is the original")
    slider.focus()
    for _ in range(13):  # 16 is on the left
        page.keyboard.press("ArrowRight")
    expect(told).to_contain_text("3 bits. The answer changes at “frog”.")
    expect(page.locator("#play-answers mark")).to_have_text(["star", "frog"])
    expect(page.locator("#play-facts")).to_contain_text("0.20 nats")
    page.get_by_role("radio", name="NF4").check()
    expect(told).to_contain_text("NF4, 4 bits. The answer stays.")
    expect(slider).to_be_disabled()
    expect(page.locator("#play-answers mark")).to_have_count(0)
    page.click("#play-largest")
    expect(told).to_contain_text("The 10 largest weights of 3.0 M are gone. The answer is nonsense.")
    page.reload()
    page.get_by_role("tab", name="Play").click()
    expect(told).to_contain_text("The answer is nonsense.")
    expect(page.get_by_role("radio", name="NF4")).to_be_checked()
    page.click("#play-undo")
    expect(told).to_contain_text("NF4, 4 bits.")
    page.click("#play-undo")
    expect(told).to_contain_text("Integers by row, 3 bits.")
    expect(slider).to_have_value("3")
    page.click("#play-restore")
    expect(told).to_contain_text("Everything: as the original again. It is whole.")
    choose_model(page, "tiny-lm")
    expect(told).to_contain_text("How much of it can go")
    expect(page.locator("#play-start")).to_be_visible()
