"""Pruning in steps: the share grows to what was asked for, zeros stay zero while the others learn, and what is kept is what runs."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers.pytorch_utils import Conv1D

from qdash.catalog.healed_files import WEIGHTS
from qdash.catalog.schemes import find_scheme
from qdash.engine.compress import qat
from qdash.engine.compress.passages import encode, said_logits
from qdash.engine.compress.pruning_in_steps import STEPS, PrunedInSteps, percent_after, step_at
from qdash.engine.layers import quantized_layers, rows
from qdash.engine.schemes import row_dequantizer_of
from qdash.engine.worker import Worker
from qdash.records import HealJob, candidates
from tests.engine.compress.test_qat import PASSAGES
from tests.engine.conftest import ignore, never, spec_of

KEY = "prune-iterative-80"


def test_each_step_takes_the_same_share_of_what_is_left() -> None:
    assert [percent_after(80, step) for step in range(1, STEPS + 1)] == [28, 47, 62, 72, 80]
    assert all(percent_after(percent, STEPS) == percent for percent in range(1, 100))
    assert [step_at(spent) for spent in (0.0, 0.1, 0.125, 0.3, 0.49, 0.5, 1.0)] == [1, 1, 2, 3, 4, 5, 5]


@pytest.mark.parametrize("make", [lambda: nn.Linear(32, 8), lambda: Conv1D(8, 32)], ids=["Linear", "Conv1D"])
def test_zeros_stay_zero_while_the_others_learn(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    layers, pruned = {"one": make(), "other": make()}, PrunedInSteps(80)
    before = {name: _weight(layer).detach().clone() for name, layer in layers.items()}
    with pruned.on(layers) as weights:
        pruned.tighten(1.0)
        every = torch.cat([tensor.abs().flatten() for tensor in before.values()])
        threshold = every.sort().values[512 * 80 // 100]
        assert all(torch.equal(pruned.kept(name, tensor) != 0, tensor.abs() >= threshold) for name, tensor in before.items())
        pruned.loosen()
        assert pruned.zeros == 0 and all(torch.equal(_weight(layer), before[name]) for name, layer in layers.items())
        optimizer = torch.optim.AdamW(weights.values(), lr=0.1)
        zero = {name: torch.zeros_like(tensor, dtype=torch.bool) for name, tensor in before.items()}
        for step, spent in enumerate((0.0, 0.2, 0.3, 0.4, 0.5), start=1):
            pruned.tighten(spent)
            assert pruned.zeros == pytest.approx(percent_after(80, step) / 100, abs=1 / 512)
            sum(layer(torch.randn(4, 32)).square().sum() for layer in layers.values()).backward()  # type: ignore[union-attr]
            for name, layer in layers.items():
                now = _weight(layer) == 0
                assert not (zero[name] & ~now).any() and not weights[name].grad[now].any()  # type: ignore[index]
                zero[name] = now
            optimizer.step()
            optimizer.zero_grad()
        pruned.tighten(0.2)  # as with more minutes than before
        assert pruned.zeros == pytest.approx(0.8, abs=1 / 512)
    assert all(isinstance(layer.weight, nn.Parameter) for layer in layers.values())


def test_a_model_is_pruned_and_brought_back(own_worker: Callable[[str], Worker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins with what pruning at once makes of it, and ends nearer to the original with as many zeros."""
    ticks = itertools.count()
    monkeypatch.setattr(qat, "perf_counter", lambda: next(ticks) * 0.01)
    worker = own_worker("qwen3")
    job = HealJob(
        scheme=KEY, passages=PASSAGES[2:], held_out=PASSAGES[:2], digest="these", seconds=2.0, folder=str(tmp_path)
    )  # fmt: skip
    healed = worker.heal(job, emit=ignore, stop=never)
    teacher = worker._loaded(ignore, never)
    assert healed.points[0].held_out_kl == pytest.approx(_divergence(teacher, _loaded(worker, "prune-global-80")), rel=1e-4)
    whole = candidates(healed.points)
    assert [point.zeros for point in whole] == [pytest.approx(0.8, abs=1e-4)] * len(whole) and len(whole) < len(healed.points)
    best = min(point.held_out_kl for point in whole)
    assert best < 0.8 * whole[0].held_out_kl
    kept = load_file(tmp_path / WEIGHTS)
    number, zeros = sum(tensor.numel() for tensor in kept.values()), sum(int((tensor == 0).sum()) for tensor in kept.values())
    assert zeros == number * 80 // 100
    (version := tmp_path / f"{KEY}-0123").mkdir()
    (tmp_path / WEIGHTS).rename(version / WEIGHTS)
    variant = _loaded(worker, KEY, str(version))
    assert _divergence(teacher, variant) == pytest.approx(best, rel=1e-4)
    assert variant.loaded.coverage.pruned.zero == zeros
    spec = spec_of(Path(worker.spec.folder), KEY, healed=(str(version),))
    for name, layer in quantized_layers(variant.model).items():
        restored = row_dequantizer_of(find_scheme(KEY), spec, name, rows(teacher.model.get_submodule(name)))
        assert restored is not None and torch.equal(restored(rows(layer)[:32], 0), rows(layer)[:32])
    namespace: dict[str, Any] = {}
    exec(variant.loaded.snippet, namespace)
    assert all(torch.equal(tensor, variant.model.state_dict()[name]) for name, tensor in namespace["model"].state_dict().items())


def _weight(layer: nn.Module) -> torch.Tensor:
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    return weight


def _loaded(worker: Worker, scheme: str, *healed: str) -> Any:
    variant = Worker(spec_of(Path(worker.spec.folder), scheme, healed=healed))
    variant.load(emit=ignore, stop=never)
    return variant._loaded(ignore, never)


@torch.no_grad()
def _divergence(teacher: Any, student: Any) -> float:
    batch = [encode(passage, teacher.processor, teacher.model) for passage in PASSAGES[:2]]
    expected, found = (said_logits(each.model, batch).log_softmax(-1) for each in (teacher, student))
    return float(nn.functional.kl_div(found, expected, reduction="none", log_target=True).sum(-1).double().mean())
