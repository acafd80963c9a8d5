"""Timed runs: exact counts, fields that add up, and nothing measured that should not be."""

from time import perf_counter, sleep

import pytest

from qdash.engine import timing
from qdash.engine.generation import Watch, generate
from qdash.engine.prompting import build_inputs, read_image
from qdash.errors import QdashError
from qdash.records import Measurement
from tests.engine.conftest import ignore, never


@pytest.mark.parametrize("n", [2, 7])
def test_exactly_n_tokens_and_fields_that_add_up(worker, question, n):
    subject, asked = worker("llava", "original"), question("llava")
    began = perf_counter()
    run = timing.timed_run(subject.held.model, subject.held.processor, asked.prompt, read_image(asked), n, never)
    took = perf_counter() - began
    assert run.tokens == n
    assert 0 < run.preprocess_s < run.ttft_s < run.total_s < took
    assert run.tpot_s == pytest.approx((run.total_s - run.ttft_s) / (n - 1))


def test_timed_summarises_its_runs(worker, question):
    measurement = Measurement(runs=3, warmup=2, max_new_tokens=4)
    steps = []
    timed = worker("qwen3", "original").time(question("qwen3"), measurement, emit=steps.append, stop=never)
    assert [step.fraction for step in steps] == [0, 0.2, 0.4, 0.6, 0.8]
    for ttft, tpot, total, rate in zip(timed.ttft_s.runs, timed.tpot_s.runs, timed.total_s.runs, timed.tokens_per_s.runs, strict=True):
        assert total == pytest.approx(ttft + 3 * tpot)
        assert rate == pytest.approx(1 / tpot)
    assert timed.peak_bytes > 0 and timed.reserved_bytes is None and timed.process_bytes is None


def test_memory_is_watched_in_a_run_that_is_not_timed(worker, question, monkeypatch):
    order = []
    monkeypatch.setattr(timing.PeakMemory, "__enter__", lambda self: order.append("watch"))
    monkeypatch.setattr(timing.PeakMemory, "__exit__", lambda self, *_: order.append("over"))
    real = timing.timed_run
    monkeypatch.setattr(timing, "timed_run", lambda *arguments: order.append("run") or real(*arguments))
    for warmup, expected in ((2, "watch run over run run run"), (0, "run run watch run over")):
        order.clear()
        measurement = Measurement(runs=2, warmup=warmup, max_new_tokens=2)
        worker("qwen3", "original").time(question("qwen3"), measurement, emit=ignore, stop=never)
        assert " ".join(order) == expected


def test_preprocessing_and_prompt_count_towards_the_first_token(worker, question, monkeypatch):
    real = timing.build_inputs
    monkeypatch.setattr(timing, "build_inputs", lambda *arguments: (sleep(0.2), real(*arguments))[1])
    subject = worker("qwen3", "original")
    run = timing.timed_run(subject.held.model, subject.held.processor, "hi", None, 3, never)
    assert 0.2 <= run.preprocess_s <= run.ttft_s
    assert run.tpot_s < 0.2


def test_end_of_sequence_does_not_end_a_timed_run(worker, question):
    """Every token an end token: generate would stop at once."""
    subject, asked = worker("bloom", "original"), question("bloom")
    config = subject.held.model.generation_config
    before = config.eos_token_id
    inputs = build_inputs(subject.held.processor, asked.prompt, None, subject.held.model)
    first = generate(subject.held.model, inputs, Watch(subject.held.model, never), max_new_tokens=1)
    config.eos_token_id = first
    try:
        assert timing.timed_run(subject.held.model, subject.held.processor, asked.prompt, None, 6, never).tokens == 6
    finally:
        config.eos_token_id = before


def test_stop_during_timing(worker, question):
    with pytest.raises(QdashError) as caught:
        worker("llava", "original").time(question("llava"), Measurement(), emit=ignore, stop=lambda: True)
    assert caught.value.kind == "cancelled"
