"""The Heal tab in a real browser: a training is watched to its end and put at the side; one is stopped after a reload of its page."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.support.acting import fill_in, open_tab, started, stopped
from tests.support.serving import Server

pytestmark = pytest.mark.browser


def test_from_the_estimate_to_the_schemes_at_the_side(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    open_tab(page, "Heal")
    expect(page.locator("#heal-plan")).to_contain_text("about 420 MiB of memory")
    expect(page.locator("#heal-results")).to_have_css("visibility", "hidden")
    page.get_by_role("radio", name="INT3").check()
    fill_in(page, "#heal-minutes input", "9")
    expect(page.locator("#heal-plan")).to_contain_text("9 min of training")
    page.get_by_role("radio", name="Own text").check()
    expect(page.locator("#heal-file button")).to_be_visible()
    started(page, "#heal-start", "#heal-banner", "There is no file to learn from yet")
    page.get_by_role("radio", name="Drawings").check()
    expect(page.locator("#heal-file button")).to_be_hidden()
    page.click("#heal-start")
    expect(page.locator("#heal-verdict")).to_contain_text("is being trained for “INT3”")
    expect(page.locator("#heal-verdict")).to_contain_text("fell from 0.55 to 0.050 nats per token")
    expect(page.locator("#heal-points tbody tr")).to_have_count(6)
    expect(page.locator("#heal-curve .scatterlayer .trace")).to_have_count(3)
    expect(page.locator("#heal-plan")).to_contain_text("9.0 min are behind")
    expect(page.locator("#heal-check-file button")).to_be_hidden()
    fill_in(page, "#heal-check-limit input", "24")
    started(page, "#heal-check-start", "#heal-check-banner", "The answers are counted")
    expect(page.locator("#heal-verdict")).to_contain_text("Right answers: healed")
    expect(page.locator("#heal-check-table tbody tr")).to_have_count(3)
    expect(page.locator("#heal-check-start")).to_be_visible()
    page.locator("#heal-check-task").get_by_role("radio", name="Your own questions").check()
    expect(page.locator("#heal-check-file button")).to_be_visible()
    page.click("#heal-use")
    expect(page.locator("#heal-banner")).to_contain_text("among the schemes at the side")
    expect(page.locator("#filled")).to_contain_text("The healed version was added")
    page.get_by_role("radio", name="INT2").check()
    expect(page.locator("#heal-verdict")).to_contain_text("How much of what rounding cost")
    expect(page.locator("#heal-results")).to_have_css("visibility", "hidden")


def test_a_reload_goes_on_showing_it_and_a_stop_keeps_the_best(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    open_tab(page, "Heal")
    page.get_by_role("radio", name="INT4").check()
    fill_in(page, "#heal-minutes input", "66")
    started(page, "#heal-start", "#heal-banner", "Step 60")
    page.reload()
    open_tab(page, "Heal")
    expect(page.locator("#heal-banner")).to_contain_text("Step 60")
    expect(page.get_by_role("radio", name="INT4")).to_be_checked()
    expect(page.locator("#heal-minutes input")).to_have_value("66")
    expect(page.locator("#heal-points tbody tr")).to_have_count(3)
    stopped(page, "#heal-stop", "#heal-banner", "The healed version is kept", "#heal-start")
    expect(page.locator("#heal-points")).to_contain_text("Heal goes on from there.")
