"""What a page says when it opens is checked like anything else that a browser sends."""

from dataclasses import astuple, replace
from typing import Any

import gradio as gr
import pytest

from qdash.ui.controls.arrival import restored, visitor_of
from qdash.ui.controls.form import Form
from tests.ui.controls.test_form import FORM

FIELDS = list(Form.__dataclass_fields__)


def _values(**changes: Any) -> list[Any]:
    return list(astuple(replace(FORM, reference_text="", **changes)))


def test_a_form_comes_back_as_it_was() -> None:
    other = {"model": "tiny-lm", "schemes": ["original", "vision=bnb-int8"], "question": "早上好", "runs": 3, "device": "cpu"}
    assert restored(_values()) == _values() and restored(_values(**other)) == _values(**other)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", ""), ("model", 3), ("model", ["tiny-vlm"]), ("schemes", ["nonsense"]), ("schemes", {}), ("schemes", []),
        ("picture", {"upload": "/etc/passwd"}), ("picture", "x"), ("picture", {"sample": "../x"}), ("question", None),
        ("question", "x" * 200_000), ("runs", "3"), ("runs", True), ("tokens", [5]), ("baseline_dtype", "int8"), ("baseline_dtype", []),
        ("device", "cuda:99"), ("device", {}), ("reference_text", 5),
    ],
)  # fmt: skip
def test_what_does_not_exist_here_is_left_out(field: str, value: Any) -> None:
    values = _values(**{field: value}) if field != "reference_text" else [*_values()[:-1], value]
    came = restored(values)
    assert came[FIELDS.index(field)] == gr.skip()
    assert [each for each in came if each == gr.skip()] == [gr.skip()] * (2 if field == "model" else 1)


@pytest.mark.parametrize("said", [None, {}, [], "x", [1, 2], {"model": "tiny-lm"}])
def test_no_form_changes_nothing(said: Any) -> None:
    assert restored(said) == [gr.skip()] * len(FIELDS)


def test_a_visitor_is_a_number_and_nothing_else() -> None:
    assert visitor_of("0123456789abcdef" * 2) == "0123456789abcdef" * 2
    for said in (None, "", "x", 3, {}, "0123456789ABCDEF" * 2, "0" * 31, "../" * 11, ["0" * 32]):
        assert visitor_of(said) == ""
