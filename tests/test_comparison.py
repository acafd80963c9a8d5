"""The order of a comparison, and what survives when a variant does not. Workers are scripted; real ones are in tests/execution."""

from collections.abc import Callable, Generator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash import checkpoints
from qdash.comparison import compare, noise_of
from qdash.errors import QdashError
from qdash.planning import plan, variants_of
from qdash.records import (
    Agreement,
    Answer,
    AnswerText,
    Comparison,
    ComparisonDone,
    Coverage,
    Loaded,
    Measurement,
    Progress,
    Reference,
    Request,
    Step,
    TextSoFar,
    Timed,
    Timing,
    Variant,
    VariantDone,
    WorkerSpec,
)

LOADED = Loaded(
    load_s=0.5, load_peak_bytes=300, weights_bytes=200, saved_bytes=190, projected_bytes=None, dtype="float32",
    coverage=Coverage(quantized=3, total=4), snippet="model = …",
)  # fmt: skip


REFERENCE = Reference(tokens=(1,), pieces=("a",), vocabulary="", width=9, kept=9, log_probs=b"", ids=b"", tail=b"", ppl=1.5)
AGREEMENT = Agreement(kl_mean_nats=0.0, kl_se=0.01, top1=1.0, ppl_original=1.5, ppl=1.6, first_divergence=None, tokens=1)


def timed(total_s: float) -> Timed:
    runs = Timing.of([total_s] * 3)
    return Timed(preprocess_s=runs, ttft_s=runs, tpot_s=runs, total_s=runs, tokens_per_s=Timing.of([1 / total_s] * 3), peak_bytes=400)


class Script:
    """An executor whose workers follow a script: `totals` are the timings in turn, `failing` maps (scheme, method) to an error."""

    def __init__(self, totals: list[float] | None = None, failing: dict[tuple[str, str], QdashError] | None = None) -> None:
        self.totals = totals or [1.0] * 10
        self.failing = failing or {}
        self.tokens: tuple[int, ...] = ()
        self.calls: list[tuple[str | None, str]] = []

    def call(
        self, spec: WorkerSpec, method: str, *arguments: Any, reserve_bytes: int = 0, stop: Event | None = None
    ) -> Generator[Step | TextSoFar, None, Any]:
        self.calls.append((spec.scheme, method))
        if error := self.failing.get((str(spec.scheme), method)):
            raise error
        yield Step(fraction=0.5)
        if method == "load":
            return LOADED.model_copy(update={"weights_bytes": 200 if spec.scheme == "original" else 50})
        if method == "answer":
            yield TextSoFar(text="a cat")
            return Answer(text="a cat", new_tokens=2, complete=True, tokens=self.tokens)
        if method == "refer":
            return REFERENCE.model_copy(update={"tokens": arguments[1] if isinstance(arguments[1], tuple) else (7,)})
        if method == "score":
            kl = 0.0 if spec.scheme == "original" else 0.25
            return AGREEMENT.model_copy(update={"kl_mean_nats": kl, "tokens": len(arguments[1].tokens)})
        return timed(self.totals.pop(0))

    def close(self) -> None: ...


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


def test_the_baseline_goes_first_and_is_timed_again_last(folder: Path) -> None:
    script = Script(totals=[1.0, 0.5, 1.1])
    events = list(compare(request_for(folder, "original", "bnb-nf4"), None, script))
    assert script.calls == [
        ("original", "load"), ("original", "answer"), ("original", "time"),
        ("bnb-nf4", "load"), ("bnb-nf4", "answer"), ("bnb-nf4", "time"),
        ("original", "load"), ("original", "time"),
    ]  # fmt: skip
    comparison = final(events)
    assert comparison.noise_floor is not None
    assert comparison.noise_floor.relative == pytest.approx(0.1)
    relative = comparison.variants[1].relative
    assert relative is not None
    assert (relative.latency, relative.memory, relative.tokens_per_s) == (0.5, 0.25, 2.0)


def test_events_name_their_variant_and_stage(folder: Path) -> None:
    events = list(compare(request_for(folder, "original", "bnb-nf4"), None, Script()))
    stages = [(event.index, event.stage) for event in events if isinstance(event, Progress)]
    assert list(dict.fromkeys(stages)) == [
        (0, "downloading"), (0, "loading"), (0, "answering"), (0, "timing"),
        (1, "loading"), (1, "answering"), (1, "timing"), (0, "re-timing"),
    ]  # fmt: skip
    assert [event.text for event in events if isinstance(event, AnswerText)] == ["a cat", "a cat"]


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


def test_stop_keeps_what_is_done_and_skips_the_rest(folder: Path) -> None:
    stop = Event()
    events = []
    for event in compare(request_for(folder, "original", "bnb-int8", "bnb-nf4"), None, Script(), stop):
        events.append(event)
        if isinstance(event, VariantDone):
            stop.set()
    comparison = final(events)
    assert [variant.status for variant in comparison.variants] == ["ok", "skipped", "skipped"]
    assert [variant.error.kind for variant in comparison.variants[1:] if variant.error] == ["cancelled", "cancelled"]


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


def test_random_weights_are_timed_but_not_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    located = checkpoints.locate(str(folder))
    monkeypatch.setattr(checkpoints, "locate", lambda model: located)
    request = Request(variants=(Variant(model="random:qwen3-4b", scheme="original"),), prompt="hello")
    script = Script()
    (result,) = final(list(compare(request, None, script))).variants
    assert (result.status, result.answer, result.latency is not None) == ("ok", None, True)
    assert "answer" not in {method for _, method in script.calls}


# ── agreement with the original ──────────────────────────────────────────────────────────────────────────────────


def scoring(failing: dict[tuple[str, str], QdashError] | None = None) -> Script:
    script = Script(failing=failing)
    script.tokens = (5, 6, 2)
    return script


def test_variants_are_scored_against_the_originals_answer_after_they_are_timed(folder: Path) -> None:
    script = scoring()
    events = list(compare(request_for(folder, "original", "bnb-nf4"), None, script))
    assert script.calls == [
        ("original", "load"), ("original", "answer"), ("original", "time"), ("original", "refer"),
        ("bnb-nf4", "load"), ("bnb-nf4", "answer"), ("bnb-nf4", "time"), ("bnb-nf4", "score"),
        ("original", "load"), ("original", "time"), ("original", "score"),
    ]  # fmt: skip
    stages = [(event.index, event.stage) for event in events if isinstance(event, Progress)]
    assert (0, "scoring") in stages and (1, "scoring") in stages and stages[-1] == (0, "re-timing")
    comparison = final(events)
    original, variant = comparison.variants
    assert (original.agreement, original.agreement_problem) == (None, None)
    assert variant.agreement is not None and (variant.agreement.kl_mean_nats, variant.agreement.tokens) == (0.25, 3)
    assert comparison.noise_floor is not None and comparison.noise_floor.kl_nats == 0.0
    assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison


def test_the_noise_of_each_part_of_the_time_is_known(folder: Path) -> None:
    noise = outcome(folder, Script(totals=[1.0, 1.0, 1.2]), "original", "bnb-nf4").noise_floor
    assert noise is not None and (noise.ttft, noise.tpot, noise.kl_nats) == (pytest.approx(0.2), pytest.approx(0.2), None)


def test_a_reference_text_is_scored_beside_the_answer(folder: Path) -> None:
    request = request_for(folder, "original", "bnb-nf4").model_copy(update={"reference_text": "Once upon a time"})
    variant = final(list(compare(request, None, scoring()))).variants[1]
    assert variant.agreement is not None and variant.agreement.tokens == 3
    assert variant.agreement_text is not None and variant.agreement_text.tokens == 1


def test_a_failed_scoring_costs_the_agreement_only(folder: Path) -> None:
    other = QdashError("It has other words.", "Compare one family.")
    variant = outcome(folder, scoring({("bnb-nf4", "score"): other}), "original", "bnb-nf4").variants[1]
    assert (variant.status, variant.agreement, variant.agreement_problem) == ("ok", None, "It has other words.")
    assert variant.latency is not None and variant.answer == "a cat"


def test_without_a_reference_nobody_is_scored_and_everybody_knows_why(folder: Path) -> None:
    nan = QdashError("No numbers.", "Another type.", "checkpoint")
    script = scoring({("original", "refer"): nan})
    comparison = outcome(folder, script, "original", "bnb-nf4")
    assert [variant.agreement_problem for variant in comparison.variants] == ["No numbers."] * 2
    assert "score" not in {method for _, method in script.calls}
    assert comparison.noise_floor is not None and comparison.noise_floor.kl_nats is None
    died = QdashError("It died.", "Try again.", "worker_died")
    variant = outcome(folder, scoring({("original", "load"): died}), "original", "bnb-nf4").variants[1]
    assert variant.agreement_problem is not None and "did not run" in variant.agreement_problem


def test_a_floor_that_cannot_be_scored_is_unknown(folder: Path) -> None:
    full = QdashError("Out of memory.", "Choose fewer.", "out_of_memory")
    noise = outcome(folder, scoring({("original", "score"): full}), "original", "bnb-nf4").noise_floor
    assert noise is not None and noise.kl_nats is None
