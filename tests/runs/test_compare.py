"""The order of a comparison, and what survives when a variant does not. Workers are scripted; real ones are in tests/execution."""

import shutil
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash import checkpoints
from qdash.errors import QdashError
from qdash.execution import Part, PartMoved, Rank, Round, StopSignal
from qdash.inputs import read_picture
from qdash.records import (
    AnswerText,
    Comparison,
    ComparisonDone,
    Measurement,
    Progress,
    Ratio,
    Request,
    Rounds,
    TimedRun,
    Timing,
    Variant,
    VariantAnswered,
    VariantDone,
    WorkerSpec,
)
from qdash.runs.compare import compare
from qdash.runs.plan import plan, variants_of
from qdash.runs.rounds.figures import latency_of, noise_floor, noise_of
from qdash.ui.controls.samples import sample_path
from tests.runs.scripted_workers import LOADED, Script, scoring


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else runs on this machine, as far as a comparison can see."""
    monkeypatch.setattr("qdash.busyness.OthersLoad.share", lambda load: 0.0)


@pytest.fixture(scope="module")
def folder(checkpoint: Callable[[str], Path]) -> Path:
    return checkpoint("qwen3")


def request_for(folder: Path, *schemes: str) -> Request:
    variants = tuple(Variant(model=str(folder), scheme=scheme) for scheme in schemes)
    return Request(variants=variants, prompt="hello", measurement=Measurement(runs=3, warmup=0, max_new_tokens=4))


def outcome(folder: Path, script: Script, *schemes: str) -> Comparison:
    return final(list(compare(request_for(folder, *schemes), None, script)))


def final(events: list[Any]) -> Comparison:
    assert isinstance(events[-1], ComparisonDone)
    return events[-1].comparison


def test_everybody_answers_before_anybody_is_timed(folder: Path) -> None:
    script = Script(lambda scheme, number: 0.5 if scheme == "bnb-nf4" else 1.0)
    events = list(compare(request_for(folder, "original", "bnb-nf4"), None, script))
    assert script.calls == [
        ("original", "load"), ("original", "answer"), ("bnb-nf4", "load"), ("bnb-nf4", "answer"),
        ("original", "load"), ("original", "warm_up"), ("bnb-nf4", "load"), ("bnb-nf4", "warm_up"),
    ]  # fmt: skip
    assert script.rounds == [("original", "bnb-nf4"), ("bnb-nf4", "original"), ("bnb-nf4", "original")]
    comparison = final(events)
    assert comparison.rounds == Rounds(taken=3, repeated=0, busy=0.0, busy_before=0.0)
    assert comparison.noise_floor is not None and comparison.noise_floor.relative == 0
    relative = comparison.variants[1].relative
    assert relative is not None and relative.total == Ratio(value=0.5, low=0.5, high=0.5, rounds=3, noise=0.0, busy=0.0)
    assert (relative.latency, relative.memory, relative.tokens_per_s) == (0.5, 0.25, pytest.approx(2.0))
    memory = comparison.variants[1].memory
    assert memory is not None and memory.peak_bytes == 400


def test_events_name_their_variant_and_stage(folder: Path) -> None:
    events = list(compare(request_for(folder, "original", "bnb-nf4"), None, Script()))
    stages = [(event.index, event.stage) for event in events if isinstance(event, Progress)]
    assert list(dict.fromkeys(stages)) == [
        (0, "locating"), (0, "loading"), (0, "answering"), (1, "loading"), (1, "answering"),
        (0, "warming up"), (1, "warming up"), (0, "timing"), (1, "timing"),
    ]  # fmt: skip
    assert [event.text for event in events if isinstance(event, AnswerText)] == ["a cat", "a cat"]
    fractions = [event.fraction for event in events if isinstance(event, Progress) and event.stage == "timing"]
    assert fractions == sorted(fractions, key=lambda fraction: fraction or 0) and fractions[-1] == 1


def test_results_come_so_far_with_the_answer_and_again_with_the_times(folder: Path) -> None:
    with_results = (VariantAnswered, VariantDone)
    events = [event for event in compare(request_for(folder, "original", "bnb-nf4"), None, scoring()) if isinstance(event, with_results)]
    assert [(event.event, event.index) for event in events] == [("answered", 0), ("answered", 1), ("variant", 0), ("variant", 1)]
    so_far, done = events[1].result, events[3].result
    assert so_far.agreement is not None and so_far.memory is not None and so_far.relative is not None
    assert (so_far.status, so_far.answer, so_far.latency, so_far.agreement.tokens) == ("ok", "a cat", None, 3)
    assert (so_far.memory.weights_bytes, so_far.memory.peak_bytes, so_far.coverage) == (50, None, LOADED.coverage)
    assert (so_far.relative.memory, so_far.relative.latency, so_far.relative.total) == (0.25, None, None)
    assert done == so_far.model_copy(update={"latency": done.latency, "relative": done.relative, "memory": done.memory})


@pytest.mark.parametrize(("prompt", "correct"), [("What do you see?", False), ("Is it a cat?", None)])
def test_whether_an_answer_is_right_is_recorded_where_that_is_known(prompt: str, correct: bool | None) -> None:
    picture, png = read_picture(sample_path("pizza.png"))
    request = request_for(Path("tiny-vlm"), "original").model_copy(update={"prompt": prompt, "picture": picture})
    assert final(list(compare(request, png, Script()))).variants[0].correct is correct


def test_a_failed_variant_costs_itself_only(folder: Path) -> None:
    died = QdashError("It died.", "Try again.", "worker_died")
    comparison = final(
        list(compare(request_for(folder, "original", "bnb-int8", "bnb-nf4"), None, Script(failing={("bnb-int8", "load"): died})))
    )
    assert [variant.status for variant in comparison.variants] == ["ok", "failed", "ok"]
    error = comparison.variants[1].error
    assert error is not None and error.kind == "worker_died"


def test_an_answer_survives_a_failed_timing(folder: Path) -> None:
    full = QdashError("Out of memory.", "Choose fewer.", "out_of_memory")
    variant = final(list(compare(request_for(folder, "original", "bnb-nf4"), None, Script(failing={("bnb-nf4", "time"): full})))).variants[
        1
    ]
    assert (variant.status, variant.answer, variant.latency, variant.relative) == ("failed", "a cat", None, None)


def test_a_failed_baseline_leaves_the_others_without_ratios(folder: Path) -> None:
    died = QdashError("It died.", "Try again.", "worker_died")
    comparison = outcome(folder, Script(failing={("original", "time"): died}), "original", "bnb-nf4")
    assert comparison.noise_floor is None
    assert comparison.variants[1].status == "ok"
    assert comparison.variants[1].relative is None


def test_simulated_variants_claim_no_speed_or_memory(folder: Path) -> None:
    relative = outcome(folder, Script(), "original", "fp8-e4m3").variants[1].relative
    assert relative is not None
    assert (relative.latency, relative.memory, relative.tokens_per_s) == (None, None, None)


def stopped_at(folder: Path, wanted: Callable[[Any], bool], script: Script, *schemes: str) -> tuple[Comparison, list[Any]]:
    """What comes of a comparison that is stopped at the first event that is `wanted`."""
    stop, events = Event(), []
    for event in compare(request_for(folder, *schemes), None, script, stop):
        events.append(event)
        if not stop.is_set() and wanted(event):
            stop.set()
    return final(events), events


def test_stopped_while_answering_what_has_answered_stays(folder: Path) -> None:
    comparison, events = stopped_at(folder, lambda event: isinstance(event, VariantAnswered), Script(), "original", "bnb-int8", "bnb-nf4")
    original, *others = comparison.variants
    assert (original.status, original.answer, original.latency, original.error) == ("ok", "a cat", None, None)
    assert [variant.status for variant in others] == ["skipped", "skipped"]
    assert [variant.error.kind for variant in others if variant.error] == ["cancelled", "cancelled"]
    assert (comparison.rounds, comparison.noise_floor) == (None, None)
    assert sorted(event.index for event in events if isinstance(event, VariantDone)) == [0, 1, 2]


@pytest.mark.parametrize(("rounds", "taken"), [(1, None), (2, 1), (3, 2)])
def test_stopped_between_rounds_those_taken_count_without_an_interval(folder: Path, rounds: int, taken: int | None) -> None:
    script = Script(lambda scheme, number: 2.0 + number if scheme == "bnb-nf4" else 1.0)
    comparison, _ = stopped_at(folder, lambda event: len(script.rounds) == rounds, script, "original", "bnb-nf4")
    original, nf4 = comparison.variants
    assert (original.status, nf4.status, original.error, nf4.error) == ("ok", "ok", None, None)
    assert nf4.relative is not None and nf4.relative.memory == 0.25
    if taken is None:
        assert (nf4.latency, nf4.relative.total, comparison.rounds) == (None, None, None)
    else:
        assert comparison.rounds is not None and comparison.rounds.taken == taken
        assert nf4.latency is not None and len(nf4.latency.total_s.runs) == taken
        ratio = nf4.relative.total
        assert ratio is not None and (ratio.value, ratio.low, ratio.high, ratio.rounds) == (1.5 + taken / 2, None, None, taken)


TAKEN_BACK = QdashError("The GPU was lent for 60 s, which was too short.", "Try again.", "worker_died")


class CutOff(Script):
    """All workers are gone at once after so many results, with or without times, as where a GPU is taken back."""

    def __init__(self, after: int, error: QdashError = TAKEN_BACK) -> None:
        super().__init__()
        self.after, self.error = after, error

    def run(self, job: Any, work: Any, stop: Any = None) -> Generator[Any, None, Any]:
        done = 0
        for event in job(self, stop):
            if done == self.after and isinstance(event, Progress) and event.fraction:
                raise self.error
            yield event
            done += isinstance(event, VariantDone | VariantAnswered)


@pytest.mark.parametrize(("error", "status"), [(TAKEN_BACK, "failed"), (QdashError("Stopped.", "Again.", "cancelled"), "skipped")])
def test_workers_that_are_all_gone_leave_what_has_answered(folder: Path, error: QdashError, status: str) -> None:
    events = list(compare(request_for(folder, "original", "bnb-int8", "bnb-nf4"), None, CutOff(1, error)))
    comparison = final(events)
    assert [variant.status for variant in comparison.variants] == ["ok", status, status]
    assert all(variant.error is not None and variant.error.message == error.message for variant in comparison.variants[1:])
    assert [event.index for event in events if isinstance(event, VariantDone)] == [0, 1, 2]
    original = comparison.variants[0]
    assert (original.answer, original.latency, comparison.noise_floor) == ("a cat", None, None)
    assert (original.error is not None and original.error.message) == (error.message if status == "failed" else False)


def test_workers_that_are_all_gone_at_the_end_cost_the_noise_floor_only(folder: Path) -> None:
    comparison = final(list(compare(request_for(folder, "original", "bnb-nf4"), None, CutOff(2))))
    assert [variant.status for variant in comparison.variants] == ["ok", "ok"] and comparison.noise_floor is None
    assert all(variant.latency is None and variant.answer == "a cat" for variant in comparison.variants)


def test_a_bug_while_timing_costs_the_times_only(folder: Path) -> None:
    class Buggy(Script):
        def round(
            self, parts: Sequence[Part], stop: StopSignal | None = None, rank: Rank | None = None, *, together: bool = True
        ) -> Generator[PartMoved, None, Round]:
            raise ZeroDivisionError("a bug")
            yield

    comparison = final(list(compare(request_for(folder, "original", "bnb-nf4"), None, Buggy())))
    assert [(variant.answer, variant.latency) for variant in comparison.variants] == [("a cat", None)] * 2
    assert [variant.error.kind for variant in comparison.variants if variant.error] == ["internal"] * 2


def test_workers_that_are_all_gone_at_once_are_an_error(folder: Path) -> None:
    with pytest.raises(QdashError, match="60 s"):
        list(compare(request_for(folder, "original", "bnb-nf4"), None, CutOff(0)))


def test_an_unknown_model_is_one_error_and_no_comparison() -> None:
    with pytest.raises(QdashError, match="no-such-folder"):
        list(compare(request_for(Path("./no-such-folder"), "original"), None, Script()))


def test_one_bad_model_among_two_costs_its_variants_only(folder: Path) -> None:
    request = request_for(folder, "original").model_copy(
        update={"variants": (Variant(model=str(folder), scheme="original"), Variant(model="./no-such-folder", scheme="bnb-nf4"))}
    )
    assert [variant.status for variant in final(list(compare(request, None, Script()))).variants] == ["ok", "failed"]


def test_a_comparison_round_trips_through_json(folder: Path) -> None:
    comparison = outcome(folder, Script(), "original", "bnb-nf4")
    assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=9), st.lists(st.floats(0.001, 100), min_size=1, max_size=9))
def test_the_noise_floor_covers_the_drift(first: list[float], again: list[float]) -> None:
    noise = noise_of(Timing.of(first), Timing.of(again))
    assert noise.relative >= abs(noise.again_median_s - noise.first_median_s) / noise.first_median_s


def test_one_run_has_no_noise_floor() -> None:
    run = TimedRun(preprocess_s=0.1, ttft_s=0.3, total_s=1.0, tokens=4)
    assert noise_floor(latency_of(0.5, [run]), None) is None


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=20))
def test_percentiles_are_numpys(runs: list[float]) -> None:
    timing = Timing.of(runs)
    assert timing.p10 == pytest.approx(np.percentile(runs, 10))
    assert timing.p90 == pytest.approx(np.percentile(runs, 90))
    assert timing.median == pytest.approx(np.median(runs))


def test_checkpoints_stand_side_by_side_each_under_its_scheme(folder: Path, checkpoint: Callable[[str], Path]) -> None:
    other = checkpoint("bloom")
    variants = variants_of(
        str(folder), ["bnb-nf4"], [Variant(model=str(other), scheme="original"), Variant(model="no/such", scheme="original")]
    )
    request = Request(variants=variants, prompt="hello", measurement=Measurement(runs=3, warmup=0, max_new_tokens=4))
    results = final(list(compare(request, None, Script()))).variants
    assert [result.label for result in results] == ["Original", "NF4 4-bit", f"{other.name}: Original", "such: Original"]
    assert [result.status for result in results] == ["ok", "ok", "ok", "failed"]
    assert results[3].error is not None and "no/such" in results[3].error.message
    planned = plan(request.model_copy(update={"variants": variants[:3]}))
    assert len({variant.estimated_bytes for variant in planned.variants}) == 3


def test_files_of_one_name_are_told_apart_and_so_are_their_templates(folder: Path, tmp_path: Path) -> None:
    models = [shutil.copytree(folder, tmp_path / author / "model-Q4") for author in ("ann", "bob")]
    variants = tuple(Variant(model=str(model), scheme="original") for model in models)
    request = Request(variants=variants, prompt="hello", measurement=Measurement(runs=3, warmup=0, max_new_tokens=4))

    class OtherTemplate(Script):
        def call(self, spec: WorkerSpec, method: str, *arguments: Any, **options: Any) -> Generator[Any, None, Any]:
            done = yield from super().call(spec, method, *arguments, **options)
            return done.model_copy(update={"same_prompt": False}) if method == "compare_to_reference" and "bob" in spec.folder else done

    script = OtherTemplate()
    script.tokens = (5, 6, 2)
    first, other = final(list(compare(request, None, script))).variants
    assert [first.label, other.label] == ["Original", "bob/model-Q4: Original"]
    assert other.agreement is not None and not other.agreement.same_prompt
    assert first.notes == LOADED.notes and [note for note in other.notes if "chat template lays the question out" in note]


def test_random_weights_are_timed_but_not_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    located = checkpoints.locate(str(folder))
    monkeypatch.setattr(checkpoints, "locate", lambda model, stop=None: located)
    request = Request(variants=(Variant(model="random:qwen3-4b", scheme="original"),), prompt="hello")
    script = Script()
    (result,) = final(list(compare(request, None, script))).variants
    assert (result.status, result.answer, result.latency is not None) == ("ok", None, True)
    assert "answer" not in {method for _, method in script.calls}


# ── agreement with the original ──────────────────────────────────────────────────────────────────────────────────
