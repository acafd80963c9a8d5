"""GGUF files are models: found, unpacked once to exactly the numbers of their blocks, and refused with a remedy where that cannot be."""

from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize
from safetensors.numpy import load_file

from qdash import checkpoints
from qdash.catalog.schemes import SCHEMES
from qdash.checkpoints import Checkpoint
from qdash.checkpoints.gguf import files
from qdash.errors import QdashError
from qdash.machine import this_machine
from qdash.records import Step
from qdash.settings import Settings
from tests.support.gguf_files import HEADS, HIDDEN, write_llama

Obtain = Callable[..., tuple[Checkpoint, list[Step]]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(files, "settings", lambda: Settings(cache_dir=tmp_path / "cache"))
    return tmp_path / "cache"


def obtained(model: Path, stop: Event | None = None) -> tuple[Checkpoint, list[Step]]:
    steps, call = [], checkpoints.obtain(checkpoints.locate(str(model)), stop)
    while True:
        try:
            steps.append(next(call))
        except StopIteration as ended:
            return ended.value, steps


def test_a_file_is_unpacked_to_the_numbers_of_its_blocks(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    stored = write_llama(file)
    before = checkpoints.locate(str(file))
    assert (before.folder, before.preparation, before.label, before.task) == (None, "unpacking", "model", "text-generation")
    assert before.download_bytes == 4 * before.parameters
    found, steps = obtained(file)
    assert (steps[0].detail, steps[0].preparation) == ("model.gguf", "unpacking")
    fractions = [step.fraction for step in steps if step.fraction is not None]
    assert fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] <= 1
    assert found.folder is not None and found.gguf == str(file)
    assert found.parameters == before.parameters
    assert found.notes[0].startswith("The original is what its GGUF file holds, unpacked: these weights were rounded before (Q4_1).")
    assert not (Path(found.folder) / "fraction").exists()
    tensors = load_file(Path(found.folder) / "model.safetensors")
    blocks = dequantize(stored["blk.1.ffn_down.weight"], GGMLQuantizationType.Q4_1)
    assert (tensors["model.layers.1.mlp.down_proj.weight"] == blocks).all()
    # llama.cpp keeps the two halves of each rotated pair side by side; transformers keeps them apart.
    query = dequantize(stored["blk.0.attn_q.weight"], GGMLQuantizationType.Q4_1)
    apart = query.reshape(HEADS, HIDDEN // HEADS // 2, 2, HIDDEN).swapaxes(1, 2).reshape(HIDDEN, HIDDEN)
    assert (tensors["model.layers.0.self_attn.q_proj.weight"] == apart).all()
    assert (tensors["model.norm.weight"] == stored["output_norm.weight"]).all()
    again, steps = obtained(file)
    assert (again, steps) == (found, [])


def test_sizes_of_the_blocks_are_told_before_and_after(tmp_path: Path) -> None:
    stored = write_llama(tmp_path / "model.gguf", kinds={"ffn_down": GGMLQuantizationType.F16})
    scheme, matrices = SCHEMES["gguf"], [blocks for name, blocks in stored.items() if blocks.dtype == "uint8"]
    blocks = sum(matrix.nbytes for matrix in matrices)
    before = checkpoints.locate(str(tmp_path / "model.gguf"))
    after = obtained(tmp_path / "model.gguf")[0]
    assert before.blocks == after.blocks
    assert after.blocks is not None and after.blocks.nbytes == blocks and after.blocks.weights == blocks // 20 * 32
    told = checkpoints.sizes_of(before, scheme, "bfloat16", "cpu", wait_s=0)
    assert told.estimated_bytes == blocks + 2 * (before.parameters - after.blocks.weights)
    assert (told.loading_bytes, told.rough) == (2 * before.parameters, True)
    assert checkpoints.sizes_of(after, scheme, "bfloat16", "cpu", wait_s=0) == told.model_copy(update={"rough": False})
    assert told.share == after.blocks.weights / before.parameters


def test_blocks_are_kept_only_of_a_file_that_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scheme, here = SCHEMES["gguf"], this_machine()
    write_llama(tmp_path / "model.gguf")
    assert checkpoints.unsuited(checkpoints.locate(str(tmp_path / "model.gguf")), scheme, here) is None
    assert checkpoints.unsuited(checkpoints.locate("smollm2-135m"), scheme, here) is None
    problem = checkpoints.unsuited(checkpoints.locate("tiny-lm"), scheme, here)
    assert problem is not None and problem.kind == "unavailable"
    assert problem.message == "“GGUF, as stored” needs a model that comes from a GGUF file; Bundled story finisher does not."
    assert "smollm2-135m, the path of a .gguf file" in problem.remedy
    write_llama(tmp_path / "floats.gguf", GGMLQuantizationType.F16)
    problem = checkpoints.unsuited(checkpoints.locate(str(tmp_path / "floats.gguf")), scheme, here)
    assert problem is not None and problem.message == "The GGUF file of floats has no blocks that can be kept."


def test_what_comes_from_a_file_is_told_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_llama(tmp_path / "model.gguf")
    assert [checkpoints.is_from_gguf(name) for name in ("smollm2-135m", str(tmp_path), str(tmp_path / "model.gguf"))] == [True] * 3
    others = ("", "tiny-lm", "owner/name", "no\0path", "~nobody-at-all/x", str(tmp_path / "missing.gguf"))
    assert not any(map(checkpoints.is_from_gguf, others))
    monkeypatch.setattr("qdash.offer.settings", lambda: Settings(public=True))
    assert checkpoints.is_from_gguf("smollm2-135m") and not checkpoints.is_from_gguf(str(tmp_path / "model.gguf"))


def test_a_folder_with_one_file_is_that_file(tmp_path: Path) -> None:
    write_llama(tmp_path / "model.gguf")
    assert checkpoints.locate(str(tmp_path)).gguf == str(tmp_path / "model.gguf")
    write_llama(tmp_path / "other.gguf")
    with pytest.raises(QdashError, match="holds several GGUF files: model.gguf, other.gguf") as caught:
        checkpoints.locate(str(tmp_path))
    assert str(tmp_path / "model.gguf") in caught.value.remedy


def test_a_stop_leaves_nothing_behind(tmp_path: Path, cache: Path) -> None:
    write_llama(tmp_path / "model.gguf")
    stop = Event()
    stop.set()
    with pytest.raises(QdashError, match="Unpacking model.gguf was stopped") as caught:
        obtained(tmp_path / "model.gguf", stop)
    assert caught.value.kind == "cancelled"
    assert not list(cache.rglob("*.part")) and not list(cache.rglob("*.safetensors"))


def test_too_little_memory_is_told_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_llama(tmp_path / "model.gguf")
    monkeypatch.setattr(files, "available_bytes", lambda: 1000)
    with pytest.raises(QdashError, match="Unpacking model.gguf takes .* GiB of memory") as caught:
        obtained(tmp_path / "model.gguf")
    assert caught.value.kind == "out_of_memory"


def test_what_transformers_cannot_read_is_told(tmp_path: Path, cache: Path) -> None:
    write_llama(tmp_path / "model.gguf", llama__block_count=7)
    with pytest.raises(QdashError, match="transformers cannot read model.gguf .*it has no weights for model.layers.2") as caught:
        obtained(tmp_path / "model.gguf")
    assert caught.value.kind == "checkpoint"
    assert not list(cache.rglob("*.part"))


def test_a_public_server_takes_no_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_llama(tmp_path / "model.gguf")
    monkeypatch.setattr("qdash.offer.settings", lambda: Settings(public=True))
    with pytest.raises(QdashError, match="is not one of the models offered here"):
        checkpoints.locate(str(tmp_path / "model.gguf"))
