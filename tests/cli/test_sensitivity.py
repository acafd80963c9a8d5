"""`qdash sensitivity`, with its run scripted."""

import importlib
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from qdash.cli import main
from qdash.records import LayerDamage, SensitivityReport, Step

MODEL = ("sensitivity", "--model", "tiny-lm", "--schemes", "bnb-nf4,int3-g64")


def damage(name: str, scheme: str, nats: float | None, **more: Any) -> LayerDamage:
    return LayerDamage(name=name, part="language", scheme=scheme, kl_mean_nats=nats, kl_se=None, bytes=2**20, original_bytes=2**23, **more)


REPORT = SensitivityReport(
    model="tiny-lm", revision="", device="cpu", dtype="float32", method="estimated", items=("a", "b"), tokens=12, spearman=0.934,
    checked=12, held_out=2, fixed_bytes=5,
    layers=(
        damage("model.layers.0.mlp.down_proj", "bnb-nf4", 0.0123, estimated_nats=0.011),
        damage("model.layers.3.self_attn.q_proj", "bnb-nf4", 0.002),
        damage("model.layers.0.mlp.down_proj", "int3-g64", 0.51),
    ),
)  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """How the run was called."""
    seen: dict[str, Any] = {}

    def run(
        model: str, schemes: list[str], calibration: Any, executor: Any, stop: Any, **options: Any
    ) -> Generator[Step, None, SensitivityReport]:
        seen.update(model=model, schemes=schemes, calibration=calibration, **options)
        yield Step(fraction=0.5, detail="layer 1 of 2")
        return seen.get("report", REPORT)

    monkeypatch.setattr(importlib.import_module("qdash.cli.sensitivity"), "measure_sensitivity", run)  # the package has the command
    return seen


def test_a_line_a_scheme_and_the_worst_layers(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MODEL, "--task", "cloze", "--limit", "4"]) == 0
    said = capsys.readouterr().out
    assert "language · layer 0 · down projection" in said and "0.51" in said and "0.014" in said and "1,024 KiB" in said
    assert "12 layers were measured as well: rank correlation 0.93." in said
    assert "2 other questions are held out" in said
    assert len(asked["calibration"].items) == 4 and asked["calibration"].plain and asked["schemes"] == ["bnb-nf4", "int3-g64"]


def test_json_begins_with_how_it_was_found_out(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MODEL, "--task", "drawings", "--limit", "2", "--json", "-"]) == 0
    text = capsys.readouterr().out
    assert list(json.loads(text))[:4] == ["method", "items", "spearman", "layers"]
    assert SensitivityReport.model_validate_json(text) == REPORT
    assert set(json.loads(text)["layers"][0]) >= {"name", "part", "scheme", "kl_mean_nats", "kl_se", "bytes"}
    assert all(item.png for item in asked["calibration"].items) and not asked["calibration"].plain


def test_an_own_question_is_one_item(asked: dict[str, Any]) -> None:
    assert main([*MODEL, "--task", "answer", "--prompt", "Who is Tom?"]) == 0
    (item,) = asked["calibration"].items
    assert item.question.prompt == "Who is Tom?" and asked["calibration"].max_tokens == 256


def test_a_text_is_followed_paragraph_by_paragraph(asked: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("Once upon a time.\n\nAlone\n\nThe end of it.", encoding="utf-8")
    assert main([*MODEL, "--task", "text", "--file", str(file)]) == 0
    assert [(item.question.prompt, item.target) for item in asked["calibration"].items] == [
        ("Once", " upon a time."),
        ("The", " end of it."),
    ]


def test_a_layer_without_a_figure_is_told_by_the_status(asked: dict[str, Any]) -> None:
    broken = damage("model.layers.0.mlp.up_proj", "bnb-nf4", None, problem="its scores are NaN or infinite")
    asked["report"] = REPORT.model_copy(update={"layers": (*REPORT.layers, broken)})
    assert main([*MODEL, "--task", "cloze"]) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--task", "lambada"), "--task lambada has no answers to follow."),
        (("--task", "cloze", "--file", "x"), "--task cloze takes no file."),
        (("--task", "cloze", "--prompt", "x"), "--task cloze has its own questions."),
        (("--task", "own"), "--task own needs questions."),
        (("--task", "answer"), "--task answer needs a question."),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MODEL, *arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err and len(said.err.strip().splitlines()) == 1 and not said.out
