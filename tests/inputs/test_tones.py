"""Pictures of any depth and range: integers, floats, colours, transparency, and what a note says of them."""

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.inputs.making import COLUMNS, RAMP, ROWS, chunk, drawing, encoded, png_of, shown, tiff_of


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
