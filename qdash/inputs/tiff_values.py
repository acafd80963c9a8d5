"""Uncompressed TIFFs of numbers that Pillow does not read: floats and integers of any size, of one to four channels, in either byte order.

They are what programs for measurements write. Rows lie in the file as they are, so that reading them is naming their type.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qdash.inputs import tiff

_KINDS = {1: "u", 2: "i", 3: "f"}
_WORDS = {"u": "unsigned integers", "i": "signed integers", "f": "floats"}
WHITE_IS_ZERO, YCBCR = 0, 6


@dataclass(frozen=True)
class Described:
    """What a TIFF's tags say of its first page: numbers of `bits` bits and a `kind` (“u”, “i”, “f”) in `channels`."""

    width: int
    height: int
    channels: int
    bits: int
    kind: str
    photometric: int
    compression: int

    @property
    def words(self) -> str:
        """For a sentence: 32-bit floats in 3 channels, uncompressed."""
        how = "uncompressed" if self.compression == 1 else f"compressed by method {self.compression}"
        channels = "one channel" if self.channels == 1 else f"{self.channels} channels"
        return f"{self.bits}-bit {_WORDS.get(self.kind, 'numbers of an unknown kind')} in {channels}, {how}"


def described(data: bytes) -> Described | None:
    """What the tags say; None if they lack what every picture needs."""
    first = {tag: found[0] for tag, found in tiff.numbers_of(data).items()}
    if not (first.get(tiff.WIDTH) and first.get(tiff.LENGTH) and tiff.PHOTOMETRIC in first):
        return None
    return Described(
        width=first[tiff.WIDTH],
        height=first[tiff.LENGTH],
        channels=first.get(tiff.SAMPLES, 1),
        bits=first.get(tiff.BITS, 1),
        kind=_KINDS.get(first.get(tiff.SAMPLE_FORMAT, 1), ""),
        photometric=first[tiff.PHOTOMETRIC],
        compression=first.get(tiff.COMPRESSION, 1),
    )


def plain_values(data: bytes, about: Described) -> NDArray | None:
    """Height × width × channels in the file's own numbers; None if they are compressed, in tiles or planes, or of an unusual size."""
    tags = tiff.numbers_of(data)
    if about.compression != 1 or not _usual(about, tags) or tiff.OFFSETS not in tags:
        return None
    size = about.width * about.height * about.channels * about.bits // 8
    counts = tags.get(tiff.COUNTS, (size,))
    if sum(counts) > len(data):
        return None
    found = b"".join(data[start : start + count] for start, count in zip(tags[tiff.OFFSETS], counts, strict=False))
    if len(found) < size:
        return None
    values = np.frombuffer(found[:size], np.dtype(f"{tiff.byte_order(data)}{about.kind}{about.bits // 8}"))
    return values.reshape(about.height, about.width, about.channels)


def _usual(about: Described, tags: dict[int, tuple[int, ...]]) -> bool:
    alike = len(set(tags.get(tiff.BITS, ()))) <= 1 and len(set(tags.get(tiff.SAMPLE_FORMAT, ()))) <= 1
    sized = about.kind != "" and about.bits in ((16, 32, 64) if about.kind == "f" else (8, 16, 32, 64)) and 1 <= about.channels <= 4
    chunky = about.channels == 1 or tags.get(tiff.PLANES, (1,))[0] == 1
    if about.photometric == YCBCR:
        return alike and chunky and (about.bits, about.channels) == (8, 3) and tags.get(tiff.SUBSAMPLING) == (1, 1)
    fitting = about.channels <= 2 if about.photometric in (0, 1) else about.photometric == 2 and about.channels >= 3
    return alike and sized and chunky and fitting
