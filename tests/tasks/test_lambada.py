"""LAMBADA from a file, and through `datasets` from a hub on this machine: the split of a passage is lm-eval's."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qdash.errors import QdashError
from qdash.records.evaluation import MAX_ITEMS
from qdash.tasks import lambada_items
from tests.support.fake_hub import FakeHub

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


def test_too_many_passages_are_refused_not_cut() -> None:
    with pytest.raises(QdashError, match=f"many.jsonl has more than {MAX_ITEMS:,} questions"):
        lambada_items(as_file(*["two words"] * (MAX_ITEMS + 1)), "many.jsonl")


def fetched(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The questions of the data set as JSON, from the hub at `url`, in a process of its own: libraries read the address on import."""
    code = (
        "import json, sys; from qdash.errors import QdashError; from qdash.tasks import lambada_items\n"
        "try: print(json.dumps([[item.question.prompt, item.question.answer] for item in lambada_items()]))\n"
        "except QdashError as error: print(error.kind, error)\n"
        "assert 'torch' not in sys.modules"
    )
    quick = {"HF_ENDPOINT": url, "HF_HOME": str(folder), "HF_HUB_DISABLE_TELEMETRY": "1"}
    return subprocess.run([sys.executable, "-c", code], env=os.environ | quick, capture_output=True, text=True, timeout=120, check=True)


def test_the_data_set_is_eleutherais_test_split(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "test.jsonl").write_bytes(as_file(*PASSAGES))
    (repo / "train.jsonl").write_bytes(as_file("not this one"))
    (repo / "README.md").write_text("---\nconfigs:\n- config_name: default\n  data_files:\n  - split: test\n    path: test.jsonl\n---\n")
    hub = FakeHub({"EleutherAI/lambada_openai": repo})
    try:
        found = json.loads(fetched(hub.url, tmp_path / "home").stdout)
    finally:
        hub.close()
    asked = [item.question for item in lambada_items(as_file(*PASSAGES))]
    assert found == [[question.prompt, question.answer] for question in asked]


def test_without_a_network_it_says_so(tmp_path: Path) -> None:
    said = fetched("http://127.0.0.1:9", tmp_path / "home").stdout
    assert said.startswith("download LAMBADA could not be downloaded: ") and "Check the network, or choose a file" in said


def test_without_the_library_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(QdashError, match="pip install datasets") as error:
        lambada_items()
    assert error.value.kind == "unavailable"
