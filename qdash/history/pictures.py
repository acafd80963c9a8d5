"""The picture of a run, as the history keeps it: to look at, not to compute with. Its SHA-256 in the request says what the model saw."""

import io

from PIL import Image

LONGEST_SIDE = 1024
THUMBNAIL_SIDE, MOST_THUMBNAIL_BYTES = 96, 6 * 1024
"""Of a picture in the list: twice what it takes there, so that it is sharp on fine screens too."""


def small_picture(png: bytes) -> bytes:
    """A WebP of at most LONGEST_SIDE pixels a side from a picture that `inputs.read_picture` has made uniform."""
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=88, method=4)
    return buffer.getvalue()


def thumbnail(picture: bytes) -> bytes | None:
    """A WebP for the list, of at most MOST_THUMBNAIL_BYTES, from one that `small_picture` has made; None for what is no such picture."""
    try:
        with Image.open(io.BytesIO(picture), formats=("WEBP",)) as opened:
            image = opened.convert("RGB")
    except (OSError, ValueError):
        return None
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    for quality in (80, 50, 20):
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, method=4)
        if buffer.tell() <= MOST_THUMBNAIL_BYTES:
            return buffer.getvalue()
    return None
