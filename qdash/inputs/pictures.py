"""Any picture as plain pixels: RGB, 8 bits, upright, no metadata.

A picture's size is read from its header and refused before a pixel is decoded; only common formats are opened; a decoder's error means a
damaged picture, not a crash. No state shared by threads changes while one of them reads.
"""

import hashlib
import io
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError, features

from qdash.errors import QdashError
from qdash.inputs.containers import Bare, bare
from qdash.inputs.depth import Shown, deep, from_values
from qdash.inputs.files import check_bytes, read_file
from qdash.inputs.foreign import AVIF, foreign, is_plain_text
from qdash.inputs.tiff import ORIENTATION, numbers_of
from qdash.inputs.tiff_values import YCBCR, described, plain_values
from qdash.records import Picture
from qdash.settings import settings

PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", *(("AVIF",) if features.check("avif") else ()))
MAX_ASPECT = 200  # Qwen's image processors refuse more, and no model sees anything in it
MIN_SIDE = 16  # below this, image processors mistake rows for colour channels
MAX_SCANS = 200  # of a progressive JPEG: each costs the time of a whole picture, and encoders make about ten

_END = b"\xff\xd9"
_ANOTHER = f"Choose a {', '.join(PICTURE_FORMATS[:-1])} or {PICTURE_FORMATS[-1]} picture."
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip

# Pillow warns of harmless damage, which is not for people to read, and of many pixels, of which `_check_size` allows fewer. Once for all
# threads, as warnings cannot be caught in one of them only.
warnings.filterwarnings("ignore", module=r"PIL\.")


def read_picture(source: Path | bytes, name: str = "The picture") -> tuple[Picture, bytes]:
    """Check any picture and return its record and its pixels as PNG: RGB, 8 bits, upright, no metadata. Bytes are called `name`.

    Of an animation or of several pages the first is taken; transparency is laid on white; more than 8 bits become 8, and `Picture.notes`
    says so where black and white had to be chosen; a side below MIN_SIDE pixels is enlarged by a whole factor. Colour profiles are not
    applied. Raises QdashError naming what is wrong with the picture.
    """
    name, data = (name, source) if isinstance(source, bytes) else (f"“{source.name}”", read_file(source))
    check_bytes(len(data), name)
    _check_kind(data, name)
    image, notes = _decoded(data, name)
    buffer = io.BytesIO()
    # Speed matters more than size: it is sent to a process, not over a network.
    image.save(buffer, "PNG", compress_level=1)
    png = buffer.getvalue()
    return Picture(width=image.width, height=image.height, sha256=hashlib.sha256(png).hexdigest(), notes=notes), png


def _check_kind(data: bytes, name: str) -> None:
    """Refuse known kinds of files that are no readable picture, whatever their names."""
    kind = foreign(data)
    if kind is not None and not (kind is AVIF and "AVIF" in PICTURE_FORMATS):
        said = "which cannot be read here" if kind.pictorial else "not a picture"
        raise QdashError(f"{name} is {kind.name}, {said}.", kind.remedy)
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > MAX_SCANS:
        message = f"{name} is a progressive JPEG of {data.count(bytes((0xFF, 0xDA))):,} scans; at most {MAX_SCANS} are allowed."
        raise QdashError(message, "Save it again as a plain JPEG.")


def _decoded(data: bytes, name: str) -> Shown:
    """Open, check and convert; the decoders' own errors come in a dozen types, all of which mean damage."""
    stripped = bare(data, name)
    try:
        return _of_numbers(stripped.data, name) or _opened(stripped, name)
    except QdashError:
        raise
    except Image.DecompressionBombError:
        raise _too_many_pixels(f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:,.0f} million pixels", name) from None
    except UnidentifiedImageError:
        raise _unreadable(stripped.data, name) from None
    except MemoryError:
        raise QdashError(f"There is not enough memory to read {name}.", "Scale it down or choose another.", "out_of_memory") from None
    except Exception as error:
        why = ": the file ends before the picture does" if "truncated" in str(error).lower() else f" ({error})"
        raise QdashError(f"{name} is damaged or cut short{why}.", "Save it again or choose another.") from None


def _opened(stripped: Bare, name: str) -> Shown:
    """A picture as Pillow decodes it."""
    with Image.open(io.BytesIO(stripped.data), formats=PICTURE_FORMATS) as image:
        _check_size(image.width, image.height, name)
        if image.format == "JPEG" and not _has_end(stripped.data) and _is_whole(stripped.data):
            return _opened(Bare(stripped.data + _END, stripped.orientation), name)
        plain, notes = deep(image, stripped.data)
        return _enlarged(_as_rgb(_upright(plain, _orientation(image, stripped)))), notes


def _has_end(jpeg: bytes) -> bool:
    return jpeg.rfind(_END) > jpeg.rfind(b"\xff\xda")


def _is_whole(jpeg: bytes) -> bool:
    """Whether only the end marker is missing: what follows the last pixel changes nothing, but what follows an earlier one does."""
    pixels = []
    for more in (b"", b"\x55" * 4096):
        with Image.open(io.BytesIO(jpeg + more + _END), formats=("JPEG",)) as image:
            pixels.append(image.tobytes())
    return pixels[0] == pixels[1]


def _of_numbers(data: bytes, name: str) -> Shown | None:
    """A TIFF of numbers that Pillow does not read, or not as they are meant; None for all other pictures."""
    about = described(data) if data[:2] in (b"II", b"MM") else None
    if about is None or ((about.bits, about.kind) == (8, "u") and about.photometric != YCBCR):
        return None
    _check_size(about.width, about.height, name)
    values = plain_values(data, about)
    if values is None:
        return None
    image, notes = from_values(values, about)
    return _enlarged(_as_rgb(_upright(image, numbers_of(data).get(ORIENTATION, (1,))[0]))), notes


def _unreadable(data: bytes, name: str) -> QdashError:
    """A file that no decoder accepts: a supported format with a damaged or unusual header, text, or something unknown."""
    about = described(data) if data[:2] in (b"II", b"MM") else None
    if about is not None:
        message = f"{name} is a kind of TIFF that qdash cannot read: {about.words}, photometric {about.photometric}."
        return QdashError(message, "Save it without compression, as 8-bit RGB, or as PNG.")
    known = next((words for magic, words in _OURS.items() if data.startswith(magic)), None)
    if known is not None:
        remedy = "Save it again, as a plain PNG or JPEG, or choose another."
        return QdashError(f"{name} begins like a {known}, but is damaged, cut short, or a kind of {known} that qdash cannot read.", remedy)
    what = "a text file, not a picture" if is_plain_text(data) else "not a picture that can be read"
    return QdashError(f"{name} is {what}.", _ANOTHER)


_OURS = {
    b"\x89PNG": "PNG", b"\xff\xd8": "JPEG", b"RIFF": "WebP", b"GIF8": "GIF", b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF",
    b"II+\0": "BigTIFF", b"MM\0+": "BigTIFF",
}  # fmt: skip


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > settings().max_pixels:
        raise _too_many_pixels(f"{width:,} × {height:,} pixels", name)
    if max(width, height) > MAX_ASPECT * min(width, height):
        message = f"{name} is {width:,} × {height:,} pixels: one side is more than {MAX_ASPECT} times the other."
        raise QdashError(message, "Crop it or choose another.")


def _too_many_pixels(size: str, name: str) -> QdashError:
    message = f"{name} has {size}; at most {settings().max_pixels / 1e6:,.0f} million are allowed."
    return QdashError(message, "Scale it down or choose another.")


def _orientation(image: Image.Image, stripped: Bare) -> int:
    """As EXIF says; metadata that cannot be read are no reason to refuse the pixels."""
    if stripped.orientation is not None:
        return stripped.orientation
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    plain = image.convert("RGB")
    # Pillow would write what a file brought along (profile, comments, EXIF with places) into the PNG.
    plain.info.clear()
    return plain


def _enlarged(image: Image.Image) -> Image.Image:
    factor = -(-MIN_SIDE // min(image.size))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST) if factor > 1 else image
