"""Removes from a picture's file everything but the picture: text, EXIF, XMP, colour profiles, thumbnails, comments, further frames and
pages.

Decoders read all of that before the first pixel and fail on it: Pillow reports a PNG with a long text as damaged, and copies a GIF's
comment once a block. Rather than raising limits, such parts are cut out of the bytes before decoding. Only the orientation is read from
EXIF. Colour profiles are not applied, as the models' own image processors do not either.

From an unexpected structure on, the bytes are left as they are, and the decoder reports the fault.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qdash.inputs.tiff import without_tags

_MAX_EXIF_BYTES = 2**16
PNG = b"\x89PNG\r\n\x1a\n"
# What decides about pixels; APNG's chunks are not among them, and the picture for programs that do not know it is the first frame.
_PNG_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS")
_FILL = re.compile(rb"(?:\xff(?=\xff))*+")  # any number of FF may stand before a JPEG's marker
_IEND = b"\0\0\0\0IEND\xaeB\x60\x82"
_WEBP_CHUNKS = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF")


@dataclass(frozen=True)
class Bare:
    """A file's bytes without metadata, and its EXIF orientation (1: upright, to 8; None: the decoder tells)."""

    data: bytes
    orientation: int | None = 1


def bare(data: bytes, name: str) -> Bare:
    """`data` without metadata, if it is of a format that has them; others as they are.

    Raises QdashError, calling the picture `name`, for a TIFF that would take too much memory or is RAW.
    """
    if data[:4] in _TIFF:
        return Bare(without_tags(data, name), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    strip = next((strip for magic, strip in _STRIPPERS.items() if data.startswith(magic)), None)
    return strip(data) if strip else Bare(data, None)


def exif_orientation(exif: bytes) -> int:
    """The orientation that EXIF data give, 1 to 8; 1 if they are damaged or do not say."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, place)
            if tag == 0x0112:
                return value if kind == 3 and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _png(data: bytes) -> Bare:
    kept, orientation, place, kind = [PNG], 1, len(PNG), b""
    while place + 8 <= len(data) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, place)
        chunk = data[place : place + 12 + length] if kind in _PNG_CHUNKS or kind == b"eXIf" else b""
        place += 12 + length
        if kind == b"eXIf" and length <= _MAX_EXIF_BYTES:
            orientation = exif_orientation(chunk[8:-4])
        elif kind in _PNG_CHUNKS and not (kind == b"tRNS" and _is_corrupt(chunk)):
            kept.append(chunk)
    if kind != b"IEND" and place <= len(data):
        kept.append(_IEND)  # nothing but the end is missing
    return Bare(b"".join(kept), orientation)


def _is_corrupt(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big")


def _jpeg(data: bytes) -> Bare:
    kept, orientation, rest = [data[:2]], 1, 2
    for marker, start, end in _segments(data):
        segment = data[start:end]
        if marker == 0xE1 and segment[4:10] == b"Exif\0\0" and orientation == 1:
            orientation = exif_orientation(segment[4:])
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or segment[4:9] in (b"JFIF\0", b"Adobe"):
            kept.append(segment)
        rest = end
    return Bare(b"".join([*kept, data[rest:]]), orientation)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of a JPEG's segments, up to the first that begins pixels or is not what it should be."""
    place = 2
    while True:
        place = _FILL.match(data, place).end()  # type: ignore[union-attr] - matches anything
        if data[place : place + 1] != b"\xff" or place + 4 > len(data):
            return
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker < 0xC0 or 0xD0 <= marker <= 0xDA or length < 2:
            return
        yield marker, place, place + 2 + length
        place += 2 + length


def _webp(data: bytes) -> Bare:
    kept, orientation, place = [], 1, 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        end = place + 8 + length + length % 2
        if kind == b"EXIF" and length <= _MAX_EXIF_BYTES:
            orientation = exif_orientation(data[place + 8 : end])
        elif kind == b"VP8X" and length and end <= len(data):
            # Its flags for a profile, EXIF and XMP go with them.
            kept += [data[place : place + 8], bytes([data[place + 8] & ~0x2C]), data[place + 9 : end]]
        elif kind in _WEBP_CHUNKS:
            kept.append(data[place:end])
        place = end
    body = b"".join(kept)
    return Bare(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body, orientation)


def _gif(data: bytes) -> Bare:
    """The header, the first picture, and of the extensions before it only the graphic control, which has its transparent colour."""
    place = 13 + _colours(data, 10)
    kept = [data[:place]]
    while data[place : place + 1] == b"!":
        end = _after_blocks(data, place + 2)
        if data[place + 1 : place + 2] == b"\xf9":
            kept.append(data[place:end])
        place = end
    if data[place : place + 1] != b",":
        return Bare(b"".join([*kept, data[place:]]))
    end = _after_blocks(data, place + 10 + _colours(data, place + 9) + 1)
    return Bare(b"".join([*kept, data[place:end], b";" if data[end - 1 : end] == b"\0" else b""]))


def _colours(data: bytes, place: int) -> int:
    """Bytes of the colour table that the flags at `place` announce."""
    flags = data[place] if place < len(data) else 0
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, place: int) -> int:
    """Where the sub-blocks that begin at `place` end."""
    while place < len(data) and data[place]:
        place += 1 + data[place]
    return min(place + 1, len(data))


_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_STRIPPERS: dict[bytes, Callable[[bytes], Bare]] = {PNG: _png, b"\xff\xd8": _jpeg, b"GIF8": _gif}
