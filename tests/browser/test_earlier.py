"""What a comparison asked, beside its answers, in a browser."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.support.acting import compare, finished
from tests.support.serving import Server


@pytest.mark.browser
def test_what_was_asked_stays_and_is_marked_when_the_form_changes(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    compare(page, "What is in the picture?")
    finished(page)
    expect(page.locator("#asked")).to_contain_text("What is in the picture?")
    expect(page.locator("#asked img")).to_be_visible()
    expect(page.locator(".earlier")).to_have_count(0)
    page.fill("#question textarea", "And now?")
    expect(page.locator(".earlier")).to_contain_text("from before")
    expect(page.locator("#asked")).to_contain_text("What is in the picture?")
    page.fill("#question textarea", "What is in the picture?")
    expect(page.locator(".earlier")).to_have_count(0)
    page.click("#picture [data-sample^=pizza]")
    expect(page.locator(".earlier")).to_contain_text("from before")
