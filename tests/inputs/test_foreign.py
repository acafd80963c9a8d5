"""Files that are no pictures qdash reads are named by their contents, whatever their names say."""

import struct
from pathlib import Path

import numpy as np
import pytest

from qdash.inputs import read_picture
from tests.inputs.making import COLUMNS, drawing, encoded, refusal, tiff_of


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture, which cannot be read here. Save it as JPEG first"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0", "a camera's RAW file"),
        (b"II*\0\x10\0\0\0CR\x02\0" + bytes(20), "a camera's RAW file"),
        (tiff_of(np.zeros((40, 40), "u1"), 1, [(254, 4, 1, 1), (330, 4, 1, 8)]), "a camera's RAW file"),
        (b"<?xml version='1.0'?><!-- a --><svg xmlns=''/>", "an SVG drawing, which cannot be read here. Export it as PNG."),
        (b"\xff\x0a" + bytes(9), "a JPEG XL picture"),
        (b"%PDF-1.7\n", "a PDF document, not a picture. Export the page"),
        (b"\0\0\0\x20ftypisom", "a video, not a picture"),
        (b"PK\x03\x04" + bytes(30), "a ZIP archive, not a picture. Unpack it"),
        (b"<!DOCTYPE html><html>", "a web page (HTML), not a picture. Download the picture itself"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer to a file, not a picture. Fetch"),
        (b"8BPS\0\1", "a Photoshop document"),
        (bytes(128) + b"DICM", "a DICOM file"),
        (b"\x93NUMPY\1\0", "a NumPy array (.npy)"),
        (bytes(5000), "a file of nothing but zeros"),
        (b"\xef\xbf\xbdPNG\r\n\x1a\n", "a picture that was copied as text"),
        (b"data:image/png;base64,iVBORw0KGgo=", "a data: URI written to a file"),
        (b'{"error": "not found"}', "a text file, not a picture"),
        (b"\x89PNG\r\n\x1a\n", "begins like a PNG, but"),
        (tiff_of(np.zeros((40, 40), "<f4"), 1).replace(struct.pack("<HHIHH", 259, 3, 1, 1, 0), struct.pack("<HHIHH", 259, 3, 1, 34887, 0)),
         "a kind of TIFF that qdash cannot read: 32-bit floats in one channel, compressed by method 34887"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_by_its_contents(data: bytes, said: str, tmp_path: Path) -> None:
    assert said in refusal(data)


def test_a_wrong_ending_does_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "photo.heic"
    file.write_bytes(encoded(drawing(), "JPEG"))
    assert read_picture(file)[0].width == COLUMNS
