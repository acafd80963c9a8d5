"""`qdash mix`, with its run scripted."""

import importlib
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from qdash.cli import main
from qdash.errors import QdashError
from qdash.present.mix import mix_verdict
from qdash.records import KlDifference, MixProof, MixReport, ProgressiveReport, SensitivityReport, Step
from qdash.runs.mix.budget import Budget
from qdash.runs.mix.choice import Choices, Limits
from qdash.tasks import CalibrationSet
from tests.support.damages import damages, layer_names
from tests.support.scripted_mix import progressive_of

ASKED = ("mix", "--model", "tiny-lm", "--schemes", "bnb-int8,bnb-nf4", "--budget", "5bits")


def proof(name: Any, scheme: str, nats: float, versus: tuple[float, float] | None = None, **more: Any) -> MixProof:
    difference = None if versus is None else KlDifference(mean_nats=sum(versus) / 2, low_nats=versus[0], high_nats=versus[1])
    return MixProof(
        name=name, scheme=scheme, label=scheme, kind="real", weights_bytes=2**20, kl_mean_nats=nats, kl_low=nats / 2, kl_high=2 * nats,
        kl_nats=(nats, nats), top1=0.9, versus_mix=difference, **more,
    )  # fmt: skip


def report(versus: tuple[float, float] | None = (-0.06, -0.02), **more: Any) -> MixReport:
    sensitivity = damages({name: {"bnb-int8": 0.01, "bnb-nf4": 0.1} for name in layer_names(1)})
    mix = Choices(sensitivity, ["bnb-int8", "bnb-nf4"]).best(Budget(5, "bits"))
    known: dict[str, Any] = {
        "proof": (
            proof("original", "original", 0.0), proof("mix", mix.recipe, 0.04), proof("uniform", "bnb-nf4", 0.08, versus),
            proof("random", "*=bnb-int8", 0.2, (-0.3, -0.1)),
        )
    }  # fmt: skip
    return MixReport(
        model="tiny-lm", revision="", dtype="float32", task="cloze", recipe=mix.recipe, budget="5bits", budget_bytes=1160,
        predicted_kl_nats=mix.predicted_kl_nats, mix=mix, proof_items=("a", "b"), proof_tokens=12, snippet="code = 1",
        sensitivity=sensitivity, **known | more,
    )  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """How the run was called."""
    seen: dict[str, Any] = {}

    def run(
        model: str, schemes: list[str], budget: str, calibration: Any, *others: Any, **options: Any
    ) -> Generator[Step, None, MixReport]:
        seen.update(model=model, schemes=schemes, budget=budget, calibration=calibration, **options)
        yield Step(fraction=0.5, detail="layer 3 of 6")
        return report()

    monkeypatch.setattr(importlib.import_module("qdash.cli.mix"), "find_mix", run)
    return seen


def test_verdict_table_recipe_and_code_are_shown(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASKED, "--limit", "8", "--together", "*.0.*", "--keep", "*.q_proj", "--keep", "*.o_proj"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Better: the mix (1.0 MiB) has 50% less KL divergence than bnb-nf4 (1.0 MiB), outside the noise.")
    assert "drawn by chance is farther" in said and "one scheme" in said and report().recipe in said and "code = 1" in said
    calibration = asked["calibration"]
    assert (calibration.task, calibration.plain, calibration.rule, len(calibration.items)) == ("cloze", True, "first_word", 8)
    assert (asked["limits"].together, asked["limits"].keep) == (("*.0.*",), ("*.q_proj", "*.o_proj"))


def test_json_begins_with_the_recipe_and_reads_back(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASKED, "--json", "-"]) == 0
    text = capsys.readouterr().out
    assert list(json.loads(text))[:4] == ["recipe", "budget_bytes", "predicted_kl_nats", "proof"]
    assert MixReport.model_validate_json(text).recipe == report().recipe
    assert {"name", "scheme", "weights_bytes", "kl_mean_nats", "kl_low", "kl_high", "top1", "accuracy"} <= json.loads(text)["proof"][
        0
    ].keys()


def stepwise(
    report: SensitivityReport, scheme: str, calibration: CalibrationSet, executor: Any, stop: Any, limits: Limits
) -> Generator[Step | ProgressiveReport, None, ProgressiveReport]:
    assert limits == Limits(keep=("*.q_proj",))
    *growing, last = progressive_of(report, scheme, calibration.task)
    yield from growing
    return last


def interrupted(*given: Any) -> Generator[Step | ProgressiveReport, None, ProgressiveReport]:
    yield next(stepwise(*given))
    raise QdashError("Stopped.", "Start it again when you like.", "cancelled")


@pytest.mark.parametrize(("run", "status", "words"), [(stepwise, 0, "nats with least damage first"), (interrupted, 130, "Not all steps")])
def test_steps_in_several_orders_are_told_and_written(
    run: Any, status: int, words: str, asked: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr(importlib.import_module("qdash.cli.mix"), "measure_progressive", run)
    file = tmp_path / "mix.json"
    assert main([*ASKED, "--progressive", "bnb-nf4", "--keep", "*.q_proj", "--json", str(file)]) == status
    said = " ".join(capsys.readouterr().out.split())
    assert words in said and "Better: the mix" in said
    written = MixReport.model_validate_json(file.read_text()).progressive
    assert written is not None and written.scheme == "bnb-nf4" and written.complete == (status == 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--progressive", "int3-g64"), "--progressive int3-g64 is not one of --schemes."),
        (("--progressive", "bnb-nf4", "--limit", "1"), "--progressive needs other questions"),
        (("--budget", "small"), "“small” is not a budget."),
        (("--task", "own"), "The task own does not come with qdash."),
        (("--task", "none"), "There is no task “none”."),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASKED, *arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err and len(said.err.strip().splitlines()) == 1 and not said.out


def test_better_and_worse_are_said_outside_the_noise_only() -> None:
    assert mix_verdict(report((-0.06, 0.001))).startswith("No difference found")
    assert mix_verdict(report((0.01, 0.02))).startswith("Worse")
    assert mix_verdict(report(None)).startswith("Not judged")
    assert mix_verdict(report(proof=())).startswith("Nothing is proved")
