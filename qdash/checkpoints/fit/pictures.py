"""How many tokens of the context a picture takes, from the configuration of a checkpoint's processor."""

import math
from collections.abc import Mapping
from typing import Any

from qdash.checkpoints.fit.values import Config

PICTURE = (1024, 768)
"""Width and height of the picture that is counted: how many tokens one takes depends on its size for some processors."""


def picture_tokens(config: Config, processor: Config) -> int | None:
    """Tokens of a picture of `PICTURE` pixels; None where the files do not say, or the model sees nothing.

    `processor`: processor_config.json, or preprocessor_config.json where there is none.
    """
    counted = _COUNTED.get(str(config.get("model_type")))
    try:
        return counted(config, processor) if counted is not None else None
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def _images(processor: Config) -> Config:
    """What is said of pictures: part of processor_config.json, all of preprocessor_config.json."""
    nested = processor.get("image_processor")
    return nested if isinstance(nested, Mapping) else processor


def _patches(config: Config, processor: Config) -> int:
    """LLaVA: a square of patches."""
    images = _images(processor)
    size = images.get("crop_size") or images["size"]
    height, width = (size, size) if isinstance(size, int) else (size["height"], size["width"])
    patch = processor.get("patch_size") or config["vision_config"]["patch_size"]
    count = (height // patch) * (width // patch) + int(processor.get("num_additional_image_tokens") or 0)
    return count - (processor.get("vision_feature_select_strategy") == "default")


def _tiles(config: Config, processor: Config) -> int:
    """Idefics 3: the picture in tiles and once as a whole, with tokens that say which tile follows."""
    images, each = _images(processor), int(processor["image_seq_len"])
    longest, tile = int(images["size"]["longest_edge"]), int(images["max_image_size"]["longest_edge"])
    if not images.get("do_image_splitting", True):
        return each + 3
    columns, rows = _grid(longest, tile)
    if rows * columns <= 1:
        return each + 3
    return rows * columns * (each + 2) + rows + each + 3


def _grid(longest: int, tile: int) -> tuple[int, int]:
    """Columns and rows of tiles."""
    width, height = PICTURE
    width, height = longest, _even(int(height * longest / width))
    return math.ceil(width / tile), math.ceil(height / tile)


def _even(number: int) -> int:
    return number + number % 2


def _pooled(config: Config, processor: Config) -> int:
    """Gemma 3: always as many, and two tokens before and after."""
    return int(config.get("mm_tokens_per_image", 256)) + 4


def _merged(config: Config, processor: Config) -> int:
    """Qwen-VL: as many as the picture has squares of merged patches, its sides rounded, between two limits."""
    images = _images(processor)
    side = int(images["patch_size"]) * int(images["merge_size"])
    size: Mapping[str, Any] = images.get("size") or {}
    least = int(images.get("min_pixels") or size["shortest_edge"])
    most = int(images.get("max_pixels") or size["longest_edge"])
    width, height = PICTURE
    columns, rows = round(width / side), round(height / side)
    if rows * columns * side * side > most:
        shrunk = math.sqrt(width * height / most)
        columns, rows = max(1, math.floor(width / shrunk / side)), max(1, math.floor(height / shrunk / side))
    elif rows * columns * side * side < least:
        grown = math.sqrt(least / (width * height))
        columns, rows = math.ceil(width * grown / side), math.ceil(height * grown / side)
    return rows * columns + 2


_COUNTED = {
    "llava": _patches,
    "fast_vlm": _patches,
    "idefics3": _tiles,
    "smolvlm": _tiles,
    "gemma3": _pooled,
    "qwen2_vl": _merged,
    "qwen2_5_vl": _merged,
    "qwen3_vl": _merged,
}
