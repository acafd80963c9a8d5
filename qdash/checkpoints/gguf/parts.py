"""Models that are split into several GGUF files, as llama-gguf-split writes them: found by their names, checked, and joined again.

The first file has the metadata, each file some of the tensors. transformers reads single files, so the parts are joined before they are
unpacked: the metadata of the first, a list of all tensors, and their bytes one after the other.
"""

import re
import struct
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import BinaryIO

from gguf.constants import GGMLQuantizationType

from qdash.checkpoints.gguf.header import MAGIC, MAX_TENSORS, PAIRS_START, GgufHeader, GgufTensor, read_header
from qdash.errors import QdashError

MAX_PARTS = 999
_PART = re.compile(r"(?P<name>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<end>\.gguf)", re.IGNORECASE | re.ASCII | re.DOTALL)
_PIECE = 2**22
"""Bytes copied at a time."""


def first_part(file: Path) -> Path:
    """The file that the model of `file`, which may be any of its parts, is called by."""
    named = _PART.fullmatch(file.name)
    return file if named is None else file.with_name(_name(named, 1))


def model_name_of(file: Path) -> str:
    """What the file is called, without what makes it a part or a GGUF file."""
    named = _PART.fullmatch(file.name)
    return named["name"] if named is not None and named["name"] else file.stem


def part_names(name: str) -> tuple[str, ...]:
    """The names of all files of the model that a file of this name is, or is a part of; a folder may stand in front."""
    named = _PART.fullmatch(name)
    count = int(named["count"]) if named is not None else 1
    if named is None or not 1 < count <= MAX_PARTS:
        return (name,)
    return tuple(_name(named, number) for number in range(1, count + 1))


def parts_of(file: Path) -> tuple[Path, ...]:
    """All files of the model that `file` is, or is a part of; by their names. Raises QdashError("checkpoint") if some are missing."""
    files = tuple(file.with_name(name) for name in part_names(file.name))
    missing = [part.name for part in files if not part.is_file()] if len(files) > 1 else []
    if missing:
        listed = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        message = f"The file {file} is one of {len(files)} parts of a model; missing are {listed}."
        raise QdashError(message, f"Download or copy them into {file.parent} as well.", "checkpoint")
    return files


def _name(named: re.Match[str], number: int) -> str:
    return f"{named['name']}-{number:05d}-of-{named['count']}{named['end']}"


def read_parts(files: Sequence[Path]) -> tuple[GgufHeader, ...]:
    """The headers of a model's files; raises QdashError("checkpoint") for one that is wrong, and for files that do not belong together."""
    called = [f"The file {file}" for file in files]
    headers = tuple(read_header(file, name) for file, name in zip(files, called, strict=True))
    check_parts(called, headers)
    return headers


def check_parts(called: Sequence[str], headers: Sequence[GgufHeader]) -> None:
    """Raise QdashError("checkpoint") for the headers of files, called so in messages, that do not make one model."""
    for number, (name, header) in enumerate(zip(called, headers, strict=True)):
        told = header.metadata.get("split.no", 0)
        if header.parts != len(called) or (len(called) > 1 and told != number):
            message = f"{name} says that it is part {_one_more(told)} of {header.parts}, which its name does not."
            if len(called) == 1:
                message = f"{name} is one of {header.parts} parts of a model; its name does not tell which the others are."
            raise QdashError(message, "Give the parts the names that they had, such as model-00001-of-00003.gguf.", "checkpoint")
    names = [tensor.name for header in headers for tensor in header.tensors]
    if len(set(names)) < len(names) or len(names) > MAX_TENSORS:
        message = f"{called[0]} and the other parts do not belong together: some tensors are in several of them."
        raise QdashError(message, "Download or copy them again.", "checkpoint")


def _one_more(told: object) -> object:
    return told + 1 if isinstance(told, int) else told


def whole_of(headers: Sequence[GgufHeader]) -> GgufHeader:
    """The metadata of the first part, and the tensors of all; each has its place in its own file."""
    return headers[0].model_copy(update={"tensors": tuple(tensor for header in headers for tensor in header.tensors)})


def join(files: Sequence[Path], headers: Sequence[GgufHeader], target: Path, check: Callable[[], None]) -> Generator[int, None, None]:
    """Write the model in `files` to the file `target`, yielding the bytes done; `check` may raise, to stop."""
    alignment = headers[0].alignment
    with target.open("xb") as joined:
        with files[0].open("rb") as first:
            joined.write(_head(first, headers))
        for file, header in zip(files, headers, strict=True):
            with file.open("rb") as part:
                for tensor in header.tensors:
                    joined.write(bytes(-joined.tell() % alignment))
                    for piece in _pieces(part, tensor, file):
                        check()
                        joined.write(piece)
                        yield joined.tell()


def _head(first: BinaryIO, headers: Sequence[GgufHeader]) -> bytes:
    """Metadata of the first file and the list of all tensors, to the place where these begin."""
    first.seek(len(MAGIC))
    version = first.read(4)
    first.seek(PAIRS_START)
    pairs = first.read(headers[0].pairs_end - PAIRS_START)
    alignment, place, told = headers[0].alignment, 0, b""
    tensors = [tensor for header in headers for tensor in header.tensors]
    for tensor in tensors:
        told += _described(tensor, place)
        place += -(-tensor.nbytes // alignment) * alignment
    head = MAGIC + version + struct.pack("<QQ", len(tensors), headers[0].pairs) + pairs + told
    return head + bytes(-len(head) % alignment)


def _described(tensor: GgufTensor, place: int) -> bytes:
    name, shape = tensor.name.encode(), tensor.shape[::-1]
    kind = GGMLQuantizationType[tensor.type]
    return struct.pack(f"<Q{len(name)}sI{len(shape)}QIQ", len(name), name, len(shape), *shape, kind, place)


def _pieces(part: BinaryIO, tensor: GgufTensor, file: Path) -> Generator[bytes, None, None]:
    part.seek(tensor.offset)
    left = tensor.nbytes
    while left:
        piece = part.read(min(_PIECE, left))
        if not piece:
            raise QdashError(f"The file {file} ended while it was read.", "Download or copy the file again.", "checkpoint")
        left -= len(piece)
        yield piece
