"""A TIFF's first page without the tags that do not decide about its pixels.

A tag says where its data lie and how many there are, and tags may share them: a decoder that reads every tag can be made to read a file
a thousand times over. So a new directory with the tags that matter is put behind the file and its header made to point there; all else
stays where it is, as the places in the directory are counted from the beginning.
"""

import struct
from dataclasses import dataclass

from qdash.errors import QdashError
from qdash.inputs.foreign import RAW
from qdash.settings import settings

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, ORIENTATION, SAMPLES = 256, 257, 258, 259, 262, 273, 274, 277
COUNTS, PLANES, SAMPLE_FORMAT, SUBSAMPLING = 279, 284, 339, 530
_SUBFILE, _TILE_WIDTH, _TILE_LENGTH, _SUB_IFDS, _DNG_VERSION = 254, 322, 323, 330, 50706
_KEPT = {
    WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, 266, OFFSETS, ORIENTATION, SAMPLES, 278, COUNTS, PLANES, 292, 293, 317, 320, _TILE_WIDTH,
    _TILE_LENGTH, 324, 325, 332, 333, 338, SAMPLE_FORMAT, 347, *range(512, 522), 529, SUBSAMPLING, 531, 532,
}  # fmt: skip
"""Layout, compression, colours and orientation; thumbnails, texts, profiles, EXIF and further directories are not among them."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_MOST_NUMBERS = 2**18
"""Of one tag: more strips than a picture has rows."""
_LETTERS = {1: "B", 3: "H", 4: "I", 16: "Q"}

_Entry = tuple[int, int, int, bytes]
"""Tag, type, count, and the field that holds the data or where they are."""


@dataclass(frozen=True)
class _Layout:
    """How a directory is written: classic TIFF, or BigTIFF with numbers of 8 bytes."""

    order: str
    big: bool

    @property
    def entry(self) -> struct.Struct:
        return struct.Struct(f"{self.order}HHQ8s" if self.big else f"{self.order}HHI4s")

    @property
    def count(self) -> struct.Struct:
        return struct.Struct(f"{self.order}{'Q' if self.big else 'H'}")

    @property
    def offset(self) -> struct.Struct:
        return struct.Struct(f"{self.order}{'Q' if self.big else 'I'}")

    @property
    def header(self) -> int:
        """Where the place of the first directory stands."""
        return 8 if self.big else 4


def without_tags(data: bytes, name: str) -> bytes:
    """A TIFF that has its first page and the tags that this needs; what is no TIFF inside stays as it is.

    Raises QdashError, calling the picture `name`, for tags that are larger together than the file, for tiles too large, and for a
    camera's RAW file, whose first page is but a thumbnail.
    """
    layout, entries = _directory(data)
    if entries is None:
        return data
    _check(entries, layout, len(data), name)
    kept = [entry for entry in entries if entry[0] in _KEPT]
    directory = layout.count.pack(len(kept)) + b"".join(layout.entry.pack(*entry) for entry in kept) + layout.offset.pack(0)
    even = data + bytes(len(data) % 2)  # directories begin at a word
    return even[: layout.header] + layout.offset.pack(len(even)) + even[layout.header + layout.offset.size :] + directory


def numbers_of(data: bytes) -> dict[int, tuple[int, ...]]:
    """The whole numbers that the tags of the first page hold, by tag; empty for what is no TIFF inside."""
    layout, entries = _directory(data)
    return {tag: found for tag, kind, count, field in entries or () if (found := _numbers(data, layout, kind, count, field))}


def byte_order(data: bytes) -> str:
    """“<” or “>”."""
    return "<" if data[:2] == b"II" else ">"


def _directory(data: bytes) -> tuple[_Layout, list[_Entry] | None]:
    layout = _Layout(byte_order(data), data[2:4] in (b"+\0", b"\0+"))
    try:
        (start,) = layout.offset.unpack_from(data, layout.header)
        (count,) = layout.count.unpack_from(data, start)
        first = start + layout.count.size
        if count > 2**16:
            return layout, None
        return layout, [layout.entry.unpack_from(data, first + number * layout.entry.size) for number in range(count)]
    except (struct.error, OverflowError):
        return layout, None


def _numbers(data: bytes, layout: _Layout, kind: int, count: int, field: bytes) -> tuple[int, ...]:
    letter, size = _LETTERS.get(kind), _SIZES.get(kind, 1) * count
    if letter is None or count > _MOST_NUMBERS or size > max(len(data), len(field)):
        return ()
    try:
        source, place = (field, 0) if size <= len(field) else (data, layout.offset.unpack_from(field)[0])
        return struct.unpack_from(f"{layout.order}{count}{letter}", source, place)
    except (struct.error, OverflowError):
        return ()


def _check(entries: list[_Entry], layout: _Layout, size: int, name: str) -> None:
    values = {tag: next(iter(_numbers(b"", layout, kind, 1, field)), 0) for tag, kind, _, field in entries}
    if _DNG_VERSION in values or (_SUB_IFDS in values and values.get(_SUBFILE, 0) & 1):
        raise QdashError(f"{name} is {RAW.name}, which cannot be read here.", RAW.remedy)
    if sum(_SIZES.get(kind, 1) * count for tag, kind, count, _ in entries if tag in _KEPT) > max(size, 4096):
        message = f"{name} is damaged or cut short: its TIFF tags say that they are larger than the file."
        raise QdashError(message, "Save it again or choose another.")
    if values.get(_TILE_WIDTH, 0) * values.get(_TILE_LENGTH, 0) > settings().max_pixels:
        raise QdashError(f"{name} has TIFF tiles larger than a picture may be.", "Save it again, without tiles.")
