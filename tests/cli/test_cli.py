"""The command line end to end: real processes for what runs, and one line for everything that cannot."""

import contextlib
import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from qdash.catalog.models import MODELS
from qdash.catalog.schemes import SCHEMES
from qdash.cli import main
from qdash.cli.shown.comparison import busy_hint
from qdash.machine import this_machine
from qdash.records import Comparison, WeightReport
from qdash.runs.plan import with_worker
from qdash.verdict import Grade

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "qdash" / "assets" / "samples" / "t1-square.png"
QUICK = ["--runs", "2", "--warmup", "0", "--max-new-tokens", "2", "--max-answer-tokens", "4"]
ASK = ["run", "--model", "tiny-vlm", "--prompt", "What is this?", *QUICK]


def qdash(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, outside the repository."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-m", "qdash", *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, encoding="utf-8", timeout=500)


# ── what runs ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """One comparison with all its files; original is not in the list."""
    folder = tmp_path_factory.mktemp("ran")
    files = ["--json", "out.json", "--csv", "out.csv", "--html", "out.html", "--reference", "text.txt"]
    (folder / "text.txt").write_text("A black square on a white background.", encoding="utf-8")
    return qdash(*ASK, "--schemes", "bnb-nf4,fp6-e2m3", "--image", str(SAMPLE), *files, cwd=folder), folder


def test_a_comparison_runs_and_exits_with_0(ran: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    process, _ = ran
    assert (process.returncode, process.stderr) == (0, "")
    assert all(word in process.stdout for word in ("Original", "NF4 4-bit", "FP6 E2M3", "simulated", "float32 baseline", "2 tokens"))
    assert all(character.isprintable() or character == "\n" for character in process.stdout), "a pipe gets no colours"


def test_the_verdict_comes_first_and_grades_stand_behind_answers(ran: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    out = ran[0].stdout
    assert "smaller" in out.splitlines()[0] or "size" in out.splitlines()[0]
    grades = "|".join(grade.value for grade in Grade)
    assert "Distance from the original over" in out and re.search(rf"NF4 4-bit: .*\[. ({grades})", out)


def test_every_variant_is_compared_along_the_answer_and_the_text(ran: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    comparison = Comparison.model_validate_json((ran[1] / "out.json").read_text(encoding="utf-8"))
    assert comparison.request.reference_text == "A black square on a white background."
    assert comparison.noise_floor is not None and comparison.noise_floor.kl_nats == 0.0
    for variant in comparison.variants[1:]:
        answer, text = variant.agreement, variant.agreement_text
        assert (
            answer is not None and answer.kl_mean_nats is not None and 0 < answer.kl_mean_nats < 1 and answer.tokens == 4 and answer.exact
        )
        assert text is not None and "".join(token.piece for token in text.per_token) == comparison.request.reference_text


def test_the_json_is_a_comparison(ran: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    comparison = Comparison.model_validate_json((ran[1] / "out.json").read_text(encoding="utf-8"))
    assert [result.scheme for result in comparison.variants] == ["original", "bnb-nf4", "fp6-e2m3"]
    assert comparison.request.picture is not None and comparison.request.picture.width == 224
    assert comparison.noise_floor is not None
    for result in comparison.variants:
        assert result.status == "ok" and result.answer and result.latency and result.memory
        assert len(result.latency.total_s.runs) == (1 if result.kind == "simulated" else 2)
    nf4, fp6 = comparison.variants[1:]
    assert nf4.relative and nf4.relative.memory is not None and nf4.relative.memory < 0.5
    assert fp6.relative and fp6.relative.latency is None and fp6.memory and fp6.memory.projected_bytes
    assert nf4.memory and nf4.memory.estimated_bytes == pytest.approx(nf4.memory.weights_bytes, rel=0.1)


def test_the_other_files_are_written(ran: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    with (ran[1] / "out.csv").open(encoding="utf-8", newline="") as file:
        assert [row["scheme"] for row in csv.DictReader(file)] == ["original", "bnb-nf4", "fp6-e2m3"]
    assert "What is this?" in (ran[1] / "out.html").read_text(encoding="utf-8")


def test_some_failed_exits_with_3_and_keeps_the_others(tmp_path: Path) -> None:
    """With room for 10 MB of weights the original's 19 MB are refused and the 4-bit variant's 4 MB are not."""
    share = str(with_worker(10_000_000, "cpu") / this_machine().memory_bytes)
    process = qdash(*ASK, "--schemes", "original,bnb-nf4", "--json", "-", cwd=tmp_path, QDASH_MEMORY_FRACTION=share)
    assert process.returncode == 3, process.stderr
    original, nf4 = json.loads(process.stdout)["variants"]
    assert (original["status"], original["error"]["kind"]) == ("failed", "out_of_memory")
    assert (nf4["status"], nf4["error"]) == ("ok", None)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes, Path]:
    """`weights` with a terminal for its progress: standard output, what the terminal got, the folder of the files."""
    folder = tmp_path_factory.mktemp("measured")
    ours, theirs = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(ours, 4096):
                shown.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    command = [sys.executable, "-m", "qdash", "weights", "--model", "tiny-vlm", "--schemes", "bnb-nf4,fp6-e2m3"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    files = ["--json", "w.json", "--csv", "w.csv"]
    process = subprocess.run([*command, *files], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=theirs, timeout=500)
    os.close(theirs)
    reader.join(timeout=10)
    os.close(ours)
    assert process.returncode == 0
    return process.stdout.decode(), b"".join(shown), folder


def test_weights_are_weighed(measured: tuple[str, bytes, Path]) -> None:
    out, _, folder = measured
    report = WeightReport.model_validate_json((folder / "w.json").read_text())
    assert [scheme.scheme for scheme in report.schemes] == ["bnb-nf4", "fp6-e2m3"] and report.model == "tiny-vlm"
    nf4, fp6 = report.schemes
    assert nf4.sqnr_db is not None and fp6.sqnr_db is not None and 10 < nf4.sqnr_db < fp6.sqnr_db
    assert (folder / "w.csv").read_text().count("\n") == 1 + sum(1 + len(scheme.layers) for scheme in report.schemes)
    assert f"{nf4.sqnr_db:.1f} dB" in out


def test_a_terminal_gets_a_progress_bar(measured: tuple[str, bytes, Path]) -> None:
    assert "━".encode() in measured[1]


@pytest.mark.parametrize("whole_group", [False, True], ids=["process", "terminal"])
def test_ctrl_c_exits_with_130_and_ends_the_workers(tmp_path: Path, whole_group: bool) -> None:
    """A terminal sends Ctrl-C to the command and everything it started."""
    command = [sys.executable, "-m", "qdash", *ASK[:5], "--schemes", "original,bnb-nf4", "--runs", "100", "--json", "-"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        children = wait_for_worker(process)
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
    assert {variant["status"] for variant in json.loads(output)["variants"]} == {"skipped"}


def wait_for_worker(process: subprocess.Popen[Any]) -> list[psutil.Process]:
    """All descendants, once a worker is among them: a child of the server that forks workers, with a model in its memory."""
    parent = psutil.Process(process.pid)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        children = parent.children(recursive=True)
        if any(child.ppid() != process.pid and child.cpu_times().user > 0.2 for child in children):
            return children
        time.sleep(0.1)
    raise AssertionError("no worker was started")


def test_a_busy_machine_is_told_before_it_begins() -> None:
    hint = busy_hint(0.6)
    assert hint is not None and "other programs used 60% of this machine's time just now" in hint
    assert busy_hint(0.05) is None and busy_hint(None) is None


# ── what cannot ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def complaint(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line that a command says before it exits with 2."""

    def run(*arguments: str) -> str:
        assert main(list(arguments)) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("qdash: ") and err.endswith("\n") and err.count("\n") == 1
        return err

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*ASK, "--schemes", ""], ["No scheme is chosen"]),
        ([*ASK, "--schemes", " , "], ["No scheme is chosen"]),
        ([*ASK, "--schemes", "int9"], ["no scheme “int9”", "bnb-nf4"]),
        ([*ASK], ["No scheme is chosen"]),
        ([*ASK, "--schemes", "vision=int9"], ["no scheme “int9”"]),
        ([*ASK, "--schemes", "eyes=bnb-nf4"], ["no part “eyes”", "vision"]),
        ([*ASK, "--row", "tiny-vlm"], ["--row tiny-vlm", "MODEL@SCHEME"]),
        ([*ASK, "--schemes", "original", "--image", "no.png"], ["no.png", "does not exist"]),
        ([*ASK, "--schemes", "original", "--image", str(ROOT)], ["is a folder"]),
        ([*ASK, "--schemes", "original", "--image", __file__], ["not a picture"]),
        ([*ASK, "--schemes", "original", "--runs", "0"], ["--runs 0", "greater than or equal to 1"]),
        ([*ASK, "--schemes", "original", "--runs", "many"], ["--runs", "valid integer"]),
        ([*ASK, "--schemes", "original", "--max-new-tokens", "1"], ["--max-new-tokens 1"]),
        ([*ASK, "--schemes", "original", "--device", "tpu"], ["--device", "tpu"]),
        ([*ASK, "--schemes", "original", "--json", "no/such/out.json"], ["no folder"]),
        ([*ASK, "--schemes", "original", "--json", str(ROOT)], ["is a folder"]),
        ([*ASK, "--schemes", "original", "--json", "-", "--csv", "-"], ["same file"]),
        (["run", "--model", "tiny-vlm", "--schemes", "original", "--prompt", "\x00 \n"], ["question is empty"]),
        (["run", "--model", "tiny-vlm", "--schemes", "original", "--prompt", "x" * 30_000], ["30,000 characters"]),
        (["run", "--model", "no/such/folder", "--schemes", "original", "--prompt", "x"], ["no folder “no/such/folder”"]),
        (["run", "--model", str(ROOT / "docs"), "--schemes", "original", "--prompt", "x"], ["no config.json"]),
        (["weights", "--model", "tiny-vlm", "--schemes", "original"], ["No quantization scheme"]),
        (["weights", "--model", "tiny-vlm", "--schemes", "x"], ["no scheme “x”"]),
        (["weights", "--model", "tiny-lm", "--schemes", "bnb-nf4", "--against", "x"], ["--schemes and --against"]),
        (["weights", "--model", "tiny-lm", "--schemes", "bnb-nf4", "--drift"], ["--drift and --text", "--against"]),
        (["weights", "--model", "tiny-lm", "--against", "tiny-lm"], ["is the model itself"]),
        (["weights", "--model", "tiny-lm"], ["No quantization scheme"]),
        (["compare"], ["compare"]),
        (["run", "--nonsense"], ["--nonsense"]),
    ],
)
def test_bad_input_is_one_line(complaint: Callable[..., str], arguments: list[str], words: list[str]) -> None:
    line = complaint(*arguments)
    assert all(word in line for word in words)


def test_pickled_weights_and_remote_code_are_one_line(complaint: Callable[..., str], tmp_path: Path) -> None:
    ask = ["run", "--model", str(tmp_path), "--schemes", "original", "--prompt", "x"]
    (tmp_path / "config.json").write_text('{"model_type": "qwen3"}')
    (tmp_path / "pytorch_model.bin").touch()
    assert "pytorch_model.bin" in complaint(*ask)
    (tmp_path / "config.json").write_text('{"model_type": "qwen3", "auto_map": {}}')
    assert "auto_map" in complaint(*ask)


def test_a_bomb_is_one_line(complaint: Callable[..., str], tmp_path: Path) -> None:
    Image.new("1", (12_000, 10_000)).save(tmp_path / "bomb.png")
    line = complaint(*ASK, "--schemes", "original", "--image", str(tmp_path / "bomb.png"))
    assert "“bomb.png” has" in line and "million" in line


def test_a_picture_for_a_text_model_is_refused(complaint: Callable[..., str], checkpoint: Callable[[str], Path]) -> None:
    ask = ["run", "--model", str(checkpoint("qwen3")), "--schemes", "original", "--prompt", "x", "--image", str(SAMPLE)]
    assert "reads text only" in complaint(*ask)


def test_bad_input_in_a_real_process(tmp_path: Path) -> None:
    process = qdash(*ASK, "--schemes", "int9", cwd=tmp_path)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.count("\n") == 1 and "Traceback" not in process.stderr


# ── what there is ────────────────────────────────────────────────────────────────────────────────────────────────


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(command in out for command in ("serve", "run", "weights", "schemes", "models", "doctor"))


def test_schemes_and_models_come_from_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    for command, keys in (("schemes", SCHEMES), ("models", MODELS)):
        for options in ([], ["--markdown"], ["--json"]):
            assert main([command, *options]) == 0
            out = capsys.readouterr().out
            assert all(key in out for key in keys)
        assert [row[command.removesuffix("s")] for row in json.loads(out)] == list(keys)


def test_doctor_says_what_works(tmp_path: Path) -> None:
    process = qdash("doctor", cwd=tmp_path, HF_HOME=str(tmp_path / "elsewhere"))
    assert (process.returncode, process.stderr) == (0, "")
    words = ("Python", "CPU:", "GPU:", "torch", "bitsandbytes", "tiny-vlm", "bundled", "elsewhere")
    assert all(word in process.stdout for word in words) and re.search(r"^  bnb-nf4 +yes$", process.stdout, re.MULTILINE)


def test_neither_torch_nor_gradio_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys, qdash.__main__\n"
        "assert set(sys.modules).isdisjoint({'qdash.cli', 'pydantic'}), 'a worker would import all that'\n"
        "from qdash.cli import main\n"
        "main(['schemes']); main(['models'])\n"
        f"main(['run', '--model', 'tiny-vlm', '--schemes', 'x', '--prompt', 'x', '--image', {str(SAMPLE)!r}])\n"
        "assert not {'torch', 'transformers', 'gradio'} & set(sys.modules)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
