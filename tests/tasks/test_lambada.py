"""LAMBADA from a file and through a stand-in for `datasets`: the split of a passage is lm-eval's."""

import importlib.util
import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from qdash.errors import QdashError
from qdash.tasks import lambada_items

PASSAGES = ["In my palm is a clear stone, and inside it is a small ivory statue", "two  spaces before  last", "“It’s me,” said Gabriel"]


def as_file(*texts: Any) -> bytes:
    return "\n".join(json.dumps({"text": text}) for text in texts).encode()


def test_the_last_word_is_what_stands_after_the_last_space() -> None:
    for item, text in zip(lambada_items(as_file(*PASSAGES), "test.jsonl"), PASSAGES, strict=True):
        assert item.question.answer == text.split(" ")[-1]
        assert item.question.prompt == " ".join(text.split(" ")[:-1]).rstrip()
        # lm-eval moves spaces from the end of the context to the beginning of the target.
        assert item.question.prompt + item.target == text


@pytest.mark.parametrize("text", ["word", " word", "word ", 7, None, ""])
def test_a_passage_has_two_words(text: object) -> None:
    with pytest.raises(QdashError, match="line 1: there is no “text” of two words"):
        lambada_items(as_file(text), "test.jsonl")


def stand_in(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = SimpleNamespace(load_dataset=load, __spec__=importlib.util.spec_from_loader("datasets", None))
    monkeypatch.setitem(sys.modules, "datasets", module)


def test_the_data_set_is_eleutherais_test_split(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = {("EleutherAI/lambada_openai", "test"): {"text": PASSAGES}}
    stand_in(lambda name, split: sets[name, split], monkeypatch)
    assert lambada_items() == lambada_items(as_file(*PASSAGES))


def test_without_a_network_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(name: str, split: str) -> None:
        raise ConnectionError("no route to host\nsecond line")

    stand_in(offline, monkeypatch)
    with pytest.raises(QdashError, match="no route to host Check the network") as error:
        lambada_items()
    assert error.value.kind == "download"


def test_without_the_library_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(QdashError, match="pip install datasets") as error:
        lambada_items()
    assert error.value.kind == "unavailable"
