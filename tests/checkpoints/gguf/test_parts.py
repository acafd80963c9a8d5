"""Models in several GGUF files are read as one, whichever of them is given; what is missing or does not belong together is named."""

import struct
from pathlib import Path

import pytest
from gguf import GGUFReader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from qdash import checkpoints
from qdash.checkpoints.gguf import files
from qdash.checkpoints.gguf.parts import join, model_name_of, parts_of, read_parts, whole_of
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.settings import Settings
from tests.support.gguf_files import split, write_llama


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(files, "settings", lambda: Settings(cache_dir=tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    write_llama(tmp_path / "whole.gguf")
    return split(tmp_path / "whole.gguf", tmp_path / "parts", 3)


def test_joined_parts_hold_what_the_whole_file_does(tmp_path: Path, parts: list[Path]) -> None:
    headers = read_parts(parts)
    done = list(join(parts, headers, tmp_path / "joined.gguf", lambda: None))
    assert done == sorted(done) and done[-1] == (tmp_path / "joined.gguf").stat().st_size
    joined, whole = GGUFReader(tmp_path / "joined.gguf"), GGUFReader(tmp_path / "whole.gguf")
    assert [tensor.name for tensor in joined.tensors] == [tensor.name for tensor in whole.tensors]
    for ours, theirs in zip(joined.tensors, whole.tensors, strict=True):
        assert ours.tensor_type == theirs.tensor_type and (ours.data == theirs.data).all() and ours.data.shape == theirs.data.shape
    kept = {name: field.contents() for name, field in whole.fields.items() if not name.startswith("GGUF.")}
    assert kept == {name: field.contents() for name, field in joined.fields.items() if name in kept}
    assert files.rounded_note(whole_of(headers)) == files.rounded_note(whole_of(read_parts([tmp_path / "whole.gguf"])))


def test_any_part_is_the_model(tmp_path: Path, parts: list[Path], cache: Path) -> None:
    found = [checkpoints.locate(str(file)) for file in (*parts, tmp_path / "parts")]
    assert {checkpoint.gguf for checkpoint in found} == {str(parts[0])}
    assert {checkpoint.label for checkpoint in found} == {"model"}
    whole = checkpoints.locate(str(tmp_path / "whole.gguf"))
    assert all(checkpoint.blocks == whole.blocks and checkpoint.parameters == whole.parameters for checkpoint in found)
    unpacked = result_of(checkpoints.obtain(found[1]), lambda step: None)
    once = result_of(checkpoints.obtain(whole), lambda step: None)
    assert unpacked.folder is not None and once.folder is not None
    ours, theirs = (load_file(Path(folder) / "model.safetensors") for folder in (unpacked.folder, once.folder))
    assert ours.keys() == theirs.keys() and all((ours[name] == theirs[name]).all() for name in theirs)
    assert unpacked.blocks == once.blocks
    assert not list(cache.rglob("*.gguf")) and not list(cache.rglob("joined-*"))
    changed = unpacked.revision
    parts[2].touch()
    assert checkpoints.locate(str(parts[0])).revision != changed


def test_missing_parts_are_named(parts: list[Path]) -> None:
    parts[0].unlink()
    parts[2].unlink()
    with pytest.raises(QdashError, match="one of 3 parts of a model; missing are model-00001-of-00003.gguf, model-00003-of-00003.gguf"):
        checkpoints.locate(str(parts[1]))


def test_a_part_under_another_name_is_refused(tmp_path: Path, parts: list[Path]) -> None:
    alone = parts[1].rename(tmp_path / "alone.gguf")
    with pytest.raises(QdashError, match="one of 3 parts of a model; its name does not tell which the others are") as caught:
        checkpoints.locate(str(alone))
    assert "model-00001-of-00003.gguf" in caught.value.remedy


def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path, parts: list[Path]) -> None:
    parts[1].write_bytes(parts[2].read_bytes())
    with pytest.raises(QdashError, match="says that it is part 3 of 3, which its name does not"):
        checkpoints.locate(str(parts[0]))
    # The number of the second part, and the tensors of the first.
    forged = bytearray(parts[0].read_bytes())
    place = forged.index(b"split.no") + len(b"split.no") + 4
    forged[place : place + 2] = struct.pack("<H", 1)
    parts[1].write_bytes(forged)
    with pytest.raises(QdashError, match="some tensors are in several of them"):
        checkpoints.locate(str(parts[0]))


def test_a_later_part_that_lies_is_refused_by_its_name(parts: list[Path]) -> None:
    parts[2].write_bytes(parts[2].read_bytes()[:-64])
    with pytest.raises(QdashError, match=r"model-00003-of-00003\.gguf is damaged: its tensor .* does not fit"):
        checkpoints.locate(str(parts[0]))


@given(st.text(max_size=40))
def test_names_are_taken_apart_without_surprises(name: str) -> None:
    file = Path("/nowhere") / (name.replace("/", "").replace("\0", "") or "x")
    try:
        assert parts_of(file) == (file,)
    except QdashError as error:
        assert "missing are" in error.message
    assert model_name_of(file)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_to_a_part_crashes(data: st.DataObject, parts: list[Path], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    for file in parts:
        content = bytearray(file.read_bytes())
        for _change in range(data.draw(st.integers(0, 2))):
            place = data.draw(st.integers(0, min(len(content), 2048) - 1))
            content[place : place + 1] = data.draw(st.binary(min_size=1, max_size=8))
        (folder / file.name).write_bytes(content)
    damaged = [folder / file.name for file in parts]
    try:
        headers = read_parts(damaged)
        done = list(join(damaged, headers, folder / "joined.gguf", lambda: None))
        assert done[-1] <= sum(file.stat().st_size for file in damaged) + 32 * sum(len(header.tensors) for header in headers)
    except QdashError as error:
        assert error.kind == "checkpoint"
