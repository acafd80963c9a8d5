"""Pictures for tests, byte by byte where a library would write them too well."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from qdash.errors import QdashError
from qdash.inputs import read_picture

ROWS, COLUMNS = 40, 60
RAMP = np.linspace(0, 1, ROWS * COLUMNS).reshape(ROWS, COLUMNS)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def drawing(mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", (COLUMNS, ROWS), "white")
    ImageDraw.Draw(image).rectangle((0, 0, 20, 39), fill="red")
    return image.convert(mode)


def shown(data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    picture, png = read_picture(data)
    return np.asarray(Image.open(io.BytesIO(png))).astype(int), picture.notes


def refusal(data: bytes) -> str:
    with pytest.raises(QdashError) as caught:
        read_picture(data)
    return f"{caught.value.message} {caught.value.remedy}"


def chunk(kind: bytes, body: bytes, crc: bytes | None = None) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + (crc or struct.pack(">I", zlib.crc32(kind + body)))


def with_chunk(added: bytes, before: bytes = b"IDAT") -> bytes:
    png = encoded(drawing(), "PNG")
    place = png.index(before) - 4
    return png[:place] + added + png[place:]


def png_of(values: np.ndarray, colour: int, depth: int = 16, key: bytes | None = None) -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], depth, colour, 0, 0, 0)
    transparent = chunk(b"tRNS", key) if key else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + transparent + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff_of(values: np.ndarray, photometric: int, extra: list[tuple[int, int, int, int]] | None = None) -> bytes:
    """An uncompressed TIFF of an array, written by hand."""
    height, width, channels = values.shape if values.ndim == 3 else (*values.shape, 1)
    order = ">" if values.dtype.byteorder == ">" else "<"
    kind, bits, data = {"u": 1, "i": 2, "f": 3}[values.dtype.kind], values.dtype.itemsize * 8, values.tobytes()
    bits_at, kinds_at = 8 + len(data), 8 + len(data) + 2 * channels
    data += struct.pack(f"{order}{2 * channels}H", *[bits] * channels, *[kind] * channels)
    counted = {1: (bits, kind), 2: (bits * 0x10001, kind * 0x10001)}.get(channels, (bits_at, kinds_at))
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, counted[0]), (259, 3, 1, 1), (262, 3, 1, photometric)]
    tags += [(273, 4, 1, 8), (277, 3, 1, channels), (278, 4, 1, height), (279, 4, 1, values.nbytes), (339, 3, channels, counted[1])]
    tags = sorted(tags + (extra or []))
    directory = struct.pack(f"{order}H", len(tags))
    for tag, form, count, value in tags:
        directory += struct.pack(f"{order}HHI", tag, form, count)
        directory += struct.pack(f"{order}HH", value, 0) if form == 3 and count == 1 else struct.pack(f"{order}I", value)
    start = struct.pack(f"{order}I", 8 + len(data))
    return (b"II*\0" if order == "<" else b"MM\0*") + start + data + directory + bytes(4)


def text_chunks() -> dict[str, bytes]:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("workflow", "{" + "x" * 3_000_000 + "}", zip=True)
    bomb = zlib.compress(bytes(50_000_000))
    return {
        "a workflow in iTXt": encoded(drawing(), "PNG", pnginfo=info),
        "a bomb in zTXt": with_chunk(chunk(b"zTXt", b"k\0\0" + bomb)),
        "many bombs": with_chunk(chunk(b"zTXt", b"k\0\0" + bomb) * 40),
        "long tEXt": with_chunk(chunk(b"tEXt", b"k\0" + b"x" * 5_000_000)),
        "text after the pixels": with_chunk(chunk(b"zTXt", b"k\0\0" + bomb), b"IEND"),
        "a bomb of a profile": with_chunk(chunk(b"iCCP", b"k\0\0" + bomb)),
        "a broken profile": with_chunk(chunk(b"iCCP", b"k\0\0nonsense")),
        "a wrong checksum": with_chunk(chunk(b"gAMA", b"\0\0\0\1", b"none")),
        "a wrong length of pHYs": with_chunk(chunk(b"pHYs", b"1")),
        "broken EXIF": with_chunk(chunk(b"eXIf", b"II*\0\xff\xff\xff\xff")),
        "no end": encoded(drawing(), "PNG")[:-12],
        "half an end": encoded(drawing(), "PNG")[:-2],
        "something behind the end": encoded(drawing(), "PNG") + bytes(1000),
    }
