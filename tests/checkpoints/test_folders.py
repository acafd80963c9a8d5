"""What a checkpoint in a folder is, told from its headers."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qdash import checkpoints
from qdash.checkpoints.folder import FolderFiles, _identity, fingerprint
from qdash.checkpoints.supported import native_tasks, task_of
from tests.checkpoints.folders import EMBEDDING, OTHER, edit, shard


def test_the_bundled_model_is_located_by_its_key() -> None:
    found = checkpoints.locate("tiny-vlm")
    assert (found.task, found.model_type, found.label) == ("image-text-to-text", "llava", "Bundled drawing reader")
    assert found.folder is not None and found.download_bytes == 0
    assert {tensor.dtype for tensor in found.tensors} == {"BF16"}


def test_a_folder_is_described_from_its_headers(folder: Path) -> None:
    found = checkpoints.locate(str(folder))
    assert (found.task, found.folder, found.label, found.context_length) == ("text-generation", str(folder), "model", 2048)
    assert "F16" in {tensor.dtype for tensor in found.tensors}
    assert found.parameters == EMBEDDING + 64 * 128 + OTHER, "the stored copy of a tied head is no parameter"


def test_a_relative_folder_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert checkpoints.locate("model").folder == checkpoints.locate("./model").folder == str(folder)


def test_an_edited_folder_is_another_revision(folder: Path) -> None:
    before = checkpoints.locate(str(folder)).revision
    assert checkpoints.locate(str(folder)).revision == before
    edit(folder, "config.json", extra=1)
    assert checkpoints.locate(str(folder)).revision != before


def test_a_copy_is_the_same_revision_until_one_of_its_bytes_changes(folder: Path, tmp_path: Path) -> None:
    before, copied = checkpoints.locate(str(folder)).revision, tmp_path / "elsewhere"
    shutil.copytree(folder, copied)
    weights = copied / "model.safetensors"
    os.utime(weights, ns=(0, 0))
    assert checkpoints.locate(str(copied)).revision == before
    with weights.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    assert checkpoints.locate(str(copied)).revision != before


def test_large_files_are_told_apart_by_some_of_their_bytes_and_their_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdash.checkpoints.folder.READ_WHOLE", 100)
    monkeypatch.setattr("qdash.checkpoints.folder.PIECE", 8)
    file, content = tmp_path / "model.safetensors", bytearray(1000)
    found = []
    for place, written in ((None, 1), (None, 2), (0, 2), (999, 2), (500, 3), (500, 3)):
        changed = bytearray(content)
        if place is not None:
            changed[place] = 1
        file.write_bytes(changed)
        os.utime(file, ns=(written, written))
        _identity.cache_clear()
        found.append(fingerprint(FolderFiles(tmp_path, "here")))
    assert len(set(found)) == 5 and found[-1] == found[-2]


def test_shards_are_read_through_their_index(folder: Path) -> None:
    whole = checkpoints.locate(str(folder))
    shard(folder)
    assert set(checkpoints.locate(str(folder)).tensors) == set(whole.tensors)


@pytest.mark.parametrize(
    ("model_type", "extra", "task"),
    [
        ("qwen3", {}, "text-generation"),
        ("bloom", {}, "text-generation"),
        ("llava", {"vision_config": {}}, "image-text-to-text"),
        ("fast_vlm", {"vision_config": {}}, "image-text-to-text"),
        ("idefics3", {"vision_config": {}}, "image-text-to-text"),
        ("qwen3_vl", {"vision_config": {}}, "image-text-to-text"),
        ("gemma3", {"vision_config": {}}, "image-text-to-text"),
        ("gemma3", {}, "text-generation"),
        ("vit", {}, None),
        ("llava_qwen2", {}, None),
    ],
)
def test_the_task_comes_from_transformers_own_tables(model_type: str, extra: dict[str, Any], task: str | None) -> None:
    assert task_of({"model_type": model_type, **extra}) == task


def test_the_tables_read_from_source_are_those_transformers_uses() -> None:
    auto = pytest.importorskip("transformers.models.auto.modeling_auto")
    vision = {key for key, tasks in native_tasks().items() if "image-text-to-text" in tasks}
    text = {key for key, tasks in native_tasks().items() if "text-generation" in tasks}
    assert vision == set(auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)
    assert text == set(auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


@pytest.mark.parametrize("architecture", ["llava", "fastvlm", "smolvlm", "qwen3-vl", "qwen3", "bloom"])
def test_every_architecture_is_located_and_counted(checkpoint: Callable[[str], Path], architecture: str) -> None:
    hf = pytest.importorskip("transformers")
    found = checkpoints.locate(str(checkpoint(architecture)))
    auto = hf.AutoModelForImageTextToText if found.task == "image-text-to-text" else hf.AutoModelForCausalLM
    model = auto.from_pretrained(checkpoint(architecture), dtype="float32")
    assert found.parameters == sum(weight.numel() for weight in model.parameters())
