"""The four answers on made-up reports: each case that a model can be, and times that mean something or nothing."""

from typing import Any

import pytest

from qdash.catalog.schemes import SCHEMES
from qdash.records import (
    Comparison,
    Coverage,
    InspectorReport,
    Latency,
    Memory,
    PartInside,
    Pruned,
    PrunedLayer,
    QuantizedInside,
    Request,
    SavedFile,
    Timing,
    Variant,
    VariantResult,
)
from qdash.verdict.explanations import explain
from tests.support.scripted import comparison_of

PART = PartInside(part="language", counted=800, parameters=1000, stored={"uint8": 500_000}, computes_in=("bfloat16",))
FP4 = QuantizedInside(schemes={"bnb-fp4": 3}, counted=200, parameters=400, stored={"uint8": 200}, computes_in=("bfloat16",))


def report(**changes: Any) -> InspectorReport:
    """A 4-bit model with 1000 weights of which torch counts 800, 1600 bytes by the estimate."""
    known: dict[str, Any] = {
        "model": "m", "scheme": "bnb-fp4", "label": "FP4", "kind": "real", "dtype": "float16", "counted": 800, "parameters": 1000,
        "parts": (PART,), "quantized": FP4, "weights_bytes": 1400, "estimate_bytes": 1600, "footprint_bytes": 1300,
        "saved": (SavedFile(name="model.safetensors", size_bytes=1400), SavedFile(name="config.json", size_bytes=10**6)),
        "saved_as": {"float16": 1200, "uint8": 200}, "quantization_config": None,
    }  # fmt: skip
    return InspectorReport(**known | changes)


def timed(scheme: str, seconds: float, weights_bytes: int = 4000) -> VariantResult:
    """A result whose runs all took `seconds`."""
    timing = Timing.of([seconds] * 3)
    latency = Latency(load_s=1, preprocess_s=timing, ttft_s=timing, tpot_s=timing, total_s=timing, tokens_per_s=timing)
    memory = Memory(weights_bytes=weights_bytes, load_peak_bytes=0, peak_bytes=0, saved_bytes=0)
    return VariantResult(
        scheme=scheme, label=SCHEMES[scheme].label, kind=SCHEMES[scheme].kind, status="ok", model="m", latency=latency, memory=memory,
        coverage=Coverage(quantized=3, total=4),
    )  # fmt: skip


def measured(result: VariantResult, noise: float = 0.03) -> tuple[VariantResult, Comparison]:
    """The variant and a comparison of it with an original of 0.1 s."""
    request = Request(variants=tuple(Variant(model="m", scheme=key) for key in ("original", result.scheme)), prompt="")
    return result, comparison_of(request, timed("original", 0.1), result, noise=noise)


def test_only_weight_files_count_as_saved() -> None:
    assert report().saved_bytes == 1400


@pytest.mark.parametrize(
    ("seconds", "question", "said"),
    [
        (0.2, "Why is it slower?", "200 ms vs. 100 ms for Original, for an answer of the same length: it is 2.0× slower"),
        (0.05, "Why is it faster?", "2.0× faster"),
        (0.102, "Why is it slower?", "It is not"),
    ],
)
def test_times_that_were_measured(seconds: float, question: str, said: str) -> None:
    found = explain(report(), *measured(timed("bnb-fp4", seconds, 1400)))[3]
    assert found.question == question and said in found.answer and "unpack" in found.answer


def test_a_difference_within_the_noise_is_none() -> None:
    assert "It is not" in explain(report(), *measured(timed("bnb-fp4", 0.102), 0.04))[3].answer
    wide = explain(report(), *measured(timed("bnb-fp4", 0.12), 0.25))[3]
    assert "not compared" in wide.answer and "× slower" not in wide.answer


def test_the_baseline_and_simulated_times() -> None:
    assert "compared with" in explain(report(scheme="original", quantized=None), *measured(timed("original", 1)))[3].answer
    simulated = report(scheme="fp6-e2m3", kind="simulated", quantized=FP4.model_copy(update={"schemes": {"fp6-e2m3": 3}}))
    assert explain(simulated, *measured(timed("fp6-e2m3", 2)))[3].answer.startswith("Its time says nothing about the format")


def test_why_the_count_fell_or_did_not() -> None:
    assert "of the 400 weights in 3 quantized layers it counts 200".lower() in explain(report())[1].answer.lower()
    assert explain(report(counted=1000))[1].answer.startswith("It did not: torch counts 1,000")
    assert "counts scales as parameters" in explain(report(counted=1100))[1].answer
    packed = FP4.model_copy(update={"schemes": {"torch-int8dyn": 3}, "counted": 0})
    assert "packed layers do not count as parameters" in explain(report(scheme="torch-int8dyn", counted=600, quantized=packed))[1].answer


@pytest.mark.parametrize(("size", "words"), [(1400, "is the file smaller than"), (1610, "differ from"), (1700, "is the file larger than")])
def test_the_file_against_the_estimate(size: int, words: str) -> None:
    found = explain(report(saved=(SavedFile(name="model.safetensors", size_bytes=size),)))[2]
    assert words in found.question and "800 counted numbers at 2 bytes (float16)" in found.answer
    assert ("It does not." in found.answer) == (size == 1610)


def test_what_was_not_saved_says_why() -> None:
    assert "There is no file to compare: no disk." in explain(report(saved=None, saved_as=None, not_saved="no disk"))[2].answer


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES.values() if not scheme.is_baseline], ids=lambda scheme: scheme.key)
def test_every_scheme_has_words_for_its_work(scheme: Any) -> None:
    words = scheme.family.kernel_work(scheme, "float32")
    assert ("is simulated" in words) == (scheme.kind == "simulated")
    assert ("rounds each input" in words) == (scheme.kind == "real" and scheme.activation_bits == 8)


def test_sizes_that_read_alike_are_not_said_to_differ() -> None:
    """1.6% apart, and both “5.5 MiB”: what is said follows from the numbers that are shown."""
    exact, near = 5_814_000, 5_720_000
    found = report(
        weights_bytes=exact, footprint_bytes=near, estimate_bytes=exact, saved=(SavedFile(name="a.safetensors", size_bytes=near),)
    )
    answer = explain(found)[2]
    assert "get_memory_footprint" not in answer.answer and answer.question == "Why does the file differ from the estimate?"
    assert "get_memory_footprint() says 4.8 MiB because" in explain(found.model_copy(update={"footprint_bytes": 5_000_000}))[2].answer


@pytest.mark.parametrize(("scheme", "zero", "removed"), [("prune-rows-30", 30, 0), ("prune-neurons-30", 0, 30)])
def test_what_was_pruned_is_no_quantization(scheme: str, zero: int, removed: int) -> None:
    share = {"weights": 1030, "zero": zero, "removed": removed}
    sizes = {"dense_bytes": 1600, "left_bytes": 1400, "sparse_bytes": 1300 if zero else None}
    pruned = Pruned(**share, **sizes, parts=(), layers=(PrunedLayer(name="a", **share),))  # type: ignore[arg-type]
    inside = FP4.model_copy(update={"schemes": {scheme: 1}})
    found = report(
        scheme=scheme, kind=SCHEMES[scheme].kind, quantized=inside, counted=1000, coverage=Coverage(quantized=1, total=2, pruned=pruned),
        projected_bytes=1300 if zero else None,
    )  # fmt: skip
    dtype, count, file, _speed = (one.answer for one in explain(found))
    assert (
        dtype.startswith("Because nothing is quantized") and ("made zero" in dtype) == bool(zero) and ("cut out" in dtype) == bool(removed)
    )
    assert ("Because 30 of 1,030 were cut out" in count) == bool(removed) and ("as a sparse file" in file) == bool(zero)
