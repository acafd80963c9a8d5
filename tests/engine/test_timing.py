"""Timed runs: exact counts, fields that add up, and nothing measured that should not be."""

import subprocess
import sys
from pathlib import Path
from time import perf_counter, sleep

import pytest

from qdash.engine import timing
from qdash.engine.generation import Watch, generate
from qdash.engine.prompting import build_inputs, read_image
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.records import Measurement, Question
from tests.engine.conftest import ignore, never, spec_of

ROOT = Path(__file__).parents[2]
BUNDLED = ROOT / "qdash" / "assets" / "models" / "tiny-lm"


@pytest.mark.parametrize("n", [2, 7])
def test_exactly_n_tokens_and_fields_that_add_up(worker, question, n):
    subject, asked = worker("llava", "original"), question("llava")
    began = perf_counter()
    run = timing.timed_run(subject.held.model, subject.held.processor, asked.prompt, read_image(asked), n, never)
    took = perf_counter() - began
    assert run.tokens == n
    assert 0 < run.preprocess_s < run.ttft_s < run.total_s < took
    assert run.tpot_s == pytest.approx((run.total_s - run.ttft_s) / (n - 1))


def test_a_worker_warms_up_once_for_a_question_and_a_length(own_worker, question):
    subject, asked, steps = own_worker("qwen3"), question("qwen3"), []
    measurement = Measurement(warmup=2, max_new_tokens=4)
    watched = subject.warm_up(asked, measurement, emit=steps.append, stop=never)
    assert [step.fraction for step in steps] == [0, 0.5]
    assert watched.peak_bytes > 0 and watched.reserved_bytes is None and watched.process_bytes is None
    steps.clear()
    assert subject.warm_up(asked, measurement.model_copy(update={"runs": 9}), emit=steps.append, stop=never) == watched and not steps
    subject.warm_up(asked, measurement.model_copy(update={"max_new_tokens": 5}), emit=steps.append, stop=never)
    subject.warm_up(asked.model_copy(update={"prompt": "hi"}), measurement, emit=steps.append, stop=never)
    assert len(steps) == 4


def test_several_models_in_one_process_have_peaks_of_their_own():
    """Where workers run inline, what the others hold does not count, whichever came first. In a process without other tests' models."""
    script = "from tests.engine.test_timing import peaks_of_three; peaks_of_three()"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def peaks_of_three() -> None:
    first, second, third = (Worker(spec_of(BUNDLED, "original", revision=str(number))) for number in range(3))
    weights_bytes = first.load(emit=ignore, stop=never).weights_bytes
    for other in (second, third):
        other.load(emit=ignore, stop=never)
    second.release()
    for subject in (first, third):
        watched = subject.warm_up(Question(prompt="Once upon a time"), Measurement(max_new_tokens=4), emit=ignore, stop=never)
        assert weights_bytes * 0.8 < watched.peak_bytes < weights_bytes * 1.8


def test_a_timed_run_keeps_its_memory_and_the_next_call_gives_it_back(own_worker, question, monkeypatch):
    subject, trims = own_worker("qwen3"), []
    monkeypatch.setattr("qdash.engine.worker.trim", lambda device: trims.append(device))
    for _ in range(3):
        subject.time(question("qwen3"), 3, emit=ignore, stop=never)
    assert not trims
    subject.answer(question("qwen3"), 2, emit=ignore, stop=never)
    assert len(trims) == 2  # before and after


def test_memory_is_watched_in_the_first_run_of_the_warm_up(own_worker, question, monkeypatch):
    subject, order = own_worker("qwen3"), []
    monkeypatch.setattr(timing.PeakMemory, "__enter__", lambda self: order.append("watch"))
    monkeypatch.setattr(timing.PeakMemory, "__exit__", lambda self, *_: order.append("over"))
    real = timing.timed_run
    monkeypatch.setattr(timing, "timed_run", lambda *arguments: order.append("run") or real(*arguments))
    for warmup, expected in ((2, "watch run over run"), (1, "watch run over"), (0, "watch run over")):
        order.clear()
        subject.warm_up(question("qwen3"), Measurement(warmup=warmup, max_new_tokens=2), emit=ignore, stop=never)
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
        worker("llava", "original").time(question("llava"), 50, emit=ignore, stop=lambda: True)
    assert caught.value.kind == "cancelled"
