"""The orders in which a model is quantized, and what is measured after each step, against single mixes that are proved."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.execution.inline import InlineExecutor
from qdash.records import Order, ProgressiveReport, SensitivityReport, Step, TaskItem
from qdash.runs import kept
from qdash.runs.mix import choices_of, measure_progressive, progressive
from qdash.runs.mix.choice import Limits
from qdash.runs.mix.progressive import ORDERS
from qdash.runs.sensitivity import measure_sensitivity
from qdash.tasks import CalibrationSet, Item, item_id
from tests.support.damages import damages, layer_names

ITEMS = tuple(Item(TaskItem(prompt=prompt, answer="it")) for prompt in ("What is it?", "Describe it.", "Who is there?", "这是什么？"))
QUESTIONS = CalibrationSet("own", ITEMS, plain=False, max_tokens=4, rule="words")


def steps(report: SensitivityReport, order: Order, limits: Limits | None = None) -> list[list[str]]:
    return [[layer.name for layer in layers] for layers in progressive.steps_in(choices_of(report, limits), "bnb-nf4", order)]


def test_each_order_quantizes_every_layer_once_in_even_steps() -> None:
    names = [f"model.{path}" for path in ("vision_tower.layers.0.mlp.fc1", "vision_tower.layers.0.mlp.fc2", "multi_modal_projector.linear")]
    names = [*layer_names(8), *names]  # 35 layers, the language model first, as some models have it
    costs = {name: {"bnb-nf4": 0.01 * ((7 * place) % 35), "bnb-int8": 1.0} for place, name in enumerate(names)}
    report = damages(costs)
    for order in ORDERS:
        found = steps(report, order)
        assert sorted(name for step in found for name in step) == sorted(names)
        assert 8 <= len(found) <= 10 and all(1 <= len(step) <= 5 for step in found)
    in_order = [name for step in steps(report, "damage") for name in step]
    assert [costs[name]["bnb-nf4"] for name in in_order] == sorted(costs[name]["bnb-nf4"] for name in names)
    by_part = steps(report, "part")
    assert by_part[:2] == [names[-3:-1], names[-1:]] and [name for step in by_part[2:] for name in step] == names[:-3]
    drawn = steps(report, "random")
    assert drawn == steps(report, "random") and drawn not in (steps(report, "damage"), by_part)
    mixes = [step.mix for step in progressive.planned(choices_of(report), "bnb-nf4", "random")]
    assert mixes[0].recipe == "original" and {layer.scheme for layer in mixes[-1].layers} == {"bnb-nf4"}
    assert [mix.weights_bytes for mix in mixes] == sorted((mix.weights_bytes for mix in mixes), reverse=True)


def test_a_layer_without_a_figure_stays_as_it_is() -> None:
    first, second, *_ = layer_names(1)
    report = damages({first: {"bnb-nf4": None}, second: {"bnb-nf4": 0.1}})
    assert steps(report, "damage") == [[second]]
    with pytest.raises(QdashError, match="quantizes no layer"):
        steps(damages({first: {"bnb-nf4": None}}), "damage")


def test_kept_layers_never_change_and_layers_that_stay_together_change_in_one_step() -> None:
    names = [*layer_names(8), "model.vision_tower.layers.0.mlp.fc1"]
    report = damages({name: {"bnb-nf4": 0.01 * place} for place, name in enumerate(names, 1)})
    limits = Limits(together=("*.5.*",), keep=("*.q_proj",))
    group = [name for name in names if ".5." in name]
    kept = [name for name in names if name.endswith("q_proj") or name in group]
    assert len(group) == 4 and any(name.endswith("q_proj") for name in group)  # so that all of them stay
    for order in ORDERS:
        assert sorted(name for step in steps(report, order, limits) for name in step) == sorted(set(names) - set(kept))
        found = steps(report, order, Limits(("*.5.*",)))
        assert sorted(name for step in found for name in step) == sorted(names)
        assert [set(group) <= set(step) for step in found].count(True) == 1 and sum(bool({*group} & {*step}) for step in found) == 1
    # 0.21 to 0.24 each, 0.9 in all: more than any other layer alone
    assert steps(report, "damage", Limits(("*.5.*",)))[-1][-4:] == group
    with pytest.raises(QdashError, match="no layer that may change") as nothing:
        steps(report, "damage", Limits(keep=("*",)))
    assert "keep fewer layers" in nothing.value.remedy


@pytest.fixture(scope="module")
def executor() -> InlineExecutor:
    return InlineExecutor()


@pytest.fixture(scope="module")
def known(checkpoint: Callable[[str], Path], executor: InlineExecutor, tmp_path_factory: pytest.TempPathFactory) -> SensitivityReport:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kept, "settings", lambda: type("Settings", (), {"cache_dir": tmp_path_factory.mktemp("cache")}))
        return result_of(measure_sensitivity(str(checkpoint("qwen3")), ["int2-g64"], QUESTIONS, executor, device="cpu"))


@pytest.fixture
def three_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progressive, "STEPS", 3)


@pytest.mark.usefixtures("three_steps")
def test_every_step_is_measured(known: SensitivityReport, executor: InlineExecutor) -> None:
    seen: list[Any] = []
    report = result_of(measure_progressive(known, "int2-g64", QUESTIONS, executor), seen.append)
    assert [one.order for one in report.progressions] == ["damage", "part", "random"] and report.complete
    assert report.items == tuple(map(item_id, QUESTIONS.held_out.items)) and not {*report.items} & {*known.items}
    mixes = {step.mix.recipe: step.mix for order in ORDERS for step in progressive.planned(choices_of(known), "int2-g64", order)}
    for progression in report.progressions:
        first, *_, last = progression.steps
        assert (first.quantized, first.added, first.kl_mean_nats) == (0, (), pytest.approx(0, abs=1e-9))
        assert last.quantized == sum(len(step.added) for step in progression.steps) == len(known.layers)
        assert all(step.weights_bytes == mixes[step.scheme].weights_bytes for step in progression.steps)
        assert all(step.accuracy is not None and step.accuracy.total == 2 == len(step.kl_nats) for step in progression.steps)
    own, other = report.progressions[0], report.progressions[2]
    assert own.halfway is not None and other.halfway is not None and other.versus is not None
    pairs = zip(own.steps[own.halfway].kl_nats, other.steps[other.halfway].kl_nats, strict=True)
    assert other.versus.mean_nats == pytest.approx(sum(one - two for one, two in pairs) / 2)
    assert (other.steps[other.halfway].weights_bytes or 0) >= (own.steps[own.halfway].weights_bytes or 0)
    growing = [item for item in seen if isinstance(item, ProgressiveReport)]
    fractions = [item.fraction for item in seen if isinstance(item, Step) and item.fraction is not None]
    assert growing[-1] == report and not growing[0].complete and fractions == sorted(fractions)
    assert [spec.scheme for spec in executor.workers()] == ["original"]  # the others have made room again


@pytest.mark.usefixtures("three_steps")
def test_a_stop_keeps_the_steps_and_one_question_is_too_few(known: SensitivityReport, executor: InlineExecutor) -> None:
    stop, seen = Event(), list[Any]()

    def watch(item: Any) -> None:
        seen.append(item)
        if isinstance(item, ProgressiveReport) and len(item.progressions[0].steps) == 2:
            stop.set()

    with pytest.raises(QdashError) as stopped:
        result_of(measure_progressive(known, "int2-g64", QUESTIONS, executor, stop), watch)
    last = next(item for item in reversed(seen) if isinstance(item, ProgressiveReport))
    assert stopped.value.kind == "cancelled" and [len(one.steps) for one in last.progressions] == [2, 1, 1]
    with pytest.raises(QdashError, match="no other question"):
        result_of(measure_progressive(known, "int2-g64", replace(QUESTIONS, items=ITEMS[:1]), executor))
