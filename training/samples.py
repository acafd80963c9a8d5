"""Draws the sample pictures that ship with the dashboard, each with questions that the model should answer.

    python -m training.samples

Scenes are laid out by hand, so a picture never changes unless this file does. The page begins with the first one, at which more and more is
lost with fewer bits. The second is the picture of a well-known tutorial on quantizing vision-language models: a black square on white.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from qdash.tasks.generators.drawing import draw_scene
from qdash.tasks.generators.phrases import description
from qdash.tasks.generators.vocabulary import COLOUR_INDEX, COLOURS, KIND_INDEX, KINDS
from qdash.tasks.generators.world import Scene, SceneObject

SAMPLES_FOLDER = Path(__file__).parent.parent / "qdash" / "assets" / "samples"

DESCRIBED = "described"
OUTSIDE = None

Spot = tuple[str, str | None, float, float, float]
"""Kind, colour (None for a thing), centre x and y in parts of the sides, size in parts of the shorter side."""


@dataclass(frozen=True)
class Sample:
    """A picture to ship: where its things are and what to ask, most interesting first."""

    file: str
    title: str
    background: str
    shows: str
    """What quantization does to the first question of either language, as measured (tests/engine/test_ladder.py)."""
    spots: tuple[Spot, ...]
    questions: dict[str, str | None]
    """What to ask, and the right answer: `DESCRIBED` is the whole scene in a sentence, `OUTSIDE` that there is none in this world."""
    size: tuple[int, int] = (224, 224)
    smooth: bool = True


SAMPLES: tuple[Sample, ...] = (
    Sample(
        "bicycle-and-balloon.png", "Bicycle and balloon", "white",
        "W4A4 sees a bus here, INT2 no balloon.",
        (("balloon", None, 0.5, 0.2, 0.3), ("bicycle", None, 0.42, 0.74, 0.46)),
        {
            "What is in this picture?": DESCRIBED, "What is above the bicycle?": "A balloon.", "Where is the balloon?": "At the top.",
            "图片里有什么？": DESCRIBED, "Is there a car?": "No.",
        },
        size=(224, 320),
    ),
    Sample(
        "t1-square.png", "Black square", "white",
        "INT2 sees a white square here.",
        # The square fills pixels 50 to 150 and is drawn without smoothing, exactly as in the tutorial.
        (("square", "black", 100.25 / 224, 100.25 / 224, 100.5 / 0.9 / 224),),
        {
            "这张图片中有什么？请描述一下。": DESCRIBED, "What is in this picture?": DESCRIBED, "What color is the square?": "Black.",
            "背景是什么颜色的？": "白色。",
        },
        smooth=False,
    ),
    Sample(
        "cat-and-apple.png", "Cat and apple", "yellow",
        "INT2 sees something green here.",
        (("cat", None, 0.28, 0.62, 0.42), ("apple", None, 0.72, 0.34, 0.34)),
        {
            "What is in this picture?": DESCRIBED, "Is the cat to the left of the apple?": "Yes.", "图片里有什么？": DESCRIBED,
            "猫在哪里？": "在左侧。", "图片里有没有狗？": "没有。",
        },
    ),
    Sample(
        "four-shapes.png", "Four shapes", "white",
        "INT2 sees squares here.",
        (
            ("circle", "red", 0.22, 0.25, 0.28), ("star", "blue", 0.74, 0.24, 0.3),
            ("triangle", "green", 0.29, 0.74, 0.28), ("heart", "pink", 0.8, 0.76, 0.27),
        ),
        {
            "Describe this picture.": DESCRIBED, "How many objects are there?": "Four.", "Which shape is blue?": "A star.",
            "What is at the bottom left?": "A green triangle.", "图片里有什么？": DESCRIBED, "有几个物体？": "四个。",
        },
    ),
    Sample(
        "car-on-the-right.png", "A house, a tree and a car", "pink",
        "INT2 sees a bus here.",
        (("house", None, 0.16, 0.42, 0.42), ("tree", None, 0.5, 0.56, 0.46), ("car", None, 0.83, 0.5, 0.4)),
        {
            "What is in this picture?": DESCRIBED, "What is to the right of the tree?": "A car.", "图片里有什么？": DESCRIBED,
            "汽车在树的右边吗？": "是的。", "How many cars are there?": "One.",
        },
        size=(360, 224),
    ),
    Sample(
        "three-hearts.png", "Three hearts", "black",
        "INT2 sees crosses here.",
        (("heart", "red", 0.22, 0.32, 0.27), ("heart", "red", 0.52, 0.66, 0.3), ("heart", "yellow", 0.8, 0.28, 0.26)),
        {
            "What is in this picture?": DESCRIBED, "How many hearts are there?": "Three.", "How many red hearts are there?": "Two.",
            "图片里有什么？": DESCRIBED, "请描述这张图片。": DESCRIBED, "What color is the background?": "Black.",
        },
    ),
    Sample(
        "frog-and-diamond.png", "Frog and diamond", "gray",
        "INT2 sees three things here.",
        (("frog", None, 0.3, 0.3, 0.38), ("diamond", "orange", 0.68, 0.7, 0.4)),
        {
            "What is in this picture?": DESCRIBED, "Is the frog above the diamond?": "Yes.", "图片里有什么？": DESCRIBED,
            "菱形是什么颜色的？": "橙色。", "What is the capital of France?": OUTSIDE,
        },
    ),
    Sample(
        "ring-and-penguin.png", "Ring, penguin and cross", "blue",
        "INT2 sees a banana here.",
        (("ring", "white", 0.24, 0.72, 0.3), ("penguin", None, 0.5, 0.26, 0.34), ("cross", "red", 0.78, 0.74, 0.3)),
        {
            "这张图片中有什么？": DESCRIBED, "What is in this picture?": DESCRIBED, "Which shape is white?": "A ring.",
            "Where is the penguin?": "At the top.", "十字形是什么颜色的？": "红色。",
        },
    ),
    Sample(
        "two-cats.png", "Two cats and a key", "green",
        "INT2 sees three bananas here.",
        (("cat", None, 0.22, 0.3, 0.32), ("cat", None, 0.5, 0.72, 0.34), ("key", None, 0.8, 0.22, 0.3)),
        {
            "What is in this picture?": DESCRIBED, "图片里有什么？": DESCRIBED, "图中有几只猫？": "两只。",
            "钥匙在什么位置？": "在右上角。", "你好！": OUTSIDE,
        },
    ),
    Sample(
        "pizza.png", "A slice of pizza", "purple",
        "INT2 sees no pizza here.",
        (("pizza", None, 0.5, 0.5, 0.55),),
        {
            "Is there a pizza in the picture?": "Yes.", "图片里有没有披萨？": "有。", "What do you see?": DESCRIBED,
            "What color is the background?": "Purple.", "Where is the pizza?": "In the center.",
        },
    ),
)  # fmt: skip


def sample_scene_of(sample: Sample) -> Scene:
    """The scene that a sample shows."""
    kinds = {name: KINDS[index] for name, index in KIND_INDEX.items()}
    colours = {name: COLOURS[index] for name, index in COLOUR_INDEX.items()}
    objects = [
        SceneObject(kinds[kind], colours[colour] if colour else None, _rgb(colour) if colour else None, x, y, size)
        for kind, colour, x, y, size in sample.spots
    ]
    objects.sort(key=lambda item: item.cx)
    background = colours[sample.background]
    return Scene(tuple(objects), background, _rgb(sample.background), *sample.size, seed=-1)


def answers_of(sample: Sample) -> dict[str, str]:
    """The right answer to each question that has one."""
    scene = sample_scene_of(sample)
    described = {question: description(scene, "en" if question.isascii() else "zh") for question in sample.questions}
    return {asked: described[asked] if answer == DESCRIBED else answer for asked, answer in sample.questions.items() if answer}


def write_samples(folder: Path = SAMPLES_FOLDER) -> None:
    """Writes every picture and samples.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for sample in SAMPLES:
        draw_scene(sample_scene_of(sample), supersample=3 if sample.smooth else 1).save(folder / sample.file, optimize=True)
    listed = [
        {"file": s.file, "title": s.title, "shows": s.shows, "questions": list(s.questions), "answers": answers_of(s)} for s in SAMPLES
    ]
    (folder / "samples.json").write_text(json.dumps(listed, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _rgb(colour: str) -> tuple[int, int, int]:
    pure = {"black": (0, 0, 0), "white": (255, 255, 255)}
    return pure.get(colour, COLOURS[COLOUR_INDEX[colour]].rgb)


if __name__ == "__main__":
    write_samples()
