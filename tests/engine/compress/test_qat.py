"""Training with rounded weights: gradients pass, the divergence falls, and what is kept is what was scored."""

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
from qdash.catalog.schemes import SCHEMES
from qdash.engine.compress import qat
from qdash.engine.compress.fake_quantization import fake_quantized
from qdash.engine.compress.passages import Batches, encode, said_logits
from qdash.engine.formats import round_trip
from qdash.engine.layers import convertible_layers
from qdash.engine.schemes import row_dequantizer_of
from qdash.engine.worker import Worker
from qdash.errors import CHOOSE_ANOTHER, QdashError
from qdash.records import Healed, Healing, HealJob, Passage, Question, Step
from tests.engine.conftest import ignore, never, spec_of

TEXTS = [f"A {colour} {shape} on a white background." for colour in ("black", "red", "white") for shape in ("square", "circle", "picture")]
PASSAGES = tuple(Passage(question=Question(prompt="", plain=True), answer=text) for text in TEXTS)
TICK_S = 0.01


@pytest.fixture
def slow_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes by being looked at, so that a busy machine trains as long as any other."""
    ticks = itertools.count()
    monkeypatch.setattr(qat, "perf_counter", lambda: next(ticks) * TICK_S)


def job(folder: Path, seconds: float, digest: str = "these", passages: tuple[Passage, ...] = PASSAGES) -> HealJob:
    return HealJob(
        scheme="qat-int2", passages=passages[2:], held_out=passages[:2], digest=digest, seconds=seconds, folder=str(folder), seed=0
    )  # fmt: skip


def trained(worker: Worker, wanted: HealJob, stop: Callable[[], bool] = never) -> tuple[Healed, list[Healing]]:
    seen: list[Any] = []
    healed = worker.heal(wanted, emit=seen.append, stop=stop)
    return healed, [event for event in seen if isinstance(event, Healing)]


@pytest.mark.parametrize("layer", [nn.Linear(128, 8), Conv1D(8, 128)], ids=["Linear", "Conv1D"])
def test_rounded_forwards_and_straight_through_backwards(layer: nn.Module) -> None:
    weight = layer.weight
    assert isinstance(weight, nn.Parameter)
    before, inputs = weight.detach().clone(), torch.randn(3, 128)
    by_row = isinstance(layer, nn.Linear)
    rounded = round_trip(before if by_row else before.T, "int2-g64")
    with fake_quantized({"layer": layer}, "int2-g64") as weights:
        out = layer(inputs)
        torch.testing.assert_close(out - layer.bias, inputs @ rounded.T)
        out.sum().backward()
        straight = inputs.sum(0).expand(8, -1)
        torch.testing.assert_close(weights["layer"].grad, straight if by_row else straight.T)
    assert torch.equal(weight, before) and layer.weight is weight


def test_training_brings_a_model_back(own_worker: Callable[[str], Worker], tmp_path: Path, slow_clock: None) -> None:
    worker = own_worker("qwen3")
    before = {name: tensor.clone() for name, tensor in worker._loaded(ignore, never).model.state_dict().items()}
    healed, events = trained(worker, job(tmp_path, 2.0))
    first, *_, last = healed.points
    assert first.steps == 0 and first.train_kl is None and last.steps > 20
    train_kl = [point.train_kl for point in healed.points if point.train_kl is not None]
    assert last.held_out_kl < 0.7 * first.held_out_kl and train_kl[-1] < 0.7 * train_kl[0]
    assert events[-1].points == healed.points and events[-1].fraction == 1.0
    after = worker._loaded(ignore, never).model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items()), "the teacher stays as it is"


def test_what_is_kept_is_what_was_scored(own_worker: Callable[[str], Worker], tmp_path: Path, slow_clock: None) -> None:
    """The variant that loads the kept weights has the divergence of the best point."""
    worker = own_worker("qwen3")
    healed, _ = trained(worker, job(tmp_path, 1.0))
    (version := tmp_path / "qat-int2-0123").mkdir()
    (tmp_path / WEIGHTS).rename(version / WEIGHTS)
    spec = spec_of(Path(worker.spec.folder), "qat-int2", healed=(str(version),))
    variant = Worker(spec)
    variant.load(emit=ignore, stop=never)
    teacher, student = (each._loaded(ignore, never) for each in (worker, variant))
    batch = [encode(passage, teacher.processor, teacher.model) for passage in PASSAGES[:2]]
    with torch.no_grad():
        expected, found = (said_logits(each.model, batch).log_softmax(-1) for each in (teacher, student))
    divergence = nn.functional.kl_div(found, expected, reduction="none", log_target=True).sum(-1).double().mean()
    assert float(divergence) == pytest.approx(min(point.held_out_kl for point in healed.points), rel=1e-5)
    for name, layer in convertible_layers(teacher.model).items():
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        restored = row_dequantizer_of(SCHEMES["qat-int2"], spec, name, weight)
        held = student.model.get_submodule(name).weight
        assert restored is not None and isinstance(held, torch.Tensor) and torch.equal(restored(weight[:32], 0), held[:32])
    namespace: dict[str, Any] = {}
    exec(student.loaded.snippet, namespace)
    assert all(torch.equal(tensor, student.model.state_dict()[name]) for name, tensor in namespace["model"].state_dict().items())


def test_a_stop_leaves_the_best_so_far(own_worker: Callable[[str], Worker], tmp_path: Path, slow_clock: None) -> None:
    worker, seen = own_worker("qwen3"), []
    with pytest.raises(QdashError) as stopped:
        worker.heal(job(tmp_path, 4.0), emit=seen.append, stop=lambda: bool(seen) and len(seen[-1].points) > 2)
    assert stopped.value.kind == "cancelled"
    points = seen[-1].points
    assert points[-1].held_out_kl < points[0].held_out_kl
    assert set(load_file(tmp_path / WEIGHTS)) == set(convertible_layers(worker._loaded(ignore, never).model))


def test_training_goes_on(own_worker: Callable[[str], Worker], tmp_path: Path, slow_clock: None) -> None:
    """With more time from where it was; with other passages from the beginning; with no time left not at all."""
    worker = own_worker("qwen3")
    first, _ = trained(worker, job(tmp_path, 0.5))
    again, _ = trained(worker, job(tmp_path, 0.5))
    assert again.points == first.points
    longer, _ = trained(worker, job(tmp_path, 1.0))
    assert longer.points[: len(first.points)] == first.points and longer.points[len(first.points)].steps > first.points[-1].steps
    assert longer.points[len(first.points)].held_out_kl < first.points[0].held_out_kl
    other, _ = trained(worker, job(tmp_path, 0.5, digest="others"))
    assert other.points[0].steps == 0 and other.points[1].seconds <= 0.6


def test_pictures_are_looked_at(own_worker: Callable[[str], Worker], tmp_path: Path, slow_clock: None, png: bytes) -> None:
    worker = own_worker("llava")
    asked = [Passage(question=Question(prompt="What is it?" * count, png=png), answer="A black square.") for count in (1, 2, 3)]
    healed, _ = trained(worker, job(tmp_path, 1.0, passages=(*asked, *asked)))
    assert healed.points[-1].held_out_kl < healed.points[0].held_out_kl and healed.batch > 1


def test_side_by_side_is_as_alone(own_worker: Callable[[str], Worker]) -> None:
    held = own_worker("qwen3")._loaded(ignore, never)
    pair = [encode(passage, held.processor, held.model) for passage in (PASSAGES[0], PASSAGES[-1])]
    with torch.no_grad():
        torch.testing.assert_close(said_logits(held.model, pair), torch.cat([said_logits(held.model, [item]) for item in pair]))
        whole = held.model(**pair[0].inputs).logits[0, :-1]
    torch.testing.assert_close(said_logits(held.model, pair[:1]), whole)


def test_the_end_is_said_where_a_passage_ends(own_worker: Callable[[str], Worker]) -> None:
    held = own_worker("qwen3")._loaded(ignore, never)
    ends, goes_on = (
        encode(PASSAGES[0].model_copy(update={"ends": ends}), held.processor, held.model).inputs["input_ids"][0].tolist()
        for ends in (True, False)
    )
    assert ends[:-1] == goes_on and ends[-1] == held.model.generation_config.eos_token_id


def test_a_step_has_the_same_passages_every_time() -> None:
    one, other = Batches(PASSAGES, 2, 0), Batches(PASSAGES, 2, 0)
    steps = -(-len(PASSAGES) // 2)
    epoch = [one.at(step) for step in range(steps)]
    assert sorted(passage.answer for batch in epoch for passage in batch) == sorted(TEXTS)
    assert other.at(steps + 1) == one.at(steps + 1) and [other.at(step) for step in range(steps)] == epoch


def test_without_a_healed_version_the_scheme_says_what_to_do(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(QdashError, match="was not healed") as missing:
        Worker(spec_of(checkpoint("qwen3"), "qat-int2")).load(emit=ignore, stop=never)
    assert missing.value.remedy == CHOOSE_ANOTHER and missing.value.kind == "unavailable"


def test_steps_tell_how_far_it_is(own_worker: Callable[[str], Worker], tmp_path: Path, slow_clock: None) -> None:
    _, events = trained(own_worker("qwen3"), job(tmp_path, 0.3))
    assert all(isinstance(event, Step) and 0 <= (event.fraction or 0) <= 1 and "divergence" in event.detail for event in events)
