"""Whatever a browser says, or somebody who pretends to be one: every handler of the page answers, and none raises."""

import copy
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from qdash.history import history
from qdash.settings import settings
from qdash.ui.layout import build
from qdash.ui.server.event_values import said_by
from tests.support.scripted import ScriptedBackend

FORGED: list[Any] = [
    None, True, 7, -1, 2.5, "nonsense", "\0", [], ["x", 3, {}], [[]], {}, {"sample": []}, {"upload": {}, "name": []}, {"upload": "\0"},
    {"preset": [], "scheme": {}, "at": "1", "row": [], "column": {}, "layer": 3, "do": [], "keys": "x", "only": {}, "kind": 1, "page": {}},
    {"preset": "stories", "scheme": "bnb-nf4", "at": True, "row": 1.5, "column": None, "layer": "x", "do": "open", "keys": [[], 3]},
    *({"do": what, "keys": ["\0", "x"], "path": "/etc/passwd", "name": 3} for what in ("open", "compare", "pin", "delete", "import")),
]  # fmt: skip


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event_loops_closed: None) -> Iterator[gr.Blocks]:
    monkeypatch.setenv("QDASH_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("QDASH_HISTORY", str(tmp_path / "history.sqlite3"))
    settings.cache_clear()
    history.cache_clear()
    yield build(ScriptedBackend())
    settings.cache_clear()
    history.cache_clear()


def _called(function: Any, inputs: list[Any], event: gr.EventData) -> None:
    request = SimpleNamespace(session_hash="somebody", cookies={}, query_params={"run": "\0"})
    given = list(inputs)
    for place, parameter in enumerate(inspect.signature(function, eval_str=True).parameters.values()):
        if parameter.annotation is gr.Request:
            given.insert(place, request)
        elif parameter.annotation is gr.EventData:
            given.insert(place, event)
    answer = function(*given)
    if inspect.isgenerator(answer):
        list(answer)


def test_no_handler_raises_whatever_it_is_told(page: gr.Blocks) -> None:
    raised = []
    handlers = [handler for handler in page.fns.values() if callable(handler.fn)]
    assert len(handlers) > 30
    for handler in handlers:
        for forged in FORGED:
            inputs = [copy.deepcopy(each.value) if isinstance(each, gr.State) else forged for each in handler.inputs]
            try:
                _called(handler.fn, inputs, gr.EventData(None, forged))
            except Exception as error:
                raised.append(f"{getattr(handler.fn, '__qualname__', handler.fn)} of {forged!r}: {error!r}")
    assert not raised, "\n".join(raised)


def test_an_update_before_a_tab_is_opened_loses_nothing(page: gr.Blocks) -> None:
    """Gradio replaces all properties of a component that is not drawn yet by those of an update, be it of the value alone."""
    scripted = [block for block in page.blocks.values() if isinstance(block, gr.HTML) and block.js_on_load]
    assert len(scripted) > 10
    assert [block.elem_id for block in scripted if block.props] == ["schemes"], "the sidebar is always drawn"


def test_words_of_another_type_are_none() -> None:
    said = said_by(gr.EventData(None, {"a": "x", "b": 3, "c": True, "d": ["x", 3, "y"], "e": None}))
    assert [said.text(name) for name in "abcdef"] == ["x", None, None, None, None, None]
    assert [said.number(name) for name in "abcdef"] == [None, 3, None, None, None, None]
    assert [said.flag(name) for name in "abcdef"] == [False, False, True, False, False, False]
    assert [said.texts(name) for name in "abd"] == [[], [], ["x", "y"]]
    for nothing in (None, 3, "text", ["a"], True):
        assert said_by(gr.EventData(None, nothing)).text("a") is None
