"""A mix from questions to proof: what it holds is what the models themselves say."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from scipy import stats

from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.execution.inline import InlineExecutor
from qdash.records import MixReport, Step, TaskItem
from qdash.runs import kept
from qdash.runs.mix import find_mix
from qdash.runs.mix.budget import Budget
from qdash.runs.mix.choice import Choices, Limits
from qdash.runs.mix.proof import rival
from qdash.tasks import CalibrationSet, Item, item_id, split_items
from tests.support.damages import damages, layer_names

ITEMS = tuple(Item(TaskItem(prompt=prompt, answer="it")) for prompt in ("What is it?", "Describe it.", "Who is there?", "这是什么？"))
QUESTIONS = CalibrationSet("own", ITEMS, plain=False, max_tokens=6, rule="words")
ONE = replace(QUESTIONS, items=ITEMS[:1])
SCHEMES = ("int3-g64", "q8_0")


@pytest.fixture(scope="module")
def executor() -> InlineExecutor:
    return InlineExecutor()


@pytest.fixture
def model(checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(kept, "settings", lambda: type("Settings", (), {"cache_dir": tmp_path / "cache"}))
    return str(checkpoint("qwen3"))


def found(model: str, executor: InlineExecutor, budget: str, steps: list[Step] | None = None, **options: Any) -> MixReport:
    known: dict[str, Any] = {"calibration": QUESTIONS, "device": "cpu"} | options
    return result_of(find_mix(model, SCHEMES, budget, executor=executor, **known), (steps if steps is not None else []).append)


def test_the_mix_is_proved_on_the_other_questions(model: str, executor: InlineExecutor) -> None:
    steps: list[Step] = []
    report = found(model, executor, "6bits", steps)
    proof = {one.name: one for one in report.proof}
    assert list(proof) == ["original", "mix", "uniform", "random"]
    assert report.proof_items == tuple(map(item_id, split_items(ITEMS)[1])) and not {*report.proof_items} & {*report.sensitivity.items}
    assert (proof["original"].kl_mean_nats, proof["original"].top1) == (pytest.approx(0, abs=1e-9), 1.0)
    assert proof["original"].weights_bytes == report.mix.original_bytes
    assert proof["mix"].scheme == report.recipe and proof["mix"].weights_bytes == report.mix.weights_bytes <= report.budget_bytes
    assert proof["uniform"].scheme == "q8_0"
    assert (proof["random"].weights_bytes or 0) <= report.mix.weights_bytes
    for one in report.proof:
        assert one.problem is None and one.accuracy is not None and one.accuracy.total == len(report.proof_items) == len(one.kl_nats)
        assert one.kl_mean_nats == pytest.approx(fmean(one.kl_nats), abs=1e-12)
    own, theirs = proof["mix"].kl_nats, proof["random"].kl_nats
    differences = [ours - other for ours, other in zip(own, theirs, strict=True)]
    versus = proof["random"].versus_mix
    assert versus is not None and proof["mix"].versus_mix is None
    expected = stats.t.interval(0.95, len(own) - 1, loc=fmean(differences), scale=stats.sem(differences))
    assert (versus.mean_nats, versus.low_nats, versus.high_nats) == pytest.approx((fmean(differences), *map(float, expected)))
    assert report.snippet is not None and report.recipe in report.snippet
    proving = [step.fraction for step in steps if step.fraction is not None and step.fraction >= 0.6]
    assert proving == sorted(proving) and 0.6 <= proving[0] < proving[-1] < 1


def test_wishes_and_budgets_of_damage_hold(model: str, executor: InlineExecutor) -> None:
    report = found(model, executor, "0.01nats", limits=Limits(keep=("*.down_proj",)), calibration=ONE)
    assert report.predicted_kl_nats <= 0.01 and report.budget_bytes == report.mix.weights_bytes
    assert {layer.scheme for layer in report.mix.layers if layer.name.endswith("down_proj")} == {"original"}
    assert report.proof == () and report.proof_items == ()
    with pytest.raises(QdashError, match="the smallest possible size is"):
        found(model, executor, "1kB", calibration=ONE)


def test_the_rival_is_the_nearest_that_is_not_smaller() -> None:
    costs = {name: {"bnb-int8": 0.01, "bnb-nf4": 0.1, "int3-g64": 0.4} for name in layer_names(2)}
    choices = Choices(damages(costs), ("bnb-int8", "bnb-nf4", "int3-g64"))
    chosen = {bits: rival(choices, choices.best(Budget(bits, "bits"))).recipe for bits in (3, 3.5, 4, 6, 12)}
    assert chosen == {3: "int3-g64", 3.5: "bnb-nf4", 4: "bnb-nf4", 6: "bnb-int8", 12: "bnb-int8"}
