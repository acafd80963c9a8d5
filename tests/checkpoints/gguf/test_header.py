"""Headers of GGUF files: read as the gguf package reads them, and refused, quickly and in little memory, where they lie."""

import struct
import tracemalloc
from pathlib import Path

import pytest
from gguf import GGMLQuantizationType, GGUFReader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qdash.checkpoints.gguf.header import MAX_PAIRS, read_header
from qdash.checkpoints.gguf.supported import check_architecture, readable_architectures
from qdash.errors import QdashError
from tests.support.gguf_files import write_llama


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_llama(path)
    return path


def test_a_header_is_what_the_gguf_package_reads(file: Path) -> None:
    header, reader = read_header(file, "it"), GGUFReader(file)
    assert header.architecture == "llama"
    assert {tensor.name: (tensor.shape, tensor.type, tensor.offset, tensor.nbytes) for tensor in header.tensors} == {
        tensor.name: (tuple(map(int, tensor.shape[::-1])), tensor.tensor_type.name, tensor.data_offset, tensor.n_bytes)
        for tensor in reader.tensors
    }
    assert header.metadata["llama.block_count"] == 2
    assert header.metadata["tokenizer.ggml.tokens#"] == len(reader.fields["tokenizer.ggml.tokens"].data)
    assert list(header.types) == ["Q4_1", "F32"]


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _start(tensors: int = 0, pairs: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, pairs)


def _tensor(name: str = "w", shape: tuple[int, ...] = (32,), kind: int = 0, place: int = 0) -> bytes:
    return _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, place)


LIES = {
    "nothing": (b"", "is not a GGUF file"),
    "another format": (b"PK\x03\x04" + b"\0" * 64, "is not a GGUF file"),
    "version 1": (_start(version=1), "has version 1 of the GGUF format"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "is written for big-endian machines"),
    "cut short": (_start()[:12], "ends within its header"),
    "many tensors": (_start(tensors=2**60), "claims to have 1,152,921,504,606,846,976 tensors"),
    "many entries": (_start(pairs=MAX_PAIRS), "claims to have"),
    "a long name": (_start(pairs=1) + struct.pack("<Q", 2**62) + b"\0" * 64, "characters"),
    "a long text": (_start(pairs=1) + _text("k") + struct.pack("<IQ", 8, 2**62), "ends within its header"),
    "a long list of numbers": (_start(pairs=1) + _text("k") + struct.pack("<IIQ", 9, 12, 2**61), "ends within its header"),
    "a long list of texts": (_start(pairs=1) + _text("k") + struct.pack("<IIQ", 9, 8, 2**40), "is a list of"),
    "lists in lists": (_start(pairs=1) + _text("k") + struct.pack("<IIQ", 9, 9, 1) + b"\0" * 64, "is a list of"),
    "an unknown type": (_start(pairs=1) + _text("k") + struct.pack("<I", 77) + b"\0" * 64, "unknown type 77"),
    "too many dimensions": (_start(tensors=1) + _text("w") + struct.pack("<I", 99) + b"\0" * 64, "has 99 dimensions"),
    "a huge shape": (_start(tensors=1) + _tensor(shape=(2**62, 2**62)) + b"\0" * 256, "does not fit into it"),
    "no values": (_start(tensors=1) + _tensor(shape=(0,)) + b"\0" * 256, "does not fit into it"),
    "beyond the end": (_start(tensors=1) + _tensor(place=2**40) + b"\0" * 256, "does not fit into it"),
    "not aligned": (_start(tensors=1) + _tensor(place=7) + b"\0" * 256, "does not fit into it"),
    "half a block": (_start(tensors=1) + _tensor(shape=(33,), kind=2) + b"\0" * 256, "does not fit into it"),
    "an unknown format": (_start(tensors=1) + _tensor(kind=999) + b"\0" * 256, "a format with the number 999"),
    "one over another": (_start(tensors=2) + _tensor("a") + _tensor("b") + b"\0" * 512, "lies over another"),
    "one name twice": (_start(tensors=2) + _tensor("a") + _tensor("a", place=128) + b"\0" * 512, "have one name"),
    "no alignment": (_start(tensors=1, pairs=1) + _text("general.alignment") + struct.pack("<II", 4, 0) + _tensor() + b"\0" * 256, "by 0"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused_by_name(lie: str, tmp_path: Path) -> None:
    content, said = LIES[lie]
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(QdashError, match="^The file model.gguf ") as caught:
        read_header(path, "The file model.gguf")
    assert said in caught.value.message
    assert caught.value.kind == "checkpoint"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_crashes_or_takes_memory(data: st.DataObject, file: Path, tmp_path: Path) -> None:
    content = bytearray(file.read_bytes()[: data.draw(st.integers(0, file.stat().st_size))])
    for _change in range(data.draw(st.integers(0, 8))):
        if content:
            place = data.draw(st.integers(0, min(len(content), 4096) - 1))
            new = data.draw(st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 8, b"\0" * 8])))
            content[place : place + len(new)] = new
    path = tmp_path / "damaged.gguf"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        header = read_header(path, "The file")
        assert all(tensor.offset + tensor.nbytes <= len(content) for tensor in header.tensors)
    except QdashError as error:
        assert error.kind == "checkpoint"
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < 8 * 2**20


def test_architectures_are_those_of_transformers(file: Path) -> None:
    assert {"llama", "qwen3", "gemma3", "qwen2moe", "gptoss"} <= readable_architectures()
    check_architecture(read_header(file, "it"), "it")


@pytest.mark.parametrize(
    ("architecture", "said"),
    [("", "does not say"), ("clip", "sees pictures"), ("t5", "left to right"), ("rwkv99", "“rwkv99”, which transformers cannot read")],
)
def test_other_architectures_are_refused_by_name(file: Path, architecture: str, said: str) -> None:
    header = read_header(file, "it")
    other = header.model_copy(update={"metadata": {**header.metadata, "general.architecture": architecture}})
    with pytest.raises(QdashError, match="^The file x") as caught:
        check_architecture(other, "The file x")
    assert said in caught.value.message


def test_formats_of_matrices_are_told(tmp_path: Path) -> None:
    write_llama(tmp_path / "q8.gguf", GGMLQuantizationType.Q8_0)
    assert list(read_header(tmp_path / "q8.gguf", "it").types) == ["Q8_0", "F32"]
