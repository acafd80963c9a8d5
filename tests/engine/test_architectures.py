"""Every architecture through the whole path: load, answer, time."""

import pytest
import torch
from PIL import Image

from qdash.engine.prompting import build_inputs
from qdash.records import Measurement, Step, TextSoFar
from tests.engine.conftest import DYNAMIC, TEXT, VISION, linear_skips, never

LINEAR_LAYERS = {"llava": 29, "fastvlm": 19, "smolvlm": 28, "qwen3-vl": 27, "qwen3": 15, "bloom": 9}


@pytest.mark.parametrize("scheme", ["original", "bnb-int8", "bnb-nf4", "ao-int8dyn", "ao-int8static", "ao-int4wo", DYNAMIC, "fp6-e2m3"])
@pytest.mark.parametrize("architecture", [*VISION, *TEXT])
def test_load_answer_and_time(worker, question, architecture, scheme):
    subject, events = worker(architecture, scheme), []
    loaded = subject.load(emit=events.append, stop=never)
    assert events == []  # loaded already
    assert loaded.coverage.total == LINEAR_LAYERS[architecture]
    if scheme == "original":
        assert (loaded.coverage.quantized, loaded.coverage.skipped) == (0, ())
    else:
        assert loaded.coverage.quantized == loaded.coverage.total - 1
        left = linear_skips(loaded.coverage)
        assert [(name, reason.split(":")[0]) for name, reason in left.items()] == [("lm_head", "output head")]
        assert any(skip.reason.startswith("embedding") for skip in loaded.coverage.skipped)

    answer = subject.answer(question(architecture), 5, emit=events.append, stop=never)
    assert answer.new_tokens == 5 and not answer.complete
    assert isinstance(events[-1], TextSoFar)

    events.clear()
    measurement = Measurement(warmup=2, max_new_tokens=3)
    watched = subject.warm_up(question(architecture), measurement, emit=events.append, stop=never)
    assert [event.detail for event in events if isinstance(event, Step)] == ["run 1 of 2", "run 2 of 2"]
    assert watched.peak_bytes > 0
    assert subject.time(question(architecture), 3, emit=events.append, stop=never).total_s > 0


@pytest.mark.parametrize("architecture", VISION)
def test_vision_models_answer_without_a_picture(worker, question, architecture):
    text_only = question(architecture).model_copy(update={"png": None})
    assert worker(architecture, "original").answer(text_only, 3, emit=lambda event: None, stop=never).new_tokens == 3


@pytest.mark.parametrize("scheme", ["original", "bnb-nf4", "ao-int4wo"])
@pytest.mark.parametrize("architecture", VISION)
def test_what_the_model_computes_depends_on_the_picture(worker, architecture, scheme):
    subject = worker(architecture, scheme)
    pictures = [Image.new("RGB", (100, 80), colour) for colour in ("white", "red")]
    with torch.no_grad():
        white, red = (
            subject.held.model(**build_inputs(subject.held.processor, "What is it?", picture, subject.held.model)).logits[0, -1]
            for picture in pictures
        )
    assert (white - red).abs().max() > 0.01
