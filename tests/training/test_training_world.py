"""The drawn world: scenes follow from their seed, nothing overlaps, and drawings are what the scene says."""

from __future__ import annotations

import random

import numpy as np
import pytest

from qdash.tasks.generators.drawing import draw_scene, emoji_pictures, roughen
from qdash.tasks.generators.vocabulary import COLOURS, KINDS, SHAPES, THINGS
from qdash.tasks.generators.world import MIN_CONTRAST, MIN_GAP_X, boxes_overlap, distance, sample_scene

SEEDS = range(300)


def test_the_vocabulary_is_as_large_as_promised_and_has_no_doubles() -> None:
    assert len(SHAPES) >= 7 and len(COLOURS) >= 10 and len(THINGS) >= 24
    for words in ([k.en for k in KINDS], [k.zh for k in KINDS], [c.en for c in COLOURS], [c.zh for c in COLOURS]):
        assert len(set(words)) == len(words)


def test_a_seed_always_gives_the_same_picture() -> None:
    for seed in (0, 7, 123456):
        assert sample_scene(seed) == sample_scene(seed)
        first, second = draw_scene(sample_scene(seed)), draw_scene(sample_scene(seed))
        assert first.tobytes() == second.tobytes()
    assert sample_scene(1) != sample_scene(2)


@pytest.mark.parametrize("seed", SEEDS)
def test_scenes_are_unambiguous_by_construction(seed: int) -> None:
    scene = sample_scene(seed)
    assert 1 <= len(scene.objects) <= 4
    centres = [item.cx for item in scene.objects]
    assert centres == sorted(centres)
    assert all(right - left >= MIN_GAP_X for left, right in zip(centres, centres[1:], strict=False))
    for index, item in enumerate(scene.objects):
        half = item.size * scene.short_side / 2
        assert half <= item.cx * scene.width <= scene.width - half
        assert half <= item.cy * scene.height <= scene.height - half
        assert (item.colour is None) == (not item.kind.is_shape)
        if item.rgb is not None:
            assert distance(item.rgb, scene.background_rgb) >= MIN_CONTRAST
        assert not any(boxes_overlap((scene.width, scene.height), item, other) for other in scene.objects[index + 1 :])


def test_the_world_is_varied() -> None:
    scenes = [sample_scene(seed) for seed in SEEDS]
    assert {len(scene.objects) for scene in scenes} == {1, 2, 3, 4}
    assert {scene.background for scene in scenes} == set(COLOURS)
    assert {item.kind for scene in scenes for item in scene.objects} == set(KINDS)
    assert any(scene.width > scene.height for scene in scenes) and any(scene.width < scene.height for scene in scenes)


def test_a_drawn_shape_has_its_colour_and_the_rest_is_background() -> None:
    for seed in SEEDS:
        scene = sample_scene(seed)
        pixels = np.asarray(draw_scene(scene))
        assert pixels.shape == (scene.height, scene.width, 3)
        bare = (pixels == scene.background_rgb).all(-1).mean()
        assert bare > 0.3
        for item in scene.objects:
            if item.rgb is not None and item.kind.en not in {"ring", "heart"}:
                centre = pixels[int(item.cy * scene.height), int(item.cx * scene.width)]
                assert tuple(centre) == item.rgb


def test_emoji_are_real_pictures_and_all_different() -> None:
    pictures = emoji_pictures()
    assert set(pictures) == {kind.en for kind in THINGS}
    assert len({picture.tobytes() for picture in pictures.values()}) == len(THINGS)
    assert all(np.asarray(picture)[..., 3].mean() > 40 for picture in pictures.values())


def test_roughening_keeps_the_size_and_most_of_the_picture() -> None:
    for seed in range(40):
        clean = draw_scene(sample_scene(seed))
        rough = roughen(clean, random.Random(seed))
        assert rough.size == clean.size and rough.mode == "RGB"
        assert np.abs(np.asarray(rough, float) - np.asarray(clean, float)).mean() < 12
