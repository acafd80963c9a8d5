"""Checkpoints that are broken in one way or another: each is a clear error, never a model with random weights."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from qdash.engine import loading
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.records import Question, Step
from tests.engine.conftest import ignore, never, spec_of
from tests.support import checkpoints


@pytest.fixture
def folder(checkpoint, tmp_path) -> Path:
    """A copy of the tiny Qwen3 that a test may break."""
    return Path(shutil.copytree(checkpoint("qwen3"), tmp_path / "model"))


def load(folder: Path, scheme: str = "original", emit=ignore, stop=never):
    return Worker(spec_of(folder, scheme)).load(emit=emit, stop=stop)


def failure(folder: Path, scheme: str = "original") -> QdashError:
    with pytest.raises(QdashError) as caught:
        load(folder, scheme)
    assert str(folder) in caught.value.message and caught.value.remedy
    return caught.value


@pytest.mark.parametrize("scheme", ["original", "bnb-nf4"])
def test_missing_weights_are_an_error_not_random_numbers(folder, scheme):
    weights = load_file(folder / "model.safetensors")
    weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    error = failure(folder, scheme)
    assert error.kind == "checkpoint"
    assert "1 weight" in error.message and "model.layers.1.mlp.up_proj.weight" in error.message


def test_weights_of_another_shape(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = torch.ones(3)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert failure(folder).kind == "checkpoint"


@pytest.mark.parametrize("cut", [0, 5, 1000, -10])
def test_truncated_weights(folder, cut):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:cut])
    assert failure(folder).kind == "checkpoint"


def test_garbage_for_weights(folder):
    (folder / "model.safetensors").write_bytes(b"\xff" * 5000)
    assert failure(folder).kind == "checkpoint"


def test_pickled_weights_are_not_touched(folder):
    owned = folder / "owned"
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(f"cos\nsystem\n(S'touch {owned}'\ntR.".encode())
    assert failure(folder).kind == "checkpoint"
    assert not owned.exists()


@pytest.mark.parametrize(
    "config",
    [
        "", "{", "[]", "{}", '{"model_type": "no-such-model"}', '{"model_type": "qwen3", "hidden_size": "large"}',
        '{"model_type": "qwen3_vl"}',
    ],
)  # fmt: skip
def test_broken_config(folder, config):
    (folder / "config.json").write_text(config)
    assert failure(folder).kind == "checkpoint"


def test_a_config_that_contradicts_the_weights(folder):
    checkpoints.edit_config(folder, hidden_size=128)
    assert failure(folder).kind == "checkpoint"


def test_code_in_a_checkpoint_does_not_run(folder, tmp_path):
    (folder / "evil.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'owned')!r}).touch()\n")
    checkpoints.edit_config(folder, auto_map={"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}, model_type="evil")
    assert failure(folder).kind == "checkpoint"
    assert not (tmp_path / "owned").exists()


def test_missing_tokenizer(folder):
    for file in folder.glob("tokenizer*"):
        file.unlink()
    assert failure(folder).kind == "checkpoint"


def test_a_package_the_model_needs(folder, monkeypatch):
    def needs_timm(*arguments, **options):
        raise ImportError("\nTimmWrapperModel requires the timm library but it was not found in your environment.\n")

    monkeypatch.setattr(loading.AutoConfig, "from_pretrained", needs_timm)
    error = failure(folder)
    assert error.kind == "unavailable" and "requires the timm library" in error.message


def test_a_failed_worker_can_try_again(folder):
    kept = (folder / "config.json").read_text()
    subject = Worker(spec_of(folder, "original"))
    (folder / "config.json").write_text("{")
    with pytest.raises(QdashError):
        subject.load(emit=ignore, stop=never)
    (folder / "config.json").write_text(kept)
    assert subject.load(emit=ignore, stop=never).weights_bytes > 0


def test_sharded_checkpoints_load_like_whole_ones(checkpoint, worker, tmp_path):
    folder = checkpoints.shard(checkpoint("qwen3"), tmp_path)
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    found, whole = load(folder), worker("qwen3", "original").load(emit=ignore, stop=never)
    assert (found.weights_bytes, found.saved_bytes) == (whole.weights_bytes, whole.saved_bytes)


def test_loading_reports_how_far_it_is(checkpoint):
    events: list[Step] = []
    load(checkpoint("qwen3"), "bnb-int8", emit=events.append)
    fractions = [event.fraction for event in events if event.fraction is not None]
    assert len(fractions) == len(events)
    assert fractions[0] == 0 and fractions == sorted(fractions) and 0.9 < fractions[-1] < 1
    assert json.loads(events[0].model_dump_json())["detail"] == "loading weights"


def test_loading_stops_between_tensors(checkpoint):
    events: list[Step] = []
    with pytest.raises(QdashError) as caught:
        load(checkpoint("qwen3"), emit=events.append, stop=lambda: len(events) >= 3)
    assert caught.value.kind == "cancelled" and len(events) == 3


def test_load_twice_gives_the_same_record(worker):
    subject = worker("qwen3", "original")
    assert subject.load(emit=ignore, stop=never) is subject.load(emit=ignore, stop=never)


def test_answer_loads_if_need_be(checkpoint):
    subject = Worker(spec_of(checkpoint("qwen3"), "original"))
    assert subject.answer(Question(prompt="hi"), 2, emit=ignore, stop=never).new_tokens == 2


def test_measuring_weights_needs_no_loaded_model(checkpoint):
    subject = Worker(spec_of(checkpoint("llava"), None))
    report = subject.measure_weight_error(("bnb-nf4", "fp6-e2m3"), emit=ignore, stop=never)
    assert subject.held is None
    assert [scheme.scheme for scheme in report.schemes] == ["bnb-nf4", "fp6-e2m3"]
    assert {len(scheme.layers) for scheme in report.schemes} == {28}
