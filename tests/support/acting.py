"""What people do on the page, for every test in a browser."""

from playwright.sync_api import Locator, Page, expect


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


def choose_schemes(page: Page, *keys: str) -> None:
    """Check these and nothing else in the list."""
    page.eval_on_selector(
        "#schemes",
        """(list, keys) => {
            const boxes = [...list.querySelectorAll(".opt input")];
            for (const box of boxes) box.checked = keys.includes(box.value);
            boxes[0].dispatchEvent(new Event("change", { bubbles: true }));
        }""",
        list(keys),
    )
    expect(page.locator("#schemes .opt input:checked")).to_have_count(len(keys))


def finished(page: Page, timeout_ms: int | None = None) -> None:
    expect(page.locator("#verdict .verdict:not([data-old])")).to_be_visible(timeout=timeout_ms)
    expect(page.locator(".phase.compare-results")).to_have_count(1, timeout=timeout_ms)
    expect(page.locator("#results")).to_be_visible()
    expect(page.locator("#compare")).to_be_visible()


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def fill_in(page: Page, field: str | Locator, value: str) -> None:
    (page.locator(field) if isinstance(field, str) else field).fill(value)
    page.keyboard.press("Tab")


def started(page: Page, button: str, banner: str, words: str) -> None:
    page.click(button)
    expect(page.locator(banner)).to_contain_text(words)


def stopped(page: Page, stop: str, banner: str, words: str, start: str) -> None:
    page.click(stop)
    expect(page.locator(banner)).to_contain_text(words)
    expect(page.locator(start)).to_be_visible()
