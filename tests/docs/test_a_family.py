"""The family of docs/extending.md, in modules made for the test: everything that names schemes picks it up."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from qdash import settings as qdash_settings
from qdash.catalog.needs import Need
from qdash.catalog.schemes import SCHEMES, find_scheme, libraries
from qdash.cli import main
from qdash.engine.worker import Worker
from qdash.machine import this_machine
from qdash.records import InspectorReport
from qdash.ui.controls.scheme_picker import picker_html
from qdash.verdict.reasons import why_slower
from tests.docs.walks import python_blocks
from tests.engine.conftest import ignore, never, spec_of
from tests.verdict.examples import scored
from tests.verdict.test_one_pace import slower_than

WORK = "“Signs” multiplies in float32; only its numbers are those of one bit."


def run_as_module(code: str) -> str:
    """The name of the module that `code` says it is."""
    path, _, body = code.removeprefix("# ").partition("\n")
    name = path.removesuffix(".py").replace("/", ".")
    sys.modules[name] = ModuleType(name)
    exec(body, sys.modules[name].__dict__)
    return name


@pytest.fixture
def signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The key of the scheme; the table is put back afterwards."""
    before = dict(SCHEMES)
    monkeypatch.setenv("QDASH_EXECUTION", "inline")  # the modules are in this process alone
    monkeypatch.setenv("QDASH_CACHE_DIR", str(tmp_path / "cache"))
    qdash_settings.settings.cache_clear()
    said, done, row = python_blocks("A family")
    names = [run_as_module(said), run_as_module(done)]
    exec(row, {})
    yield "signs"
    for name in names:
        del sys.modules[name]
    SCHEMES.clear()
    SCHEMES.update(before)
    monkeypatch.undo()
    qdash_settings.settings.cache_clear()


def test_the_page_lists_it_under_its_own_heading(signs: str) -> None:
    html = picker_html(this_machine())
    heading = html.index('<p class="group-name">Signs</p>')
    assert 'value="signs"' in html[heading:] and '<p class="group-name">' not in html[heading + 1 :]
    assert f'<option value="{signs}">Signs</option>' in html and find_scheme("mlp=signs").bits == 1


def test_the_list_says_what_is_missing(signs: str, capsys: pytest.CaptureFixture[str]) -> None:
    needs = (Need("Install it: pip install signs-kernels", package="signs-kernels"),)
    SCHEMES["signs-fast"] = replace(SCHEMES[signs], key="signs-fast", label="Fast signs", kind="real", more_needs=needs)
    assert main(["schemes", "--json"]) == 0
    found = {scheme["scheme"]: scheme for scheme in json.loads(capsys.readouterr().out)}
    assert found["signs"]["available"] and found["signs"]["bits"] == 1
    assert found["signs-fast"]["reason"] == "Fast signs needs signs-kernels, which is not installed here."
    assert "signs-kernels" in libraries()


def test_its_weights_are_measured(signs: str, checkpoint, tmp_path: Path) -> None:
    folder = checkpoint("qwen3")
    assert main(["weights", "--model", str(folder), "--schemes", signs, "--json", str(tmp_path / "w.json")]) == 0
    layer = json.loads((tmp_path / "w.json").read_text())["schemes"][0]["layers"][0]
    weight = load_file(folder / "model.safetensors")[f"{layer['name']}.weight"].double().numpy()
    restored = np.where(weight < 0, -1.0, 1.0) * np.abs(weight).mean(axis=1, keepdims=True)
    assert layer["sqnr_db"] == pytest.approx(10 * np.log10((weight**2).sum() / ((weight - restored) ** 2).sum()), rel=1e-4)


def test_single_weights_have_its_codes(signs: str, checkpoint) -> None:
    worker = Worker(spec_of(checkpoint("qwen3"), None))
    detail = worker.measure_layer(signs, "model.layers.0.mlp.up_proj", 3, 0, emit=ignore, stop=never)
    assert (detail.shares, detail.codes, detail.first) == ("row", (-1.0, 1.0), 0)


def test_it_is_opened_up_and_explained(signs: str, checkpoint, tmp_path: Path) -> None:
    file = tmp_path / "i.json"
    assert main(["inspect", "--model", str(checkpoint("qwen3")), "--scheme", signs, "--device", "cpu", "--json", str(file)]) == 0
    report = InspectorReport.model_validate_json(file.read_text())
    assert report.quantized is not None and report.quantized.schemes[signs] == 14
    assert WORK in report.explanations[-1].answer


def test_the_card_uses_its_words(signs: str) -> None:
    result = scored("bnb-nf4", slowdown=2.0).model_copy(update={"scheme": signs, "label": "Signs"})
    found = slower_than("float32", result)
    expected = "Slower: the model is so small that nothing but multiplying costs more than it saves."
    assert why_slower(found.variants[1], found) == expected


def test_the_code_it_prints_makes_the_same_model(signs: str, checkpoint) -> None:
    worker = Worker(spec_of(checkpoint("qwen3"), signs))
    loaded = worker.load(emit=ignore, stop=never)
    scope: dict = {}
    exec(loaded.snippet, scope)
    theirs = dict(scope["model"].named_parameters())
    assert worker.held is not None
    assert all(torch.equal(parameter, theirs[name]) for name, parameter in worker.held.model.named_parameters())
