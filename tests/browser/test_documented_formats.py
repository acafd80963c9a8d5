"""The formats of the walks in docs/extending.md in the page's own arithmetic: they round as in PyTorch."""

from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.test_learn_rounding import in_page_of
from tests.docs.test_formats import KEYS, package, seen  # noqa: F401  # fixtures

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("key", KEYS)
def test_javascript_rounds_like_torch(seen: dict[str, Any], browser: Browser, key: str) -> None:  # noqa: F811
    found = seen["found"][key]
    for numbers, restored in zip(found["numbers"], found["restored"], strict=True):
        assert in_page_of(browser, seen["script"], numbers, found["mapping"]) == restored
