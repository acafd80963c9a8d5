"""Files to take away."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from qdash.records import Evaluation
from qdash.settings import Settings
from qdash.ui.components.exports import Export, evaluation_export, write_export
from qdash.ui.results.export_buttons import build_export_buttons, wire_exports
from qdash.ui.server.tab_sessions import Sessions
from tests.ui.results.test_evaluation_view import EVALUATION


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("qdash.ui.components.exports.settings", lambda: Settings(cache_dir=tmp_path))


def _presses(export_of: Callable[..., Export | None], sessions: Sessions) -> dict[str, Callable[..., Any]]:
    """What a press of each button does."""
    with gr.Blocks() as blocks:
        made = build_export_buttons({"json": "JSON", "html": "HTML report"}, "export-")
        wire_exports(made, [gr.State(EVALUATION)], export_of, sessions)
    by_id = {button._id: suffix for suffix, button in made.buttons.items()}
    return {by_id[place]: handler.fn for handler in blocks.fns.values() for place, event in handler.targets if event == "click"}  # type: ignore


def test_files_to_take_away(tmp_path: Path) -> None:
    export = evaluation_export(EVALUATION)
    paths = {suffix: Path(write_export(export, suffix, lambda: tmp_path)) for suffix in export.contents}
    assert sorted(path.name.split(".", 1)[1] for path in paths.values()) == ["csv", "html", "items.csv", "json"]
    again = Evaluation.model_validate_json(paths["json"].read_text(encoding="utf-8"))
    assert again == EVALUATION
    assert len(paths["items.csv"].read_text(encoding="utf-8").splitlines()) == 101


def test_a_press_writes_its_own_format_only(tmp_path: Path, event_loops_closed: None) -> None:
    asked: list[str] = []

    def content(suffix: str) -> Callable[[], str]:
        return lambda: asked.append(suffix) or f"{suffix} of it"  # type: ignore[func-returns-value]

    press = _presses(lambda held: Export("it", {suffix: content(suffix) for suffix in ("json", "html")}), Sessions())
    assert asked == []
    path, problem = press["html"](SimpleNamespace(session_hash="tab"), EVALUATION)
    assert Path(path).name == "it.html" and Path(path).read_text() == "html of it" and problem == ""
    assert asked == ["html"]


@pytest.mark.parametrize("disk_full", [True, False])
def test_a_press_that_gives_no_file_says_why(
    disk_full: bool, event_loops_closed: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> str:
        raise OSError(28, "No space left on device") if disk_full else ValueError("a fault of ours")

    sessions, request = Sessions(), SimpleNamespace(session_hash="tab")
    if disk_full:
        monkeypatch.setattr(Path, "write_text", lambda *arguments, **options: broken())
        press = _presses(evaluation_export, sessions)
    else:
        press = _presses(lambda held: Export("it", {"json": broken}), sessions)
    path, problem = press["json"](request, EVALUATION)
    assert path is None and 'role="alert"' in problem
    assert ("No result is lost" if disk_full else "inside qdash") in problem


def test_a_result_that_the_server_has_forgotten_is_missed_in_words(event_loops_closed: None) -> None:
    press = _presses(lambda held: None, Sessions())
    path, problem = press["json"](SimpleNamespace(session_hash="tab"), None)
    assert path is None and "no longer has this result" in problem and "History" in problem
