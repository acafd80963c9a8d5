"""The order of an evaluation, what its figures mean, and what survives a stop or a failure. Workers are scripted here."""

from collections.abc import Callable, Generator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from qdash import checkpoints
from qdash.errors import QdashError
from qdash.present.conditions import evaluation_conditions
from qdash.records import (
    BatchAnswered,
    EvaluatedVariant,
    EvaluatedVariantDone,
    Evaluation,
    EvaluationDone,
    EvaluationProgress,
    EvaluationRequest,
    ItemsAnswered,
    Ratio,
    Reply,
    Step,
    TaskItem,
    Variant,
)
from qdash.runs.batch_times import noise_between, ratio_between
from qdash.runs.evaluate import evaluate
from qdash.tasks import Item, bundled_items, differing
from tests.runs.scripted_evaluation import LOADED, Script

ITEMS = tuple(Item(TaskItem(prompt=f"{n}?", answer=str(n), group="even" if n % 2 == 0 else "odd")) for n in range(20))


@pytest.fixture(scope="module")
def folder(checkpoint: Callable[[str], Path]) -> Path:
    return checkpoint("qwen3")


def request_for(folder: Path | str, *schemes: str, **changes: Any) -> EvaluationRequest:
    known: dict[str, Any] = {"task": "own", "batch_size": 4}
    return EvaluationRequest(variants=tuple(Variant(model=str(folder), scheme=scheme) for scheme in schemes), **{**known, **changes})


def outcome(request: EvaluationRequest, script: Script, stop: Event | None = None) -> tuple[list[Any], Evaluation]:
    events = list(evaluate(request, script, stop, ITEMS))
    assert isinstance(events[-1], EvaluationDone)
    return events, events[-1].evaluation


def test_the_figures(folder: Path) -> None:
    script = Script(wrong={"original": {0, 1}, "bnb-nf4": {1, 2, 3, 4, 5}}, seconds={"original": 0.2, "bnb-nf4": 0.1})
    events, evaluation = outcome(request_for(folder, "original", "bnb-nf4", "int3-g64"), script)
    original, nf4, int3 = evaluation.variants
    assert original.accuracy is not None and nf4.accuracy is not None
    assert (original.accuracy.value, original.accuracy.successes, original.accuracy.total) == (0.9, 18, 20)
    assert (original.drop, original.speedup, original.paired) == (None, None, None)
    assert (nf4.accuracy.value, nf4.drop) == (0.75, pytest.approx(0.15))
    assert nf4.paired is not None
    assert (nf4.paired.only_original, nf4.paired.only_variant) == (4, 1)
    assert nf4.paired.p_value == pytest.approx(0.375)  # 2 · (1 + 5) / 2⁵
    assert (nf4.total_s, nf4.per_item_s, nf4.speedup) == (pytest.approx(2.0), pytest.approx(0.1), pytest.approx(2.0))
    assert (nf4.new_tokens, nf4.load_s, nf4.weights_bytes, nf4.peak_bytes, nf4.bits) == (60, 0.5, 200, 9_000, 4)
    assert {group: share.value for group, share in nf4.groups.items()} == {"even": 0.8, "odd": 0.7}
    assert nf4.notes == LOADED.notes and [told for told in evaluation_conditions(evaluation) if "adapter" in told] == list(LOADED.notes)
    assert int3.kind == "simulated" and int3.speedup is None and int3.drop == pytest.approx(-0.1)
    assert [item.correct for item in nf4.items] == [index not in {1, 2, 3, 4, 5} for index in range(20)]
    assert differing(evaluation.variants) == (0, 1, 2, 3, 4, 5)
    assert evaluation.questions == tuple(item.question for item in ITEMS)
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation
    so_far = [event.accuracy for event in events if isinstance(event, ItemsAnswered) and event.index == 0]
    assert [share.total for share in so_far] == [4, 8, 12, 16, 20] and so_far[-1] == original.accuracy
    told = [event for event in events if isinstance(event, EvaluationProgress) and event.stage == "answering" and event.done]
    assert all(event.eta_s == 1.0 and event.total == 20 for event in told)


def test_the_baseline_answers_its_first_batches_again_last(folder: Path) -> None:
    script = Script()
    _, evaluation = outcome(request_for(folder, "original", "bnb-nf4"), script)
    assert script.calls == [
        ("original", "load", None), ("original", "run_batches", None),
        ("bnb-nf4", "load", None), ("bnb-nf4", "run_batches", None),
        ("original", "load", None), ("original", "run_batches", 2),
    ]  # fmt: skip
    assert evaluation.noise_floor is not None
    assert (evaluation.noise_floor.items, evaluation.noise_floor.relative, evaluation.noise_floor.changed) == (8, 0, 0)


def test_what_the_first_variant_finds_out_of_batches_holds_for_all(folder: Path) -> None:
    script = Script()
    script.reads_padding = True
    _, evaluation = outcome(request_for(folder, "original", "bnb-nf4"), script)
    assert script.requests == [("original", 4, False), ("bnb-nf4", 1, False), ("original", 1, False)]
    assert [(variant.batch_size, variant.reads_padding) for variant in evaluation.variants] == [(1, True)] * 2
    assert any(
        "one by one, as questions that share a batch change this model's answers" in said for said in evaluation_conditions(evaluation)
    )

    script = Script()
    script.reads_padding = False
    _, evaluation = outcome(request_for(folder, "original", "torch-int8dyn"), script)
    assert script.requests == [("original", 4, False), ("torch-int8dyn", 4, True), ("original", 4, True)]
    assert [(variant.batch_size, variant.reads_padding) for variant in evaluation.variants] == [(4, False)] * 2
    assert not any("one by one" in said for said in evaluation_conditions(evaluation))


@pytest.mark.parametrize("reads_padding", [False, True])
def test_an_evaluation_that_gives_way_after_every_batch_comes_to_the_same(folder: Path, reads_padding: bool) -> None:
    found = []
    for pauses in (False, True):
        script = Script(wrong={"bnb-nf4": {1, 2, 7}}, seconds={"original": 0.25, "bnb-nf4": 0.5})
        script.pauses, script.reads_padding = pauses, reads_padding
        found.append((*outcome(request_for(folder, "original", "bnb-nf4"), script), script))
    (_, whole, _), (events, evaluation, script) = found
    variants, expected = ([result.model_copy(update={"busy": None}) for result in one.variants] for one in (evaluation, whole))
    assert variants == expected and evaluation.noise_floor == whole.noise_floor
    batch_size = 1 if reads_padding else 4
    assert script.requests[:2] == [("original", 4, False), ("original", batch_size, True)]
    given = [options for options in script.options if options["gives_way"]]
    assert len(given) == (20 + 20 + 5) // batch_size + (not reads_padding)
    assert [bool(options["reserve_bytes"]) for options in given[:3]] == [False, True, True]
    assert len({options["rank"] for options in script.options}) == 1 and script.options[0]["rank"].timing
    told = [event for event in events if isinstance(event, EvaluationProgress) and event.stage == "answering" and event.index == 0]
    assert [event.done for event in told] == sorted(event.done for event in told)
    assert any(event.done and event.detail.startswith("waiting") for event in told)


def test_schemes_that_mix_rows_find_out_nothing(folder: Path) -> None:
    script = Script()
    script.reads_padding = False
    outcome(request_for(folder, "torch-int8dyn", "original"), script)
    assert script.requests[:2] == [("torch-int8dyn", 4, True), ("original", 4, False)]


def batch(seconds: float, *texts: str) -> BatchAnswered:
    replies = tuple(Reply(index=index, text=text) for index, text in enumerate(texts))
    return BatchAnswered(replies=replies, seconds=seconds, done=1, total=1, eta_s=0)


def test_noise_is_drift_or_spread_whichever_is_larger() -> None:
    drift = noise_between([batch(1, "a"), batch(1, "b")], [batch(1.3, "a"), batch(1.3, "c")])
    assert drift.relative == pytest.approx(0.3)
    assert (drift.first_s, drift.again_s, drift.changed) == (2, pytest.approx(2.6), 1)
    spread = noise_between([batch(1), batch(1)], [batch(0.5), batch(1.5)])
    assert spread.relative == pytest.approx((1.4 - 0.6) / 2)


def test_times_are_compared_batch_by_batch_with_an_interval(folder: Path) -> None:
    script = Script(seconds={"original": 0.2, "bnb-nf4": 0.1})
    original, nf4, simulated, odd = outcome(request_for(folder, "original", "bnb-nf4", "int3-g64", "nvfp4"), script)[1].variants
    assert nf4.time is not None and (nf4.time.value, nf4.time.low, nf4.time.high) == (0.5, pytest.approx(0.5), pytest.approx(0.5))
    assert (original.time, simulated.time, odd.time) == (None, None, None)
    assert all(result.busy is None or 0 <= result.busy <= 1 for result in (original, nf4))
    slow = [batch(3.0, "a"), batch(1.0, "b"), batch(1.0, "c"), batch(1.1, "d")]
    found = ratio_between([batch(1.0, "a")] * 4, slow)
    assert (
        found is not None and found.value == pytest.approx(1.05) and found.low is not None and found.low <= 1.0 and (found.high or 0) >= 3
    )
    assert ratio_between([batch(1.0, "a")], [batch(1.0, "a", "b")]) is None and ratio_between([], []) is None
    few = ratio_between([batch(1.0, "a")], [batch(2.0, "a")])
    assert few == Ratio(value=2.0, low=None, high=None, rounds=1)


def test_stopped_in_a_variant_its_answers_stay(folder: Path) -> None:
    script, stop = Script(wrong={"bnb-nf4": {0}}), Event()
    events = evaluate(request_for(folder, "original", "bnb-nf4", "bnb-int8"), script, stop, ITEMS)
    seen: list[Any] = []
    for event in events:
        seen.append(event)
        if isinstance(event, EvaluationProgress) and event.index == 1:
            script.stop_after = 3
    evaluation = seen[-1].evaluation
    original, stopped, never = evaluation.variants
    assert original.status == "ok"
    assert (stopped.status, stopped.error.kind, len(stopped.items)) == ("skipped", "cancelled", 8)
    assert stopped.accuracy.value == 7 / 8 and stopped.drop == pytest.approx(1 / 8)
    assert stopped.total_s == pytest.approx(8) and stopped.per_item_s == pytest.approx(1) and stopped.speedup is None
    assert (never.status, never.error.kind, never.items, never.accuracy) == ("skipped", "cancelled", (), None)
    assert evaluation.noise_floor is None


def test_models_are_downloaded_before_the_device_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is lent by the second must not wait for a network."""
    here, order = checkpoints.locate(str(folder)), []

    def obtain(checkpoint: Any, stop: Any) -> Generator[Step, None, checkpoints.Checkpoint]:
        order.append("download")
        yield Step(fraction=0.5, detail="half")
        return here

    class Ordered(Script):
        def run(self, job: Any, work: Any, stop: Any = None) -> Generator[Any, None, Any]:
            order.append("run")
            return (yield from job(self, stop))

    monkeypatch.setattr(checkpoints, "locate", lambda model, stop=None: here.model_copy(update={"folder": None}))
    monkeypatch.setattr(checkpoints, "obtain", obtain)
    events, evaluation = outcome(request_for(folder, "original", "bnb-nf4"), Ordered())
    assert order == ["download", "run"] and [result.status for result in evaluation.variants] == ["ok", "ok"]
    told = [(event.stage, event.fraction) for event in events if isinstance(event, EvaluationProgress)]
    assert told[:3] == [("locating", None), ("downloading", None), ("downloading", 0.5)]


class CutOff(Script):
    """All workers are gone at once after so many batches, as where a GPU is taken back."""

    def __init__(self, after: int) -> None:
        super().__init__(wrong={"bnb-nf4": {0}})
        self.after = after

    def run(self, job: Any, work: Any, stop: Any = None) -> Generator[Any, None, Any]:
        answered = 0
        for event in job(self, stop):
            if answered == self.after and not isinstance(event, EvaluatedVariantDone):
                raise QdashError("The GPU was lent for 60 s, which was too short.", "Try again.", "worker_died")
            yield event
            answered += isinstance(event, ItemsAnswered)


def test_workers_that_are_all_gone_leave_what_was_answered(folder: Path) -> None:
    _, evaluation = outcome(request_for(folder, "original", "bnb-nf4", "bnb-int8"), CutOff(after=7))
    original, cut_off, never = evaluation.variants
    assert [result.status for result in evaluation.variants] == ["ok", "failed", "failed"]
    assert cut_off.accuracy is not None and cut_off.error is not None and never.error == cut_off.error
    assert (cut_off.accuracy.successes, cut_off.accuracy.total, len(cut_off.items), cut_off.drop) == (7, 8, 8, pytest.approx(1 / 8))
    assert (cut_off.total_s, cut_off.speedup, never.items, evaluation.noise_floor) == (None, None, (), None)
    assert original.total_s == 20


def test_answers_of_a_baseline_whose_workers_are_gone_stay(folder: Path) -> None:
    _, evaluation = outcome(request_for(folder, "original", "bnb-nf4"), CutOff(after=2))
    assert [len(result.items) for result in evaluation.variants] == [8, 0]
    with pytest.raises(QdashError, match="60 s"):
        outcome(request_for(folder, "original", "bnb-nf4"), CutOff(after=0))


def test_a_failure_costs_its_variant_only(folder: Path) -> None:
    script = Script()
    script.failing["bnb-nf4", "run_batches"] = QdashError("Memory ran out.", "Less.", "out_of_memory")
    _, evaluation = outcome(request_for(folder, "original", "bnb-nf4", "bnb-int8"), script)
    assert [result.status for result in evaluation.variants] == ["ok", "failed", "ok"]
    assert evaluation.variants[1].error is not None and evaluation.variants[1].error.kind == "out_of_memory"
    assert evaluation.variants[2].paired is not None


def test_a_failed_baseline_leaves_accuracies(folder: Path) -> None:
    script = Script()
    script.failing["original", "load"] = QdashError("Memory ran out.", "Less.", "out_of_memory")
    _, evaluation = outcome(request_for(folder, "original", "bnb-nf4"), script)
    nf4 = evaluation.variants[1]
    assert nf4.accuracy is not None and (nf4.drop, nf4.paired, nf4.speedup) == (None, None, None)
    assert evaluation.noise_floor is None


def test_simulated_formats_that_mix_rows_answer_one_by_one(folder: Path) -> None:
    script = Script()
    _, evaluation = outcome(request_for(folder, "original", "nvfp4", "torch-int8dyn"), script)
    assert [result.batch_size for result in evaluation.variants] == [4, 1, 4]
    assert [result.scales_span_rows for result in evaluation.variants] == [False, True, True]
    assert evaluation.variants[2].speedup == 1.0


def test_a_part_is_asked_and_a_rule_chosen(folder: Path) -> None:
    _, evaluation = outcome(request_for(folder, "original", limit=6, rule="exact", max_new_tokens=5), Script())
    assert len(evaluation.questions) == 6 and evaluation.max_new_tokens == 5
    assert evaluation.variants[0].accuracy is not None and evaluation.variants[0].accuracy.value == 0  # “It is 0.” is not “0”


def refusal(request: EvaluationRequest, items: Any = ITEMS) -> str:
    with pytest.raises(QdashError) as error:
        list(evaluate(request, Script(), None, items))
    return str(error.value)


def test_what_cannot_begin_says_why(folder: Path) -> None:
    assert "its weights are random" in refusal(request_for("random:qwen3-4b", "original"))
    assert "was given no questions" in refusal(request_for(folder, "original"), None)
    assert "no questions to ask" in refusal(request_for(folder, "original"), ())
    assert "No scheme is chosen" in refusal(request_for(folder))
    assert "There is no task" in refusal(request_for(folder, "original").model_copy(update={"task": "chess"}))


def test_pictures_are_for_models_that_see(folder: Path) -> None:
    _, evaluation = last(evaluate(request_for(folder, "original", task="drawings", limit=5), Script()))
    assert evaluation.variants[0].error is not None and "reads text only" in evaluation.variants[0].error.message


def last(events: Any) -> tuple[list[Any], Evaluation]:
    seen = list(events)
    return seen, seen[-1].evaluation


def test_a_real_worker_answers_the_bundled_drawings(drawing_reader: list[EvaluatedVariant]) -> None:
    original, int3 = drawing_reader
    assert original.accuracy is not None and int3.accuracy is not None
    assert original.accuracy.value >= 0.9
    assert int3.accuracy.total == original.accuracy.total == 40
    assert len(original.groups) == 10 and {share.total for share in original.groups.values()} == {4}
    assert original.last_word is None


@pytest.fixture(scope="module")
def drawing_reader() -> list[EvaluatedVariant]:
    """The bundled model on 40 of its drawings, in this process."""
    from qdash.execution.inline import InlineExecutor  # noqa: PLC0415 - takes torch with it

    assert bundled_items("drawings") is not None
    request = request_for("tiny-vlm", "original", "int3-g64", task="drawings", limit=40, batch_size=20)
    _, evaluation = last(evaluate(request, InlineExecutor()))
    return list(evaluation.variants)
