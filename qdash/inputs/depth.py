"""Converts pictures with other than 8 bits a channel to 8 bits, because Pillow clips such values or keeps only the upper half of their
bits.
"""

import io
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from qdash.inputs.tiff import BITS, PHOTOMETRIC, SAMPLE_FORMAT
from qdash.inputs.tiff_values import WHITE_IS_ZERO, YCBCR, Described
from qdash.inputs.tones import toned

_SIGNED = 2
_DIM = 64
"""A picture of 16-bit colours none of which reaches this in its upper 8 bits leaves three quarters of its range unused."""

Shown = tuple[Image.Image, tuple[str, ...]]
"""A picture of 8 bits a channel, and notes on how it became that."""


def deep(image: Image.Image, data: bytes) -> Shown:
    """An opened picture, decoded; `data`: the file it was opened from."""
    mode = _mode_of_file(image)
    image.load()
    if image.mode.startswith("I") or image.mode == "F" or (image.mode == "L" and _tag(image, SAMPLE_FORMAT, 1) == _SIGNED):
        return _grey(image)
    if ";16" in mode and image.mode in ("RGB", "RGBA"):
        return _colour(image, data, mode)
    if image.format == "PNG":
        _scale_key(image, mode)
    return image, ()


def from_values(values: NDArray, about: Described) -> Shown:
    """The picture of a TIFF's own numbers, height × width × channels; a second or fourth channel is how opaque it is."""
    if about.photometric == YCBCR:
        return Image.merge("YCbCr", [Image.fromarray(np.ascontiguousarray(values[..., channel])) for channel in range(3)]), ()
    full = None if about.kind == "f" else 2.0 ** (about.bits - (about.kind == "i")) - 1
    colours = values.shape[2] - (values.shape[2] % 2 == 0)
    found = toned(values[..., :colours], full)
    pixels = 255 - found.values if about.photometric == WHITE_IS_ZERO else found.values
    if colours < values.shape[2]:
        opaque = np.clip(np.nan_to_num(values[..., colours:].astype(np.float64)) / (full or 1.0), 0, 1) * 255 + 0.5
        pixels = np.concatenate([pixels, opaque.astype(np.uint8)], axis=2)
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels), found.notes


def _grey(image: Image.Image) -> Shown:
    values, full = np.asarray(image), _full(image)
    if image.mode == "I" and full is not None and full >= 2**31:
        values = values.view(np.uint32)  # Pillow has signed ones only
    if image.mode == "L":
        values = values.view(np.int8)
    found = toned(values, full)
    grey = 255 - found.values if _tag(image, PHOTOMETRIC, 1) == WHITE_IS_ZERO else found.values
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey = np.where(values == transparent, 255, grey).astype(np.uint8)
    return Image.fromarray(grey), found.notes


def _full(image: Image.Image) -> float | None:
    """The largest value that the file's numbers can have; None for floats."""
    if image.mode == "F":
        return None
    bits = min(_tag(image, BITS, 16 if image.mode.startswith("I;16") else 32), 32)
    return 2.0 ** (bits - (_tag(image, SAMPLE_FORMAT, 1) == _SIGNED)) - 1


def _colour(image: Image.Image, data: bytes, mode: str) -> Shown:
    """Pillow has kept the upper 8 bits. If they say little, the lower ones are decoded too, by taking the bytes in the other order."""
    key = image.info.get("transparency")
    if isinstance(key, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in key)
    upper = np.asarray(image)
    lower = _lower(data, image.format, mode) if upper[..., :3].max() < _DIM else None
    if lower is None:
        return image, ()
    found = toned(upper[..., :3].astype(np.uint16) * 256 + lower[..., :3], 65535.0)
    return Image.fromarray(np.concatenate([found.values, upper[..., 3:]], axis=2)), found.notes


def _lower(data: bytes, kind: str | None, mode: str) -> NDArray | None:
    """The lower 8 bits of each value; None where Pillow has no decoder for the other order."""
    order = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}.get(mode[-1])
    if order is None:
        return None
    with Image.open(io.BytesIO(data), formats=(kind,) if kind else None) as image:
        image.tile = [tile._replace(args=_exchanged(tile.args, mode, mode[:-1] + order)) for tile in image.tile]  # type: ignore[attr-defined] - of files that are read
        try:
            image.load()
        except (ValueError, SyntaxError, OSError):
            return None
        return np.asarray(image)


def _exchanged(args: Any, mode: str, other: str) -> Any:
    """A decoder's arguments, of which the first, or only one, is the mode of the file's pixels."""
    if args == mode:
        return other
    return (other, *args[1:]) if isinstance(args, tuple) and args[:1] == (mode,) else args


def _mode_of_file(image: Image.Image) -> str:
    """How Pillow's decoder calls the file's pixels, such as RGB;16B."""
    tiles = getattr(image, "tile", None) or []
    args = tiles[0].args if tiles else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _scale_key(image: Image.Image, mode: str) -> None:
    """The transparent grey of a PNG of 1, 2 or 4 bits is counted in those, but Pillow's pixels go to 255."""
    bits = {"1": 1, "L;2": 2, "L;4": 4}.get(mode)
    key = image.info.get("transparency")
    if bits and isinstance(key, int):
        image.info["transparency"] = min(key * 255 // (2**bits - 1), 255)


def _tag(image: Image.Image, tag: int, default: int) -> int:
    """The first number of a TIFF's tag; `default` for other formats."""
    found = getattr(image, "tag_v2", {}).get(tag, default)
    number = found[0] if isinstance(found, tuple) and found else found
    return number if isinstance(number, int) else default
