"""How scripts say a sentence, in a real browser."""

import json

import pytest
from playwright.sync_api import Browser

from qdash.ui.components.static import script

pytestmark = pytest.mark.browser

SAID = """[
  _("Copied"), _("{file} is large. {unknown}", { file: "a.png" }),
  ngettext("{number} run", "{number} runs", 1), ngettext("{number} run", "{number} runs", 1234), decimal(1234.5),
]"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", ["Copied", "a.png is large. {unknown}", "1 run", "1,234 runs", "1,234.5"]),
        (
            'window.qdashWords = { code: "de", form: (n) => Number(n != 1), sentences: { Copied: "Kopiert", '
            '"{number} run": ["{number} Lauf", "{number} Läufe"] } };',
            ["Kopiert", "a.png is large. {unknown}", "1 Lauf", "1.234 Läufe", "1.234,5"],
        ),
    ],
)
def test_a_sentence_is_that_of_the_language_or_english(browser: Browser, words: str, said: list[str]) -> None:
    context = browser.new_context()
    page = context.new_page()
    source = f"{words}\n{script('say')}\nreturn {SAID};"
    assert page.evaluate(f"new Function({json.dumps(source)})()") == said
    context.close()
