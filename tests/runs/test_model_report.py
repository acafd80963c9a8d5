"""Inspecting a variant through an executor and from the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qdash import settings as qdash_settings
from qdash.checkpoints import disk
from qdash.cli import main
from qdash.execution.forward import result_of
from qdash.execution.inline import InlineExecutor
from qdash.records import InspectorReport, Request, Variant
from qdash.runs.model_report import explained, report_model
from tests.cli.test_cli import ROOT
from tests.report.examples import COMPARISON


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder that does not exist yet."""
    monkeypatch.setenv("QDASH_CACHE_DIR", str(tmp_path / "cache"))
    qdash_settings.settings.cache_clear()
    yield tmp_path / "cache"
    monkeypatch.undo()
    qdash_settings.settings.cache_clear()


def request_for(folder: Path, scheme: str) -> Request:
    return Request(variants=(Variant(model=str(folder), scheme=scheme),), prompt="", device="cpu", baseline_dtype="float16")


def test_a_report_is_whole(checkpoint: Any, cache: Path) -> None:
    report = result_of(report_model(request_for(checkpoint("bloom"), "bnb-fp4"), 0, InlineExecutor()))
    assert (report.model, report.scheme, report.dtype) == (str(checkpoint("bloom")), "bnb-fp4", "float16")
    assert report.host is not None and report.host.device == "cpu" and len(report.explanations) == 4
    assert report.estimate_bytes == 2 * report.counted
    assert report.saved and cache.is_dir() and not list(cache.iterdir())
    assert InspectorReport.model_validate_json(report.model_dump_json()) == report


def test_a_baseline_that_cannot_be_found_costs_only_itself(checkpoint: Any, cache: Path) -> None:
    folder = checkpoint("bloom")
    variants = (Variant(model="/there/is/none", scheme="original"), Variant(model=str(folder), scheme="bnb-fp4"))
    report = result_of(report_model(Request(variants=variants, prompt="", device="cpu"), 1, InlineExecutor()))
    assert (report.model, report.dtype) == (str(folder), "float32")


def test_a_full_disk_is_said(checkpoint: Any, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda place: SimpleNamespace(free=2**20))
    report = result_of(report_model(request_for(checkpoint("bloom"), "original"), 0, InlineExecutor()))
    assert report.saved is None and report.not_saved is not None and "QDASH_CACHE_DIR" in report.not_saved
    assert any("There is no file" in explanation.answer for explanation in report.explanations)


def test_times_are_found_in_the_comparison(checkpoint: Any, cache: Path) -> None:
    report = result_of(report_model(request_for(checkpoint("bloom"), "bnb-nf4"), 0, InlineExecutor()))
    own = next(result for result in COMPARISON.variants if result.scheme == "bnb-nf4")
    known = explained(report.model_copy(update={"model": own.model}), COMPARISON)
    assert "was not timed" in report.explanations[3].answer and "86 ms vs. 173 ms" in known.explanations[3].answer


def test_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "qdash", "inspect", "--model", "tiny-vlm", "--scheme", "bnb-nf4", "--json", "i.json"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "QDASH_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stderr) == (0, "")
    report = InspectorReport.model_validate_json((tmp_path / "i.json").read_text(encoding="utf-8"))
    assert report.parameters == 4_807_424 > report.counted and report.dtype == "float32"
    shown = ("vision", "projector", "language", "model.safetensors", f"{report.counted:,}", *(one.question for one in report.explanations))
    assert all(word in done.stdout for word in shown)
    assert list(json.loads((tmp_path / "i.json").read_text()))[:5] == ["qdash_version", "created_at", "model", "scheme", "label"]


@pytest.mark.parametrize("scheme", ["bnb-nf4,bnb-int8", "nothing", ""])
def test_what_is_no_scheme_is_refused(capsys: pytest.CaptureFixture[str], scheme: str) -> None:
    assert main(["inspect", "--model", "tiny-vlm", "--scheme", scheme]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
