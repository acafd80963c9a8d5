"""Weight files that lie about themselves: each is refused in a plain sentence, before anything as large as it claims is read or made."""

import json
import struct
from pathlib import Path
from typing import Any

import psutil
import pytest

from qdash import checkpoints
from qdash.errors import QdashError

MOST_BYTES = 64 * 2**20
"""By how much a refusal may let the memory of this process grow; the claims are of gigabytes."""


def _tensor(start: Any = 0, end: Any = 256, shape: Any = (8, 16), dtype: Any = "F16") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def _file(header: object, data: int = 256) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * data


NAME = "model.layers.0.self_attn.q_proj.weight"
HOSTILE = {
    "offsets past the end": _file({NAME: _tensor(0, 10**12)}),
    "offsets before the start": _file({NAME: _tensor(-256, 0)}),
    "offsets the wrong way round": _file({NAME: _tensor(256, 0)}),
    "offsets that are no numbers": _file({NAME: _tensor("0", "256")}),
    "offsets that are NaN": _file(b'{"w": {"dtype": "F16", "shape": [8, 16], "data_offsets": [0, NaN]}}'),
    "offsets larger than 64 bits": _file({NAME: _tensor(0, 2**70)}),
    "fewer bytes than the shape": _file({NAME: _tensor(0, 128)}, 128),
    "more bytes than the shape": _file({NAME: _tensor(0, 512)}, 512),
    "a negative size": _file({NAME: _tensor(shape=(-8, 16))}),
    "a size that is no whole number": _file({NAME: _tensor(shape=(8.5, 16))}),
    "sizes whose product has no place in 64 bits": _file({NAME: _tensor(shape=(2**40, 2**40))}),
    "a shape that is no list": _file({NAME: _tensor(shape="8x16")}),
    "an unknown dtype": _file({NAME: _tensor(dtype="F3")}),
    "tensors over each other": _file({NAME: _tensor(), "b.weight": _tensor(128, 384)}, 384),
    "a tensor twice in one place": _file({NAME: _tensor(), "b.weight": _tensor()}),
    "a hole between tensors": _file({NAME: _tensor(), "b.weight": _tensor(512, 768)}, 768),
    "bytes after the last tensor": _file({NAME: _tensor()}, 10_000),
    "a header of a gigabyte": struct.pack("<Q", 2**30) + b"{" * 4096,
    "a header longer than 64 bits can say": struct.pack("<Q", 2**64 - 1) + b"{}",
    "a header longer than the file": struct.pack("<Q", 5000) + b"{}",
    "no header": struct.pack("<Q", 0),
    "a header that is no JSON": _file(b"not JSON"),
    "a header that is a list": _file([NAME]),
    "a header that is nested deeply": _file(b'{"a":' * 20_000),
    "a header that is no text": _file(b"\xff\xfe" * 50),
    "a tensor that is a number": _file({NAME: 7}),
    "a tensor without a place": _file({NAME: {"dtype": "F16", "shape": [8, 16]}}),
    "a name twice with other bytes": _file(
        b'{"w": %b, "w": %b}' % (json.dumps(_tensor()).encode(), json.dumps(_tensor(256, 512)).encode()), 512
    ),
    "a cut file": _file({NAME: _tensor()})[:-1],
    "half a number": b"\0\0\0",
}


def _folder(path: Path, weights: bytes) -> Path:
    (path / "config.json").write_text(json.dumps({"model_type": "qwen3", "max_position_embeddings": 2048}))
    (path / "tokenizer.json").write_text("{}")
    (path / "model.safetensors").write_bytes(weights)
    return path


@pytest.mark.parametrize("case", HOSTILE)
def test_a_file_that_lies_is_refused_in_a_sentence(case: str, tmp_path: Path) -> None:
    folder, before = _folder(tmp_path, HOSTILE[case]), psutil.Process().memory_info().rss
    with pytest.raises(QdashError) as caught:
        checkpoints.locate(str(folder))
    error = caught.value
    assert error.kind == "checkpoint" and error.remedy and "model.safetensors" in error.message
    assert "Traceback" not in str(error) and len(str(error)) < 1000
    assert psutil.Process().memory_info().rss - before < MOST_BYTES


def test_a_name_twice_for_the_same_bytes_is_one_tensor(tmp_path: Path) -> None:
    twice = _file(b'{"w": %b, "w": %b}' % ((json.dumps(_tensor()).encode(),) * 2))
    assert [tensor.name for tensor in checkpoints.locate(str(_folder(tmp_path, twice))).tensors] == ["w"]
