"""`qdash history`: the same runs, at a terminal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from qdash.cli import main
from qdash.cli.history import remember
from qdash.history import history
from qdash.records import ErrorRecord
from qdash.settings import settings
from tests.history.examples import comparison, evaluation
from tests.report.examples import COMPARISON


@pytest.fixture(autouse=True)
def own_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A history of its own for each test."""
    monkeypatch.setenv("QDASH_HISTORY", str(tmp_path / "history.sqlite3"))
    for cached in (settings, history):
        cached.cache_clear()
    yield
    for cached in (settings, history):
        cached.cache_clear()


def test_runs_are_listed_shown_and_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = history().keep(comparison(prompt="kittens")), history().keep(evaluation())
    assert main(["history"]) == 0
    listed = capsys.readouterr().out
    assert first[:8] in listed and second[:8] in listed and "Cloze: " in listed
    assert main(["history", "list", "kittens"]) == 0
    assert second[:8] not in capsys.readouterr().out
    assert main(["history", "show", first[:8]]) == 0
    assert "NF4 4-bit" in capsys.readouterr().out
    assert main(["history", "show", second]) == 0
    assert "90.0% (82.6–94.5%)" in capsys.readouterr().out
    assert main(["history", "delete", first[:8]]) == 0
    assert history().all_keys() == [second]


def test_runs_are_exported_and_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history().keep(COMPARISON)
    file = tmp_path / "runs.json"
    assert main(["history", "export", "--json", str(file)]) == 0
    history().delete(history().all_keys())
    assert main(["history", "import", str(file)]) == 0
    assert "1 run imported." in capsys.readouterr().out
    assert history().open(history().all_keys()[0]).record == COMPARISON


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["show", "nope"], "No run in the history begins with “nope”"),
        (["show", ""], "No run"),
        (["import", "missing.json"], "missing.json cannot be read"),
        (["forget"], "No such command"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", *arguments]) == 2
    said = capsys.readouterr().err
    assert complaint in said and said.count("\n") == 1


def test_a_headline_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    first, *rest = COMPARISON.variants
    history().keep(COMPARISON.model_copy(update={"variants": (first.model_copy(update={"model": "\x1b]0;owned\x07"}), *rest)}))
    assert main(["history"]) == 0
    assert "\x1b]0" not in capsys.readouterr().out


def test_a_finished_run_is_kept_and_one_in_which_nothing_ran_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    remember(COMPARISON)
    stopped = ErrorRecord(kind="cancelled", message="Stopped.", remedy="Again.")
    nothing = {"status": "skipped", "error": stopped, "latency": None, "memory": None, "answer": None}
    remember(comparison(1).model_copy(update={"variants": tuple(result.model_copy(update=nothing) for result in COMPARISON.variants)}))
    assert history().listing().total == 1 and capsys.readouterr().err == ""


@pytest.fixture
def unusable(tmp_path: Path) -> Path:
    """A folder where the file should be."""
    (tmp_path / "history.sqlite3").mkdir()
    return tmp_path / "history.sqlite3"


def test_a_history_that_cannot_be_written_costs_one_line(unusable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remember(COMPARISON)
    said = capsys.readouterr().err
    assert f"qdash: not kept in the history. The history {unusable} cannot be used (" in said and said.count("\n") == 1


def test_a_history_that_cannot_be_written_is_listed_and_not_changed(unusable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history"]) == 0
    assert f"qdash: new runs are not saved. The history {unusable} cannot be used (" in capsys.readouterr().err
    file = unusable.parent / "runs.json"
    file.write_text(COMPARISON.model_dump_json())
    for arguments in (["import", str(file)], ["delete", "a"]):
        assert main(["history", *arguments]) == 2
        said = capsys.readouterr().err
        assert "cannot be used" in said and "QDASH_HISTORY" in said and said.count("\n") == 1
