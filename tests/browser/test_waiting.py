"""Changes that come faster than they are handled, in a browser."""

import pytest
from playwright.sync_api import Request, expect

from tests.browser.conftest import OpenPage
from tests.support.serving import Server


@pytest.mark.browser
def test_quick_changes_come_to_rest(scripted: Server, open_page: OpenPage) -> None:
    page = open_page(scripted)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if _is_call(request) else None)
    for sample in ("pizza", "two-cats", "three-hearts", "pizza", "four-shapes"):
        page.click(f"#picture [data-sample^={sample}]")
    page.click("#theme button")
    page.click("#theme button")
    page.fill("#question textarea", "")
    page.locator("#question textarea").press_sequentially("What else is there?")
    for _ in range(10):  # a busy machine takes longer to answer all
        asked.clear()
        page.wait_for_timeout(3_000)
        if len(asked) <= 2:  # what looks how busy the machine is
            break
    assert len(asked) <= 2
    expect(page.locator("#question textarea")).to_have_value("What else is there?", timeout=1_000)


def _is_call(request: Request) -> bool:
    return "/run/" in request.url or "/queue/join" in request.url
