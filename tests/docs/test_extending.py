"""The scheme of the third walk in docs/extending.md is made as printed, and goes all the way; the other walks have files of their own."""

import pytest
import torch

from qdash import checkpoints
from qdash.catalog.schemes import SCHEMES, find_scheme
from qdash.engine.worker import Worker
from qdash.records import Question
from qdash.ui.controls.scheme_picker import picker_html, this_machine
from tests.docs.walks import python_blocks
from tests.engine.conftest import ignore, never, spec_of


@pytest.fixture
def example():
    """The key that the example adds; the table is put back afterwards."""
    before = dict(SCHEMES)
    (code,) = python_blocks("A scheme of a known family")
    exec(code, {})
    (key,) = SCHEMES.keys() - before.keys()
    yield key
    SCHEMES.pop(key)
    assert before == SCHEMES


def test_the_example_is_a_scheme_like_any_other(example, checkpoint, png):
    folder = checkpoint("llava")
    worker = Worker(spec_of(folder, example))
    loaded = worker.load(emit=ignore, stop=never)
    assert loaded.coverage.quantized == loaded.coverage.total - 1
    assert worker.answer(Question(prompt="What is it?", png=png), 3, emit=ignore, stop=never).new_tokens == 3
    estimate = checkpoints.projected_bytes(checkpoints.locate(str(folder)), find_scheme(example), "float32")
    assert loaded.projected_bytes == pytest.approx(estimate, rel=0.1)
    scope: dict = {}
    exec(loaded.snippet, scope)
    theirs = dict(scope["model"].named_parameters())
    assert worker.held is not None
    assert all(torch.equal(parameter, theirs[name]) for name, parameter in worker.held.model.named_parameters())


def test_its_weights_are_those_of_its_format(example, checkpoint):
    worker = Worker(spec_of(checkpoint("qwen3"), None))
    report = worker.measure_weight_error([example, "fp6-e2m3"], emit=ignore, stop=never)
    ours, theirs = (scheme.sqnr_db for scheme in report.schemes)
    assert ours is not None and ours == theirs


def test_the_page_and_recipes_pick_it_up(example):
    assert f'value="{example}"' in picker_html(this_machine())
    assert (find_scheme(f"mlp={example}").bits, find_scheme(example).activation_bits) == (6, 8)
