"""Pictures of every sort and damage, and questions of every sort."""

import hashlib
import io
import struct
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from qdash.errors import QdashError
from qdash.inputs import check_prompt, check_reference_text, files, pictures, read_picture, read_reference_text
from qdash.settings import Settings


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def colour_at(image: Image.Image, place: tuple[int, int]) -> tuple[float, ...]:
    """The channels of one pixel."""
    found = image.getpixel(place)
    assert isinstance(found, tuple)
    return found


def read(source: bytes | Path) -> Image.Image:
    """The normalised picture, after checking what holds for all of them."""
    picture, png = read_picture(source)
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (picture.width, picture.height))
    assert picture.sha256 == hashlib.sha256(png).hexdigest()
    assert not image.info
    return image


def refusal(source: bytes | Path) -> str:
    with pytest.raises(QdashError) as caught:
        read_picture(source)
    assert caught.value.remedy
    return caught.value.message


def two_colours(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    return image.convert(mode)


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_common_formats_are_read(kind: str) -> None:
    image = read(encoded(two_colours(), kind))
    assert image.size == (40, 30)
    red, _, blue = colour_at(image, (5, 15))
    assert red > 240 and blue < 15


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("PPM", "is a Netpbm picture"),
        ("ICO", "is an icon"),
        ("TGA", "is not a picture that can be read"),
        ("PDF", "is a PDF document, not a picture"),
        ("JPEG2000", "is a JPEG 2000 picture, which cannot be read here"),
    ],
)
def test_uncommon_formats_are_not_opened(kind: str, said: str) -> None:
    assert said in refusal(encoded(two_colours(), kind))


@pytest.mark.parametrize(("mode", "kind"), [("CMYK", "JPEG"), ("P", "PNG"), ("L", "JPEG"), ("CMYK", "TIFF")])
def test_every_colour_mode_becomes_rgb(mode: str, kind: str) -> None:
    image = read(encoded(two_colours(mode), kind))
    assert image.getpixel((5, 15)) != image.getpixel((35, 15))


def test_one_bit_becomes_black_and_white() -> None:
    image = Image.new("1", (32, 32), 1)
    image.paste(0, (0, 0, 16, 32))
    normalised = read(encoded(image, "TIFF"))
    assert normalised.getpixel((5, 5)) == (0, 0, 0) and normalised.getpixel((20, 5)) == (255, 255, 255)


def test_cmyk_keeps_its_colours() -> None:
    red, green, blue = colour_at(read(encoded(two_colours("CMYK"), "JPEG", quality=95)), (5, 15))
    assert red > 230 and green < 25 and blue < 25


def test_sixteen_bits_are_scaled_not_cut_off() -> None:
    levels = np.full((32, 32), 65535, np.uint16)
    levels[:, :16] = 32768
    normalised = read(encoded(Image.fromarray(levels), "PNG"))
    assert normalised.getpixel((20, 5)) == (255, 255, 255)
    assert normalised.getpixel((5, 5)) == (128, 128, 128)


def test_floats_are_scaled() -> None:
    image = Image.new("F", (32, 32), 1.0)
    image.paste(0.5, (0, 0, 16, 32))
    normalised = read(encoded(image, "TIFF"))
    assert normalised.getpixel((20, 5)) == (255, 255, 255) and normalised.getpixel((5, 5)) == (128, 128, 128)


def test_every_nan_is_black_and_nothing_to_be_warned_of() -> None:
    values = np.full((32, 32), 0.5, np.float32)
    values.view(np.uint32)[0, :2] = 0x7F800001, 0x7FC00000  # a signalling one and a quiet one
    source = encoded(Image.fromarray(values), "TIFF")
    picture, _ = read_picture(source)
    assert picture.notes == ("2 values are NaN and shown black.",)
    assert [read(source).getpixel((column, 0)) for column in range(3)] == [(0, 0, 0), (0, 0, 0), (128, 128, 128)]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_lies_on_white(mode: str) -> None:
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0)).convert(mode)
    assert read(encoded(image, "PNG" if mode != "PA" else "TIFF")).getpixel((5, 5)) == (255, 255, 255)


def test_half_transparent_black_is_grey() -> None:
    assert read(encoded(Image.new("RGBA", (32, 32), (0, 0, 0, 128)), "PNG")).getpixel((5, 5)) == (127, 127, 127)


def test_a_transparent_palette_entry_lies_on_white() -> None:
    assert read(encoded(Image.new("P", (32, 32), 0), "GIF", transparency=0)).getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    red, _, blue = colour_at(read(encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)), (5, 5))
    assert red > 240 and blue < 15


def test_exif_orientation_is_applied_and_metadata_dropped() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010E] = "my address"
    picture = encoded(two_colours(), "JPEG", exif=exif, comment=b"secret", icc_profile=b"profile")
    image = read(picture)
    assert image.size == (30, 40)
    assert colour_at(image, (15, 5))[0] > 240 and colour_at(image, (15, 35))[2] > 240
    _, png = read_picture(picture)
    assert b"address" not in png and b"secret" not in png and b"profile" not in png


def test_text_chunks_are_dropped() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "somebody")
    _, png = read_picture(encoded(two_colours(), "PNG", pnginfo=info))
    assert b"somebody" not in png


def test_damaged_exif_is_no_reason_to_refuse() -> None:
    assert read(encoded(two_colours(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xff" * 50)).size == (40, 30)


@pytest.mark.parametrize(("size", "expected"), [((1, 1), (16, 16)), ((3, 3), (18, 18)), ((1, 200), (16, 3200)), ((16, 20), (16, 20))])
def test_tiny_pictures_are_enlarged(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert read(encoded(Image.new("RGB", size, "red"), "PNG")).size == expected


def test_extreme_aspects_are_refused() -> None:
    assert "201 × 1 pixels" in refusal(encoded(Image.new("RGB", (201, 1)), "PNG"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated_pictures_are_damaged(kind: str) -> None:
    data = encoded(Image.effect_noise((64, 64), 80).convert("RGB"), kind)
    message = refusal(data[: len(data) // 2])
    assert "damaged or cut short" in message or "not a picture" in message


def test_corrupt_pixels_are_damaged() -> None:
    data = bytearray(encoded(Image.effect_noise((64, 64), 80), "PNG"))
    data[len(data) // 2] ^= 0xFF
    assert "damaged" in refusal(bytes(data))


@given(st.data())
def test_no_damage_escapes(data: st.DataObject) -> None:
    picture = bytearray(encoded(two_colours(), data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]))))
    for _ in range(5):
        picture[data.draw(st.integers(0, len(picture) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_picture(bytes(picture))
    except QdashError as error:
        assert error.message and error.remedy


@pytest.mark.parametrize("data", [b"hello", b"<svg/>", b"%PDF-1.7", b"\0" * 100, b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert "picture" in refusal(data)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "nothing.png").touch()
    assert refusal(tmp_path / "nothing.png") == "“nothing.png” is empty: the file has no bytes."
    assert "is empty" in refusal(b"")


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.png")
    assert "is a folder" in refusal(tmp_path)
    assert "does not exist" in refusal(Path("/dev/zero"))


@pytest.mark.parametrize(("width", "height"), [(12_000, 10_000), (20_000, 15_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_before_it_is_decoded(width: int, height: int) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1_000_000))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    tracemalloc.start()
    start = time.perf_counter()
    message = refusal(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "at most 40 million are allowed" in message
    assert peak < 5e6 and time.perf_counter() - start < 1


def test_the_limits_come_from_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (files, pictures):
        monkeypatch.setattr(module, "settings", lambda: Settings(max_pixels=1000, max_upload_bytes=2000))
    assert "40 × 30 pixels" in refusal(encoded(two_colours(), "PNG"))
    big = tmp_path / "big.png"
    big.write_bytes(bytes(3000))
    assert "“big.png” has 0.0 MiB" in refusal(big) and "at most" in refusal(bytes(3000))


def test_a_picture_of_the_largest_size_is_read() -> None:
    assert read(encoded(Image.new("L", (8000, 5000)), "PNG")).size == (8000, 5000)


# ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "What is in this picture?",
        "这张图片中有什么？请描述一下。",
        "ما الذي في هذه الصورة؟",
        "\u200fשלום\u200f, what?",
        "نمی‌دانم",
        "👩‍👩‍👧 how many?",
        "two\nlines\tand a tab",
        "  spaces stay  ",
        "<script>alert(1)</script>",
    ],
)
def test_real_questions_stay_as_they_are(text: str) -> None:
    assert check_prompt(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\u2028b\x85c", "a\nb\nc"),
        ("nul\0 bell\a esc\x1b[31m del\x7f c1\x9b", "nul bell esc[31m del c1"),
        ("user\u202egnp.exe\u202c", "usergnp.exe"),
        ("\u2066isolated\u2069", "isolated"),
        ("\ufeffbom", "bom"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("pair \ud83d\ude00", "pair 😀"),
    ],
)
def test_what_is_invisible_and_harmful_is_removed(text: str, expected: str) -> None:
    assert check_prompt(text) == expected


@pytest.mark.parametrize("text", ["", " \n\t ", "\0\0", "\u202e", "\u200d", "\u3000"])
def test_an_empty_question_is_refused(text: str) -> None:
    with pytest.raises(QdashError, match="empty"):
        check_prompt(text)


def test_a_question_that_is_too_long_names_both_lengths() -> None:
    with pytest.raises(QdashError, match=r"1,000,000 characters; at most 20,000"):
        check_prompt("x" * 1_000_000)


@given(st.text(alphabet=st.characters(), min_size=1, max_size=50))
def test_what_passes_can_be_encoded_and_passes_again(text: str) -> None:
    try:
        clean = check_prompt(text)
    except QdashError:
        return
    clean.encode("utf-8")
    assert check_prompt(clean) == clean


# ── reference texts ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reference_text_is_cleaned_like_a_question_and_may_be_empty(tmp_path: Path) -> None:
    assert check_reference_text("a\r\nb\x07\u202e") == "a\nb"
    assert check_reference_text(" \n\u200b") is None
    with pytest.raises(QdashError, match="The reference text has 20,001 characters"):
        check_reference_text("x" * 20_001)
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "白色".encode())
    assert read_reference_text(path) == "白色"


@pytest.mark.parametrize(
    ("content", "words"), [(None, "does not exist"), (b"", "is empty"), (b"\xff\xfe\x00", "line 1, column 1: this is not text in UTF-16")]
)
def test_a_file_that_is_no_text_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(QdashError, match=words) as caught:
        read_reference_text(path)
    assert "text.txt" in caught.value.message and "picture" not in caught.value.message + caught.value.remedy
