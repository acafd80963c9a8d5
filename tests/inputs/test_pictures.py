"""Pictures as the world has them: metadata of any size, files that end early, and every orientation."""

import struct
import threading
import time
import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from qdash.inputs import read_picture
from qdash.records import Picture
from tests.inputs.making import COLUMNS, ROWS, chunk, drawing, encoded, refusal, shown, text_chunks, tiff_of, with_chunk
from tests.support.peak import forget_peak, peak_bytes


@pytest.mark.parametrize("name", list(text_chunks()))
def test_nothing_beside_the_pixels_of_a_png_is_damage(name: str) -> None:
    data = text_chunks()[name]
    tracemalloc.start()
    pixels, _ = shown(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(pixels, np.asarray(drawing())) and peak < 15e6 + 3 * len(data)


def test_a_transparent_colour_with_a_wrong_checksum_is_left_out_as_libpng_does() -> None:
    pixels, _ = shown(with_chunk(chunk(b"tRNS", struct.pack(">3H", 255, 0, 0), b"none")))
    assert np.array_equal(pixels, np.asarray(drawing()))


@pytest.mark.parametrize(
    "options", [{"exif": b"Exif\0\0" + b"q" * 60_000}, {"icc_profile": b"z" * 3_000_000}, {"comment": b"c" * 60_000}, {"xmp": b"<x" * 9000}]
)
def test_nothing_beside_the_pixels_of_a_jpeg_is_damage(options: dict[str, Any]) -> None:
    plain, _ = shown(encoded(drawing(), "JPEG"))
    assert np.array_equal(shown(encoded(drawing(), "JPEG", **options))[0], plain)


def test_a_jpeg_without_its_end_marker_is_whole_and_one_without_pixels_is_not() -> None:
    noise = Image.effect_noise((COLUMNS, ROWS), 80)
    whole = encoded(noise, "JPEG")
    assert np.array_equal(shown(whole[:-2])[0], shown(whole)[0])
    assert "the file ends before the picture does" in refusal(whole[:-40])


def test_a_jpeg_of_endless_scans_is_refused_at_once() -> None:
    data = encoded(drawing(), "JPEG", progressive=True)
    scan = data.rindex(b"\xff\xda")
    started = time.perf_counter()
    assert "scans; at most 200" in refusal(data[:-2] + data[scan:-2] * 5000 + data[-2:])
    assert time.perf_counter() - started < 1


def test_nothing_beside_the_pixels_of_a_webp_is_damage() -> None:
    plain = encoded(drawing(), "WEBP", lossless=True)
    full = encoded(drawing(), "WEBP", lossless=True, exif=b"Exif\0\0" + b"q" * 100_000, icc_profile=b"z" * 100_000, xmp=b"<x" * 9000)
    assert np.array_equal(shown(full)[0], shown(plain)[0])
    assert np.array_equal(shown(full[:-5000])[0], shown(plain)[0])  # only its XMP is cut


def test_a_webp_that_ends_in_an_empty_header_is_damaged() -> None:
    assert "damaged" in refusal(b"RIFF\x0c\0\0\0WEBPVP8X\0\0\0\0")


def test_a_gif_of_comments_takes_no_time() -> None:
    data = encoded(drawing("P"), "GIF")
    header = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    comment = b"!\xfe" + (b"\xff" + b"c" * 255) * 60_000 + b"\0"
    started = time.perf_counter()
    pixels, _ = shown(data[:header] + comment + data[header:])
    assert np.array_equal(pixels, shown(data)[0]) and time.perf_counter() - started < 2


def test_a_tiff_whose_tags_share_their_data_is_not_read_once_a_tag() -> None:
    grey = np.zeros((1000, 1000), "u1")
    extra = [(40_000 + number, 7, grey.nbytes, 8) for number in range(5000)]
    forget_peak()
    before = peak_bytes()
    assert shown(tiff_of(grey, 1, extra))[0].max() == 0
    assert peak_bytes() - before < 200e6  # all tags together are 5 GB
    shared = [(320, 7, grey.nbytes, 8), (347, 7, grey.nbytes, 8)]
    assert "larger than the file" in refusal(tiff_of(grey, 1, shared))


def test_a_tiff_of_enormous_tiles_is_refused() -> None:
    extra = [(322, 4, 1, 60_000), (323, 4, 1, 30_000), (324, 4, 1, 8), (325, 4, 1, 1000)]
    assert "tiles larger than" in refusal(tiff_of(np.zeros((40, 40), "u1"), 1, extra))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", *(["AVIF"] if features.check("avif") else [])])
@pytest.mark.parametrize("orientation", [2, 3, 5, 6, 8])
def test_the_orientation_is_kept(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned, _ = shown(encoded(drawing(), kind, exif=exif))
    assert turned.shape[:2] == ((COLUMNS, ROWS) if orientation > 4 else (ROWS, COLUMNS))
    red = {2: (20, -6), 3: (20, -6), 5: (5, 20), 6: (5, 20), 8: (-6, 20)}[orientation]
    assert turned[red][0] > 200 and turned[red][1] < 60


def test_threads_share_no_filter_of_warnings() -> None:
    before = list(warnings.filters)
    data = [encoded(drawing(), kind) for kind in ("PNG", "TIFF", "GIF")] * 4
    threads = [threading.Thread(target=read_picture, args=(one,)) for one in data]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_a_picture_as_records_had_it_before_notes() -> None:
    assert Picture.model_validate_json('{"width": 1, "height": 2, "sha256": "a"}').notes == ()


@pytest.mark.skipif(not features.check("avif"), reason="Pillow is built without AVIF here")
def test_avif_is_read_where_pillow_can() -> None:
    assert np.abs(shown(encoded(drawing(), "AVIF", quality=95))[0] - np.asarray(drawing())).mean() < 5
