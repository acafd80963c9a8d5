"""What people hand in, checked and made uniform: a picture becomes a plain RGB PNG, a question clean text.

Nothing here trusts its input. A picture's size is read from its header and refused before a pixel is decoded; only common formats
are opened; whatever a decoder stumbles over is a damaged picture, not a crash. Limits come from `settings`.
"""

import hashlib
import io
import re
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from qdash.errors import QdashError
from qdash.records import Picture
from qdash.settings import settings

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
MAX_ASPECT = 200  # Qwen's image processors refuse more, and no model sees anything in it
MIN_SIDE = 16  # below this, image processors mistake rows for colour channels

_ANOTHER = f"Choose a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} picture."


def read_picture(source: Path | bytes) -> tuple[Picture, bytes]:
    """Check any picture and return its record and its pixels as PNG: RGB, 8 bits, upright, no metadata.

    Of an animation the first frame is taken; transparency is laid on white; 16 bits become 8; a side below MIN_SIDE pixels is enlarged by a
    whole factor. Raises QdashError naming what is wrong with the picture.
    """
    name, data = ("The picture", source) if isinstance(source, bytes) else (f"“{source.name}”", _read_file(source))
    _check_bytes(len(data), name)
    image = _decoded(data, name)
    buffer = io.BytesIO()
    # Speed matters more than size: it is sent to a process, not over a network.
    image.save(buffer, "PNG", compress_level=1)
    png = buffer.getvalue()
    return Picture(width=image.width, height=image.height, sha256=hashlib.sha256(png).hexdigest()), png


def check_prompt(text: str) -> str:
    r"""Return the question as the model gets it; raises QdashError if it is empty or too long.

    Line ends become \n. Removed are control characters other than newline and tab, byte-order marks, and the invisible characters that
    override text direction (U+202A–202E, U+2066–2069), which can show a text other than the one the model reads. Right-to-left letters,
    their marks (U+200E, U+200F), joiners and everything else stay. Surrogates that are no character become U+FFFD.
    """
    text = _clean(text, "question")
    if not _says_something(text):
        raise QdashError("The question is empty.", "Write one, such as “What is in this picture?”.")
    return text


def check_reference_text(text: str) -> str | None:
    """The same for a text to compare variants along; None if there is nothing in it."""
    text = _clean(text, "reference text")
    return text if _says_something(text) else None


def read_reference_text(path: Path) -> str | None:
    """A reference text from a UTF-8 file; raises QdashError for what is no such file, or too long."""
    data = _read_file(path, "text")
    try:
        return check_reference_text(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise QdashError(f"“{path.name}” is no text in UTF-8.", "Save it as UTF-8, or choose another file.") from None


def _clean(text: str, what: str) -> str:
    limit = settings().max_prompt_chars
    if len(text) > limit:
        raise QdashError(f"The {what} has {len(text):,} characters; at most {limit:,} are allowed.", "Shorten it.")
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = re.sub("\r\n?|[\u2028\u2029\x85]", "\n", text)
    return "".join(character for character in text if not _is_dropped(character))


def _says_something(text: str) -> bool:
    return any(character.isprintable() and not character.isspace() for character in text)


def _is_dropped(character: str) -> bool:
    if character in "\n\t":
        return False
    code = ord(character)
    return unicodedata.category(character) == "Cc" or 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069 or code == 0xFEFF


def _read_file(path: Path, kind: str = "picture") -> bytes:
    if not path.is_file():
        what = f"is a folder, not a {kind}" if path.is_dir() else "does not exist"
        raise QdashError(f"“{path}” {what}.", f"Check the path of the {kind}.")
    try:
        # The size first: what is too large is never read.
        _check_bytes(path.stat().st_size, f"“{path.name}”", kind)
        return path.read_bytes()
    except OSError as error:
        raise QdashError(f"“{path}” cannot be read ({error.strerror}).", "Check its permissions.") from None


def _check_bytes(size: int, name: str, kind: str = "picture") -> None:
    limit = settings().max_upload_bytes
    if size > limit:
        message = f"{name} has {size / 2**20:,.1f} MiB; at most {limit / 2**20:,.0f} are allowed."
        raise QdashError(message, "Scale it down or choose another." if kind == "picture" else "Shorten it or choose another.")
    if size == 0:
        raise QdashError(f"{name} is empty: the file has no bytes.", _ANOTHER if kind == "picture" else "Choose another file.")


def _decoded(data: bytes, name: str) -> Image.Image:
    """Open, check and convert; the decoders' own errors come in a dozen types, all of which mean damage."""
    try:
        with _quiet(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image.width, image.height, name)
            image.load()
            return _enlarged(_as_rgb(_upright(image)))
    except QdashError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels(f"more than {(Image.MAX_IMAGE_PIXELS or 0) / 1e6:,.0f} million pixels", name) from None
    except UnidentifiedImageError:
        raise QdashError(f"{name} is not a picture that can be read.", _ANOTHER) from None
    except MemoryError:
        raise QdashError(f"There is not enough memory to read {name}.", "Scale it down or choose another.", "out_of_memory") from None
    except Exception as error:
        raise QdashError(f"{name} is damaged or cut short ({error}).", "Save it again or choose another.") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Pillow warns of harmless damage, which is not for people to read, and of too many pixels, which to us is a refusal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > settings().max_pixels:
        raise _too_many_pixels(f"{width:,} × {height:,} pixels", name)
    if max(width, height) > MAX_ASPECT * min(width, height):
        message = f"{name} is {width:,} × {height:,} pixels: one side is more than {MAX_ASPECT} times the other."
        raise QdashError(message, "Crop it or choose another.")


def _too_many_pixels(size: str, name: str) -> QdashError:
    message = f"{name} has {size}; at most {settings().max_pixels / 1e6:,.0f} million are allowed."
    return QdashError(message, "Scale it down or choose another.")


def _upright(image: Image.Image) -> Image.Image:
    """Turn as EXIF says; metadata that cannot be read is no reason to refuse the pixels."""
    with suppress(Exception):
        return ImageOps.exif_transpose(image)
    return image


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    plain = image.convert("RGB")
    # Pillow would write what a file brought along (profile, comments, EXIF with places) into the PNG.
    plain.info.clear()
    return plain


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey values of 16 or 32 bits or floats as 8 bits. Pillow itself would cut them off at 255."""
    wide = image.convert("F")
    low, high = wide.getextrema()
    assert isinstance(high, float)
    full = 65535.0 if image.mode.startswith("I") else next((bound for bound in (1.0, 255.0, 65535.0) if high <= bound), high)
    return wide.point(lambda value: value * (255 / full) + 0.5).convert("L")


def _enlarged(image: Image.Image) -> Image.Image:
    factor = -(-MIN_SIDE // min(image.size))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST) if factor > 1 else image
