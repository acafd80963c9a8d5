"""Draws a scene with Pillow: polygons for shapes, the Noto Color Emoji font for things.

Emoji are rendered once a process and then only scaled and turned, because training draws a hundred pictures a second.
`roughen` adds what real files have (blur, JPEG blocks, sensor noise); pictures for people are drawn without it.
"""

from __future__ import annotations

import io
import math
import random
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from qdash.tasks.generators.vocabulary import THINGS
from qdash.tasks.generators.world import Scene, SceneObject

EMOJI_FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
"""Where Debian's and Ubuntu's fonts-noto-color-emoji puts the font (SIL Open Font License)."""

EMOJI_FONT_SIZE = 109
"""The one size of the font's bitmaps."""


def draw_scene(scene: Scene, supersample: int = 1) -> Image.Image:
    """The scene as an RGB picture of `scene.width` × `scene.height`; `supersample` > 1 smooths the edges."""
    size = (scene.width * supersample, scene.height * supersample)
    picture = Image.new("RGB", size, scene.background_rgb)
    for item in scene.objects:
        centre = (item.cx * size[0], item.cy * size[1])
        side = item.size * min(size)
        if item.rgb is None:
            _paste_emoji(picture, item, centre, side)
        else:
            _draw_shape(ImageDraw.Draw(picture), item, centre, side, scene.background_rgb)
    if supersample > 1:
        picture = picture.resize((scene.width, scene.height), Image.Resampling.LANCZOS)
    return picture


def roughen(picture: Image.Image, rng: random.Random) -> Image.Image:
    """The picture as a camera or a web page might give it: sometimes blurred, JPEG-coded or noisy, often untouched."""
    if rng.random() < 0.2:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
    if rng.random() < 0.15:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=rng.randint(40, 90))
        picture = Image.open(buffer).convert("RGB")
    if rng.random() < 0.15:
        noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(1, 6), (*picture.size[::-1], 3))
        picture = Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))
    return picture


def has_emoji() -> bool:
    """Whether the font with the things is on this machine."""
    return Path(EMOJI_FONT).is_file()


@lru_cache(maxsize=1)
def emoji_pictures() -> dict[str, Image.Image]:
    """Every thing of the world as a square RGBA picture, cropped to its ink, keyed by English name."""
    font = ImageFont.truetype(EMOJI_FONT, EMOJI_FONT_SIZE)
    pictures = {}
    for kind in THINGS:
        sheet = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
        ImageDraw.Draw(sheet).text((8, 8), kind.emoji or "", font=font, embedded_color=True)
        ink = sheet.crop(sheet.getbbox())
        side = max(ink.size)
        square = Image.new("RGBA", (side, side), (0, 0, 0, 0))
        square.paste(ink, ((side - ink.width) // 2, (side - ink.height) // 2))
        pictures[kind.en] = square
    return pictures


def _paste_emoji(picture: Image.Image, item: SceneObject, centre: tuple[float, float], side: float) -> None:
    pixels = max(8, round(side))
    emoji = emoji_pictures()[item.kind.en].resize((pixels, pixels), Image.Resampling.BILINEAR)
    if item.angle:
        emoji = emoji.rotate(item.angle, Image.Resampling.BILINEAR, expand=True)
    corner = (round(centre[0] - emoji.width / 2), round(centre[1] - emoji.height / 2))
    picture.paste(emoji, corner, emoji)


def _draw_shape(
    draw: ImageDraw.ImageDraw,
    item: SceneObject,
    centre: tuple[float, float],
    side: float,
    hole_rgb: tuple[int, int, int],
) -> None:
    turn = math.radians(item.angle)
    cosine, sine = math.cos(turn) * side / 2, math.sin(turn) * side / 2
    outline = [(centre[0] + x * cosine - y * sine, centre[1] + x * sine + y * cosine) for x, y in _outline(item.kind.en)]
    draw.polygon(outline, fill=item.rgb)
    if item.kind.en == "ring":
        radius = side / 2 * 0.55
        draw.ellipse((centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius), fill=hole_rgb)


@lru_cache(maxsize=32)
def _outline(shape: str) -> tuple[tuple[float, float], ...]:
    """A shape's outline in the square from -1 to 1, y pointing down."""
    if shape in {"circle", "ring"}:
        return tuple((math.cos(i * math.tau / 40), math.sin(i * math.tau / 40)) for i in range(40))
    if shape == "star":
        points = ((i, 1.0 if i % 2 == 0 else 0.42) for i in range(10))
        return tuple((r * math.sin(i * math.pi / 5), -r * math.cos(i * math.pi / 5)) for i, r in points)
    if shape == "heart":
        return tuple(_heart_point(i * math.tau / 40) for i in range(40))
    return _POLYGONS[shape]


def _heart_point(t: float) -> tuple[float, float]:
    """The classic parametric heart, scaled to the unit square."""
    x = 16 * math.sin(t) ** 3
    y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
    return x / 16, -(y + 2.5) / 14.6


_ARM = 0.34
_POLYGONS: dict[str, tuple[tuple[float, float], ...]] = {
    "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "triangle": ((0, -0.95), (1, 0.85), (-1, 0.85)),
    "diamond": ((0, -1), (0.75, 0), (0, 1), (-0.75, 0)),
    "cross": (
        (-_ARM, -1), (_ARM, -1), (_ARM, -_ARM), (1, -_ARM), (1, _ARM), (_ARM, _ARM),
        (_ARM, 1), (-_ARM, 1), (-_ARM, _ARM), (-1, _ARM), (-1, -_ARM), (-_ARM, -_ARM),
    ),
}  # fmt: skip
