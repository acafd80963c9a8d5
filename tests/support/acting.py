"""What people do on the page, for every test in a browser."""

from playwright.sync_api import Page, expect


def compare(page: Page, prompt: str | None = None) -> None:
    if prompt is not None:
        page.fill("#question textarea", prompt)
        page.keyboard.press("Tab")
    # The mark goes when the new run draws its first headline: results still on screen are not taken for new ones.
    page.eval_on_selector("#verdict .verdict", "headline => headline.dataset.old = 1")
    page.click("#compare")


def choose_model(page: Page, model: str) -> None:
    page.fill("#model input", model)
    page.keyboard.press("Enter")


def finished(page: Page, timeout_ms: int | None = None) -> None:
    expect(page.locator("#verdict .verdict:not([data-old])")).to_be_visible(timeout=timeout_ms)
    expect(page.locator(".phase.compare-results")).to_have_count(1, timeout=timeout_ms)
    expect(page.locator("#results")).to_be_visible()
    expect(page.locator("#compare")).to_be_visible()
