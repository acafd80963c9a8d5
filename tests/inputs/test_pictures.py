"""Pictures as the world has them: metadata of any size, numbers of any type, and files that are something else."""

import io
import struct
import threading
import time
import tracemalloc
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw, PngImagePlugin, features

from qdash.errors import QdashError
from qdash.inputs import read_picture
from qdash.records import Picture
from tests.support.peak import forget_peak, peak_bytes

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


# ── metadata ─────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize(("kind", "top"), [("u2", 65535), ("i2", 32767), ("u4", 2**32 - 1), ("i4", 2**31 - 1), ("u8", 2**64 - 2**11)])
def test_integers_of_every_type_are_shown_in_their_full_range(order: str, photometric: int, kind: str, top: int) -> None:
    pixels, notes = shown(tiff_of((RAMP * float(top)).astype(order + kind), photometric))
    expected = RAMP if photometric else 1 - RAMP
    assert np.abs(pixels[..., 0] - expected * 255).max() <= 1 and notes == ()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
@pytest.mark.parametrize(("scale", "told"), [(1, False), (255, False), (3.7, True), (0.01, True)])
def test_floats_of_every_type_and_range(order: str, kind: str, scale: float, told: bool) -> None:
    pixels, notes = shown(tiff_of((RAMP * scale).astype(order + kind), 1))
    assert np.abs(pixels[..., 0] - RAMP * 255).max() <= 1
    assert bool(notes) == told and all("the lowest is shown black, the highest white" in note for note in notes)


@pytest.mark.parametrize("depth", [10, 12, 14])
@pytest.mark.parametrize("write", [lambda values: png_of(values, 0), lambda values: tiff_of(values.astype("<u2"), 1)])
def test_bits_of_a_camera_in_16_are_stretched_and_said(depth: int, write: Any) -> None:
    top = 2**depth - 1
    pixels, notes = shown(write((RAMP * top).astype(np.uint16)))
    assert np.abs(pixels[..., 0] - RAMP * 255).max() <= 1
    assert notes == (f"Its values go up to {top:,} of a possible 65,535, so {top:,} is shown white.",)


@pytest.mark.parametrize("top", [65535, 4095])
@pytest.mark.parametrize(
    "write",
    [
        lambda values: png_of(values, 2),
        lambda values: png_of(np.concatenate([values, np.full((ROWS, COLUMNS, 1), 65535)], axis=2), 6),
        lambda values: tiff_of(values.astype("<u2"), 2),
        lambda values: tiff_of(values.astype(">u2"), 2),
    ],
)
def test_colours_of_16_bits(top: int, write: Any) -> None:
    colours = np.stack([RAMP, RAMP / 2, RAMP / 4], axis=2)
    pixels, notes = shown(write((colours * top).astype(np.uint16)))
    assert np.abs(pixels - colours * 255).max() <= 1.1 and bool(notes) == (top == 4095)


def test_colours_of_floats() -> None:
    colours = np.stack([RAMP, RAMP / 2, RAMP / 4], axis=2).astype("<f4")
    assert np.abs(shown(tiff_of(colours, 2))[0] - colours * 255).max() <= 1


def test_one_nan_is_black_and_said() -> None:
    values = RAMP.astype("<f4")
    values[0, 0] = np.nan
    pixels, notes = shown(encoded(Image.fromarray(values), "TIFF"))
    assert np.abs(pixels[..., 0] - RAMP * 255).max() <= 1 and notes == ("1 value is NaN and shown black.",)


def test_infinities_are_black_and_white() -> None:
    values = RAMP.astype("<f4")
    values[5, :2] = np.inf, -np.inf
    pixels, notes = shown(encoded(Image.fromarray(values), "TIFF"))
    assert pixels[5, 0, 0] == 255 and pixels[5, 1, 0] == 0 and notes == ("2 values are infinite and shown black or white.",)
    assert np.abs(pixels[6:, :, 0] - RAMP[6:] * 255).max() <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, 5e30, -3.4e38])
def test_a_picture_of_one_value(value: float) -> None:
    pixels, _ = shown(encoded(Image.fromarray(np.full((20, 20), value, "<f4")), "TIFF"))
    assert len(np.unique(pixels)) == 1


def test_the_whole_range_of_floats_does_not_overflow() -> None:
    values = np.where(RAMP > 0.5, 3.4e38, -3.4e38).astype("<f4")
    assert set(np.unique(shown(encoded(Image.fromarray(values), "TIFF"))[0])) == {0, 255}


def test_negative_numbers_are_stretched_from_the_lowest_to_the_highest() -> None:
    pixels, notes = shown(tiff_of((RAMP * 4000 - 1024).astype("<i2"), 1))
    assert np.abs(pixels[..., 0] - RAMP * 255).max() <= 1
    assert notes == ("Its values run from −1,024 to 2,976: the lowest is shown black, the highest white.",)


@pytest.mark.parametrize("missing", [-9999, -3.4e38])
def test_a_few_values_for_no_data_do_not_hide_the_picture(missing: float) -> None:
    values = (RAMP * 800).astype("<f4")
    values[0, :5] = missing
    pixels, notes = shown(encoded(Image.fromarray(values), "TIFF"))
    assert np.abs(pixels[..., 0] - RAMP * 255).mean() < 3 and "nearly all lie between" in notes[0]


def test_overshoot_of_resampling_is_cut_off() -> None:
    pixels, notes = shown(encoded(Image.fromarray((RAMP * 1.04 - 0.02).astype("<f4")), "TIFF"))
    assert (pixels.min(), pixels.max()) == (0, 255) and not notes


def test_transparent_greys_of_every_depth_lie_on_white() -> None:
    assert shown(png_of(np.where(RAMP > 0.5, 1000, 60_000), 0, key=struct.pack(">H", 1000)))[0].min() == 233
    assert shown(png_of(np.where(RAMP > 0.5, 100, 200), 0, 8, struct.pack(">H", 100)))[0].min() == 200
    for depth, packed in ((1, 0b11111111), (2, 0b01010101), (4, 0b00010001)):
        row = b"\0" + bytes([packed] * (32 * depth // 8))
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, depth, 0, 0, 0, 0)) + chunk(b"tRNS", struct.pack(">H", 1))
        data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(row * 32)) + chunk(b"IEND", b"")
        assert shown(data)[0].min() == 255, depth


def test_a_transparent_colour_of_16_bits_lies_on_white() -> None:
    values = np.zeros((32, 32, 3))
    values[:16] = (65535, 0, 0)
    pixels, _ = shown(png_of(values, 2, key=struct.pack(">3H", 65535, 0, 0)))
    assert tuple(pixels[5, 5]) == (255, 255, 255) and tuple(pixels[20, 5]) == (0, 0, 0)


def test_grey_with_alpha_of_16_bits() -> None:
    both = np.stack([np.zeros((ROWS, COLUMNS)), np.full((ROWS, COLUMNS), 32768)], axis=2)
    assert abs(shown(png_of(both, 4))[0].mean() - 127) <= 1
    assert abs(shown(tiff_of(both.astype("<u2"), 1, [(338, 3, 1, 2)]))[0].mean() - 127) <= 1


@pytest.mark.parametrize("mode", ["YCbCr", "CMYK", "LAB"])
def test_other_spaces_of_colour_in_tiff(mode: str) -> None:
    image = drawing()
    if mode == "LAB":
        sources = (ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"))
        image = ImageCms.profileToProfile(image, *sources, outputMode="LAB")
        assert image is not None
    else:
        image = image.convert(mode)
    assert np.abs(shown(encoded(image, "TIFF"))[0] - np.asarray(drawing())).max() <= 8


@pytest.mark.parametrize("options", [{"big_tiff": True}, {"compression": "tiff_lzw"}, {"save_all": True, "append_images": [drawing("1")]}])
def test_tiffs_of_many_makes(options: dict[str, Any]) -> None:
    assert np.array_equal(shown(encoded(drawing(), "TIFF", **options))[0], np.asarray(drawing()))


def test_a_picture_as_records_had_it_before_notes() -> None:
    assert Picture.model_validate_json('{"width": 1, "height": 2, "sha256": "a"}').notes == ()


# ── files that are something else ────────────────────────────────────────────────────────────────────────────────


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


@pytest.mark.skipif(not features.check("avif"), reason="Pillow is built without AVIF here")
def test_avif_is_read_where_pillow_can() -> None:
    assert np.abs(shown(encoded(drawing(), "AVIF", quality=95))[0] - np.asarray(drawing())).mean() < 5
