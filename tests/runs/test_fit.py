"""Whether a model fits: the estimate of a request, and a real run beside it."""

from contextlib import closing

import pytest

from qdash import checkpoints, execution
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.records import FitReport, Request
from qdash.runs.fit import estimate_fit, lengths, measure_fit, usable_bytes
from qdash.runs.plan import variants_of
from qdash.settings import Settings


def asked(model: str, *schemes: str) -> Request:
    return Request(variants=variants_of(model, schemes), prompt="", device="cpu")


def test_the_parts_of_every_scheme() -> None:
    report = estimate_fit(asked("random:qwen3-4b", "bnb-nf4", "fp6-e2m3"), 8192, 1, wait_s=0)
    original, nf4, simulated = report.schemes
    assert report.dtype == "float32" and report.card_dtype == "bfloat16"
    assert original.on_card.weights_bytes == pytest.approx(2 * 4_022_468_096, rel=0.01)
    assert original.on_card.cache_bytes == 8192 * 36 * 2 * 8 * 128 * 2 and original.here.cache_bytes == 2 * original.on_card.cache_bytes
    assert nf4.on_card.total_bytes < original.on_card.total_bytes and simulated.here == original.here
    assert original.cards == (12, 16, 24, 48, 80) and nf4.cards == (8, 12, 16, 24, 48, 80)
    assert FitReport.model_validate_json(report.model_dump_json()) == report


def test_a_card_keeps_some_of_its_memory() -> None:
    assert usable_bytes(24) == int(24 * 2**30 * 0.95) - 600 * 2**20


def test_conversations_multiply_the_cache_not_the_weights() -> None:
    one, four = (estimate_fit(asked("tiny-lm", "original"), 1024, count, wait_s=0).schemes[0].here for count in (1, 4))
    assert four.cache_bytes == 4 * one.cache_bytes and four.weights_bytes == one.weights_bytes


def test_a_cache_in_few_bits_is_smaller_where_it_is_stored_so(monkeypatch: pytest.MonkeyPatch) -> None:
    request = asked("random:qwen3-4b", "original", "kv=int4")
    original, simulated = (scheme.here for scheme in estimate_fit(request, 8192, 1, wait_s=0).schemes)
    assert simulated.cache_bytes == original.cache_bytes
    monkeypatch.setattr("qdash.catalog.caches._is_installed", lambda package: True)
    stored = estimate_fit(request, 8192, 1, wait_s=0).schemes[1].here
    # 4 bits, and a scale and a zero point of 32 bits for 64 numbers, in place of 32.
    assert stored.cache_bytes == original.cache_bytes * 5 / 32 and stored.weights_bytes == original.weights_bytes


def test_the_usual_context_is_no_longer_than_the_models_own() -> None:
    short, long = (estimate_fit(asked(model, "original"), None, 1, wait_s=0) for model in ("tiny-lm", "random:qwen3-4b"))
    assert (short.context, short.longest_context, short.context_chosen) == (2048, 2048, False)
    assert (long.context, long.longest_context, long.context_chosen) == (8192, 40960, False)
    assert estimate_fit(asked("tiny-lm", "original"), 2048, 1, wait_s=0).context_chosen


@pytest.mark.parametrize(("context", "conversations"), [(2, 1), (2**23, 1), (512, 0), (512, 5000)])
def test_what_cannot_be_estimated(context: int, conversations: int) -> None:
    with pytest.raises(QdashError, match="cannot be estimated"):
        estimate_fit(asked("tiny-lm", "original"), context, conversations, wait_s=0)


def test_three_lengths() -> None:
    assert lengths(8192) == (512, 4096, 8192) and lengths(8) == (8,)


def test_a_measured_peak_is_near() -> None:
    """The bundled model at its whole context; its checkpoint is on disk."""
    assert checkpoints.locate("tiny-lm").folder is not None
    # In a process of its own: in this one, memory that other tests have freed would be used again.
    with closing(execution.create(Settings(execution="process"))) as executor:
        report = result_of(measure_fit(asked("tiny-lm", "original"), 2048, 1, executor))
        with pytest.raises(QdashError, match=r"made for a context of 2,048 tokens; 4,096 cannot be measured"):
            result_of(measure_fit(asked("tiny-lm", "original"), 4096, 1, executor))
    measured = report.measured
    assert [entry.context for entry in measured] == [128, 1024, 2048]
    # Of so small a model; benchmarks/fit.py asks for 10 % of larger ones.
    assert measured[-1].error == pytest.approx(0, abs=0.3)
