"""The scheme of the first walk in docs/extending.md is made as printed, and goes all the way; the second walk is in test_a_family.py."""

import re
from pathlib import Path

import pytest
import torch

from qdash import checkpoints
from qdash.catalog.formats import FORMATS
from qdash.catalog.schemes import SCHEMES, find_scheme
from qdash.engine.worker import Worker
from qdash.records import Question
from qdash.ui.controls.scheme_picker import picker_html, this_machine
from tests.engine.conftest import ignore, never, spec_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "extending.md"


@pytest.fixture
def example():
    """The key that the example adds; the tables are put back afterwards."""
    before = dict(FORMATS), dict(SCHEMES)
    code, *_ = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert code.count("\n") <= 20
    exec(code, {})
    (key,) = SCHEMES.keys() - before[1].keys()
    yield key
    for table, old in zip((FORMATS, SCHEMES), before, strict=True):
        table.pop(key)
        assert table == old


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


def test_its_error_lies_between_its_neighbours(example, checkpoint):
    worker = Worker(spec_of(checkpoint("qwen3"), None))
    report = worker.measure_weight_error(["fp4-e2m1", example, "fp6-e2m3"], emit=ignore, stop=never)
    four, five, six = (scheme.sqnr_db for scheme in report.schemes)
    assert four is not None and five is not None and six is not None and four < five < six


def test_the_page_and_recipes_pick_it_up(example):
    assert f'value="{example}"' in picker_html(this_machine())
    assert find_scheme(f"mlp={example}").bits == 5
