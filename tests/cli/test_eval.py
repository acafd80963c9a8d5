"""`qdash eval` end to end: real processes for what runs, one line for everything that cannot."""

import contextlib
import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from qdash.cli import main
from qdash.records import Evaluation
from tests.cli.test_cli import ROOT, qdash


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The bundled model on twenty of its questions, with all files; original is not in the list."""
    folder = tmp_path_factory.mktemp("drawings")
    files = ["--json", "out.json", "--csv", "out.csv", "--html", "out.html", "--items", "items.csv"]
    return qdash("eval", "--model", "tiny-vlm", "--schemes", "bnb-nf4,int3-g64", "--limit", "20", *files, cwd=folder), folder


def test_a_task_runs_and_exits_with_0(drawings: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    process, folder = drawings
    assert (process.returncode, process.stderr) == (0, "")
    assert all(
        words in process.stdout for words in ("Original", "NF4 4-bit", "INT3", "simulated", "Questions about drawings: 20 questions")
    )
    evaluation = Evaluation.model_validate_json((folder / "out.json").read_text(encoding="utf-8"))
    assert (evaluation.request.task, evaluation.request.limit, evaluation.rule) == ("drawings", 20, "exact")
    assert [result.scheme for result in evaluation.variants] == ["original", "bnb-nf4", "int3-g64"]
    assert all(len(result.items) == 20 for result in evaluation.variants)
    assert evaluation.variants[0].accuracy is not None and evaluation.variants[0].accuracy.value >= 0.8
    assert evaluation.noise_floor is not None and evaluation.noise_floor.changed == 0
    assert evaluation.variants[1].speedup is not None and evaluation.variants[2].speedup is None
    assert "Questions about drawings: 20 questions" in (folder / "out.html").read_text(encoding="utf-8")
    with (folder / "items.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 20


def test_ones_own_questions_with_a_picture(tmp_path: Path) -> None:
    picture = (ROOT / "qdash" / "assets" / "samples" / "t1-square.png").read_bytes()
    (tmp_path / "square.png").write_bytes(picture)
    (tmp_path / "own.csv").write_text("prompt,answer,image\nWhat shape is it?,square,square.png\nWho?,nobody,\n", encoding="utf-8")
    done = qdash("eval", "--model", "tiny-vlm", "--schemes", "original", "--file", "own.csv", "--json", "-", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    assert (data["request"]["task"], data["request"]["source"], data["rule"]) == ("own", "own.csv", "words")
    assert [item["correct"] for item in data["variants"][0]["items"]] == [True, False]


def test_ctrl_c_keeps_what_there_is(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "qdash",
        "eval",
        "--model",
        "tiny-vlm",
        "--schemes",
        "original",
        "--batch-size",
        "1",
        "--json",
        "out.json",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)})
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not at_work(process.pid):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    evaluation = Evaluation.model_validate_json((tmp_path / "out.json").read_text(encoding="utf-8"))
    (original,) = evaluation.variants
    assert original.status == "skipped" and original.error is not None and original.error.kind == "cancelled"
    assert len(original.items) < 400 and (not original.items or original.accuracy is not None)


def at_work(pid: int) -> bool:
    """Whether a worker has taken more time than starting it does: it answers."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return any(child.cpu_times().user > 8 for child in psutil.Process(pid).children(recursive=True))
    return False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--task", "chess"], "There is no task “chess”"),
        (["--task", "own"], "needs questions"),
        (["--file", "none.jsonl"], "does not exist"),
        (["--task", "cloze", "--file", "x.jsonl"], "has its own questions"),
        (["--limit", "-1"], "--limit -1 cannot be used"),
        (["--batch-size", "0"], "--batch-size 0 cannot be used"),
        (["--max-new-tokens", "9999"], "--max-new-tokens 9999 cannot be used"),
        (["--rule", "guess"], "guess"),
        (["--json", "x", "--csv", "x"], "same file"),
        (["--schemes", "nonsense"], "no scheme “nonsense”"),
    ],
)
def test_what_cannot_be_asked_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--model", "tiny-vlm", "--schemes", "original", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.count("\n") == 1
