"""Differing spans: what is marked, and that nothing of the answer is lost."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.present.text_diff import differing_spans


def marked(original: str, answer: str) -> list[str]:
    """The texts that would be highlighted."""
    return [text for text, differs in differing_spans(original, answer) if differs]


@pytest.mark.parametrize(
    ("original", "answer", "expected"),
    [
        ("a red cat", "a red cat", []),
        ("a red cat", "a blue cat", ["blue"]),
        ("a red cat", "a very large dog", ["very large dog"]),
        ("a red cat", "a cat", []),
        ("a red cat.", "a red cat", []),
        ("", "two words", ["two words"]),
        ("two words", "", []),
        ("白色背景上有一个黑色的正方形。", "白色背景上有一个黑色的星形。", ["星"]),
        ("I see a 猫 here", "I see a 狗 here", ["狗"]),
        ("It isn't red", "It wasn't red", ["wasn't"]),
        ("नमस्ते दुनिया", "नमस्कार दुनिया", ["नमस्कार"]),
        ("a 👩‍🚀 here", "a 👩‍🔧 here", ["👩‍🔧"]),
        ("שלום עולם", "שלום לכם", ["לכם"]),
    ],
)
def test_marks_the_words_that_differ(original: str, answer: str, expected: list[str]) -> None:
    assert marked(original, answer) == expected


def test_white_space_alone_is_no_difference() -> None:
    assert marked("a  red\ncat", "a red cat ") == []


def test_markup_is_left_to_whoever_draws_it() -> None:
    assert differing_spans("x", "<script>") == [("<script>", True)]


@given(st.text(alphabet="ab 猫\n\u200d🏻é."), st.text(alphabet="ab 猫\n\u200d🏻é."))
def test_spans_rebuild_the_answer_and_alternate(original: str, answer: str) -> None:
    spans = differing_spans(original, answer)
    assert "".join(text for text, _ in spans) == answer
    assert all(text for text, _ in spans)
    assert all(one[1] != two[1] for one, two in zip(spans, spans[1:], strict=False))
    assert marked(answer, answer) == []


def test_the_longest_answers_take_no_time() -> None:
    original, answer = "the cat sat on the mat " * 1500, "the dog sat on a mat " * 1500
    start = time.perf_counter()
    differing_spans(original, answer)
    assert time.perf_counter() - start < 2
