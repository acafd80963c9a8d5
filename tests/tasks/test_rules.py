"""When an answer is right."""

import pytest

from qdash.tasks.rules import GRADERS, words_of


@pytest.mark.parametrize(
    ("rule", "answer", "target", "right"),
    [
        ("exact", " Four. ", "Four.", True),
        ("exact", "Four", "Four.", False),
        ("exact", "four.", "Four.", False),
        ("first_word", " kitchen. The moon", "kitchen", True),
        ("first_word", "厨房。月亮", "厨房", True),
        ("first_word", " kitchen and", "kitchen", False),
        ("first_word", "", "kitchen", False),
        ("first_word", "Kitchen.", "kitchen", False),
        ("words", " in the kitchen, of course", "kitchen", True),
        ("words", " in the kitchens", "kitchen", False),
        ("words", "It is PARIS!", "Paris", True),
        ("words", "New York is large", "new york", True),
        ("words", "New and York", "New York", False),
        ("words", "the well-known man", "well", False),
        ("words", "I don’t know", "don't", True),
        ("words", "这是红色的圆形。", "圆形", True),
        ("words", "圆的形状", "圆形", False),
        ("words", "Es ist Größe 3.", "größe", True),
        ("words", "what?!", "?", True),
        ("words", "", "word", False),
        ("words", "4 apples", "4", True),
        ("words", "14 apples", "4", False),
    ],
)
def test_rules(rule: str, answer: str, target: str, right: bool) -> None:
    assert GRADERS[rule](answer, target) is right  # type: ignore[index]


def test_words_of_a_text() -> None:
    assert words_of("“Oh,” said O’Neil — well-known, 3rd.") == ["oh", "said", "o'neil", "well-known", "3rd"]
    assert words_of("我说hello世界") == ["我", "说", "hello", "世", "界"]
