"""The header of a GGUF file: its metadata, and the names, shapes, types and places of its tensors.

Files come from strangers. Whatever a header says of lengths, counts and places is checked against the size of the file before anything is
read or reserved by it; values that are not needed are skipped. Source: the GGUF specification, versions 2 and 3.
"""

import math
import struct
from collections import Counter
from pathlib import Path
from typing import BinaryIO

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from qdash.errors import QdashError
from qdash.records import Record

MAGIC = b"GGUF"
VERSIONS = (2, 3)
PAIRS_START = 24
"""Where the metadata begins: after magic, version and two counts."""
MAX_HEADER_BYTES = 2**29
"""Far above any vocabulary; a header that is larger is no model's."""
MAX_ITEMS = 2**22
"""Texts of a list, such as the tokens of a vocabulary, of which the largest have 300,000."""
MAX_PAIRS, MAX_TENSORS, MAX_DIMENSIONS = 2**14, 2**17, 4
KEPT_CHARS = 2**16
"""Bytes of a text that is kept; a chat template is the longest."""

_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

Scalar = str | int | float | bool


class GgufTensor(Record):
    """One tensor. `shape` is PyTorch's, rows first; `type` a name of ggml's ("Q4_K"); `nbytes` as stored, from `offset` on in the file."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    nbytes: int

    @property
    def values(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


class GgufHeader(Record):
    """What a file says of itself. `metadata` has single values only; of lists it has the length under the key with “#” at its end.

    `pairs` is the number of entries of the metadata, `pairs_end` the place in the file where they end.
    """

    metadata: dict[str, Scalar]
    tensors: tuple[GgufTensor, ...]
    pairs: int = 0
    pairs_end: int = PAIRS_START

    @property
    def architecture(self) -> str:
        """Under llama.cpp's name, such as “llama” or “qwen3”; "" if it is not told."""
        return str(self.metadata.get("general.architecture", ""))

    @property
    def parts(self) -> int:
        """How many files the model is split into."""
        count = self.metadata.get("split.count", 1)
        return count if isinstance(count, int) and count > 0 else 1

    @property
    def alignment(self) -> int:
        """Tensors begin at multiples of it; where a file tells none that can be, the reader has refused it."""
        return int(self.metadata.get("general.alignment", 32))

    @property
    def types(self) -> dict[str, int]:
        """How many weights each type holds, the most common first."""
        counted = Counter[str]()
        for tensor in self.tensors:
            counted[tensor.type] += tensor.values
        return dict(counted.most_common())


def read_header(path: Path, name: str) -> GgufHeader:
    """Read the header of the file at `path`, called `name` in messages; raises QdashError("checkpoint") for anything that is not right."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return read_header_of(file, size, name)
    except OSError as error:
        raise QdashError(f"{name} cannot be read ({error.strerror}).", "Check its permissions.", "checkpoint") from None


def read_header_of(file: BinaryIO, size: int, name: str) -> GgufHeader:
    """The same of a file of `size` bytes that is open at its beginning; also raises what reading it does."""
    return _Reader(file, size, name).header()


class _Reader:
    """Reads on from where it is; nothing beyond the end of the file or MAX_HEADER_BYTES."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self.file, self.size, self.name = file, size, name
        self.limit = min(size, MAX_HEADER_BYTES)
        self.place = 0

    def header(self) -> GgufHeader:
        if self._bytes(min(4, self.limit)) != MAGIC:
            raise QdashError(f"{self.name} is not a GGUF file.", "Choose one that llama.cpp made, such as model-Q4_K_M.gguf.", "checkpoint")
        version = self._number("I")
        if version not in VERSIONS:
            big_endian = version in (known << 24 for known in VERSIONS)
            told = "is written for big-endian machines" if big_endian else f"has version {version} of the GGUF format"
            message = f"{self.name} {told}; qdash reads versions 2 and 3, little-endian."
            raise QdashError(message, "Convert it with a current llama.cpp.", "checkpoint")
        tensors = self._count("tensors", MAX_TENSORS, 24)
        pairs = self._count("entries", MAX_PAIRS, 12)
        metadata: dict[str, Scalar] = {}
        for _entry in range(pairs):
            key = self._text("the name of an entry")
            self._entry(key, metadata)
        pairs_end = self.place
        told = [self._tensor() for _ in range(tensors)]
        return GgufHeader(metadata=metadata, tensors=self._placed(told, metadata), pairs=pairs, pairs_end=pairs_end)

    def damaged(self, why: str) -> QdashError:
        return QdashError(f"{self.name} is damaged: {why}.", "Download or copy the file again.", "checkpoint")

    def _bytes(self, count: int) -> bytes:
        self._take(count)
        read = self.file.read(count)
        if len(read) < count:
            raise self.damaged("it ends within its header")
        return read

    def _skip(self, count: int) -> None:
        self._take(count)
        self.file.seek(count, 1)

    def _take(self, count: int) -> None:
        if count > self.limit - self.place:
            raise self.damaged("it ends within its header" if self.limit == self.size else "its header is larger than that of any model")
        self.place += count

    def _number(self, code: str) -> int:
        return struct.unpack(f"<{code}", self._bytes(struct.calcsize(code)))[0]

    def _count(self, what: str, most: int, least_bytes: int) -> int:
        """A number of things of which each takes `least_bytes` or more."""
        count = self._number("Q")
        if count > most or count * least_bytes > self.limit - self.place:
            raise self.damaged(f"it claims to have {count:,} {what}")
        return count

    def _text(self, what: str) -> str:
        length = self._number("Q")
        if length > KEPT_CHARS:
            raise self.damaged(f"{what} has {length:,} characters")
        return self._bytes(length).decode("utf-8", errors="replace")

    def _entry(self, key: str, metadata: dict[str, Scalar]) -> None:
        kind = self._number("I")
        if kind in _SCALARS:
            metadata[key] = self._number(_SCALARS[kind])
        elif kind == _STRING:
            length = self._number("Q")
            if length > KEPT_CHARS:
                self._skip(length)
            else:
                metadata[key] = self._bytes(length).decode("utf-8", errors="replace")
        elif kind == _ARRAY:
            metadata[f"{key}#"] = self._skip_list(key)
        else:
            raise self.damaged(f"“{key}” has the unknown type {kind}")

    def _skip_list(self, key: str) -> int:
        """Skip a list of numbers or texts; returns its length."""
        kind, count = self._number("I"), self._number("Q")
        if kind in _SCALARS:
            self._skip(count * struct.calcsize(_SCALARS[kind]))
        elif kind == _STRING and count <= MAX_ITEMS:
            for _item in range(count):
                self._skip(self._number("Q"))
        else:
            raise self.damaged(f"“{key}” is a list of {count:,} items of type {kind}")
        return count

    def _tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        """Name, shape, type, and place after the header."""
        name = self._text("the name of a tensor")
        dimensions = self._number("I")
        if not 0 < dimensions <= MAX_DIMENSIONS:
            raise self.damaged(f"its tensor “{name}” has {dimensions} dimensions")
        shape = tuple(self._number("Q") for _ in range(dimensions))
        return name, shape[::-1], self._number("I"), self._number("Q")

    def _placed(self, told: list[tuple[str, tuple[int, ...], int, int]], metadata: dict[str, Scalar]) -> tuple[GgufTensor, ...]:
        """The tensors, all within the file and none over another."""
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 0 < alignment <= 2**16:
            raise self.damaged(f"it aligns its tensors by {alignment}")
        start = -(-self.place // alignment) * alignment
        tensors = tuple(self._checked(*entry, start, alignment) for entry in told)
        end = start
        for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
            if tensor.offset < end:
                raise self.damaged(f"its tensor “{tensor.name}” lies over another")
            end = tensor.offset + tensor.nbytes
        if len({tensor.name for tensor in tensors}) < len(tensors):
            raise self.damaged("two of its tensors have one name")
        return tensors

    def _checked(self, name: str, shape: tuple[int, ...], code: int, place: int, start: int, alignment: int) -> GgufTensor:
        try:
            kind = GGMLQuantizationType(code)
        except ValueError:
            raise self._unknown(name, code) from None
        block, block_bytes = GGML_QUANT_SIZES[kind]
        values = math.prod(shape)
        nbytes = values // block * block_bytes
        if not values or shape[-1] % block or place % alignment or nbytes > self.size or start + place + nbytes > self.size:
            raise self.damaged(f"its tensor “{name}” of shape {list(shape)} does not fit into it")
        return GgufTensor(name=name, shape=shape, type=kind.name, offset=start + place, nbytes=nbytes)

    def _unknown(self, name: str, code: int) -> QdashError:
        message = f"{self.name} stores “{name}” in a format with the number {code}, which qdash does not know."
        return QdashError(message, "Choose a file in another format, such as Q4_K_M or Q8_0.", "checkpoint")
