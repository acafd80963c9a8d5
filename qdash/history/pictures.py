"""The picture of a run, as the history keeps it: to look at, not to compute with. Its SHA-256 in the request says what the model saw."""

import io

from PIL import Image

LONGEST_SIDE = 1024


def small_picture(png: bytes) -> bytes:
    """A WebP of at most LONGEST_SIDE pixels a side from a picture that `inputs.read_picture` has made uniform."""
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=88, method=4)
    return buffer.getvalue()
