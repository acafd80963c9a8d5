"""The shipped folder: loads with plain Auto classes, fits its limits, and answers the tutorial's question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, BatchFeature, PreTrainedModel, ProcessorMixin

from qdash.catalog.presets import STARTER_SAMPLE
from qdash.tasks.generators.drawing import draw_scene
from qdash.tasks.generators.outside import REFUSALS
from qdash.tasks.generators.world import sample_scene
from tests.support.held import generated
from training.architecture import IMAGE_TOKENS, build_processor
from training.card import write_card
from training.evaluate import MODEL_FOLDER, answer_items
from training.holdout import held_out_items
from training.samples import SAMPLES, SAMPLES_FOLDER, sample_scene_of, write_samples
from training.stream import to_square
from training.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def processor() -> ProcessorMixin:
    return AutoProcessor.from_pretrained(MODEL_FOLDER)


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return AutoModelForImageTextToText.from_pretrained(MODEL_FOLDER, dtype=torch.float32)


def answer(model: PreTrainedModel, processor: ProcessorMixin, picture: Image.Image, question: str) -> str:
    messages = [{"role": "user", "content": [{"type": "text", "text": question}, {"type": "image", "image": picture}]}]
    inputs = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt")
    assert isinstance(inputs, BatchFeature)
    return processor.decode(generated(model, inputs), skip_special_tokens=True)


def test_the_folder_is_small_stock_and_bfloat16() -> None:
    weights = [path for path in MODEL_FOLDER.iterdir() if path.suffix in {".safetensors", ".bin", ".py"}]
    assert [path.name for path in weights] == ["model.safetensors"]
    assert weights[0].stat().st_size <= 10_000_000
    config = json.loads((MODEL_FOLDER / "config.json").read_text())
    assert config["dtype"] == "bfloat16" and "auto_map" not in config
    assert config["text_config"]["max_position_embeddings"] >= 2048


def test_every_quantizable_matrix_has_an_input_side_of_whole_groups(model: PreTrainedModel) -> None:
    assert model.num_parameters() < 5_000_000
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            assert module.in_features % 64 == 0, name


def test_the_tutorials_question_is_answered_exactly(model: PreTrainedModel, processor: ProcessorMixin) -> None:
    picture = Image.open(SAMPLES_FOLDER / "t1-square.png")
    assert answer(model, processor, picture, "这张图片中有什么？请描述一下。") == "白色背景上有一个黑色的正方形。"
    assert answer(model, processor, picture, "What is in this picture?") == "A black square on a white background."


@pytest.mark.parametrize("question", ["蓝色的形状是什么？", "什么形状是蓝色的？", "蓝色的是什么形状？"])
def test_the_usual_word_for_a_shape_is_understood(model: PreTrainedModel, processor: ProcessorMixin, question: str) -> None:
    assert answer(model, processor, Image.open(SAMPLES_FOLDER / "four-shapes.png"), question) == "一个星形。"


@pytest.mark.parametrize(
    ("question", "right"),
    [
        ("有几个形状？", "四个。"),
        ("图中有多少个形状？", "四个。"),
        ("图中有哪些形状？", "白色背景上有一个红色的圆形、一个绿色的三角形、一个蓝色的星形和一个粉色的心形。"),
        ("How many shapes are there?", "Four."),
        ("HOW MANY SHAPES ARE IN THE PICTURE?", "Four."),
    ],
)
def test_shapes_of_no_named_colour_are_things(model: PreTrainedModel, processor: ProcessorMixin, question: str, right: str) -> None:
    assert answer(model, processor, Image.open(SAMPLES_FOLDER / "four-shapes.png"), question) == right


@pytest.mark.parametrize("question", ["ما هذا؟", "كم عدد الأشكال؟", "Что это?", "これは何ですか？", "😀", "🔵❓"])
def test_what_is_in_neither_language_is_refused_in_english(model: PreTrainedModel, processor: ProcessorMixin, question: str) -> None:
    assert answer(model, processor, Image.open(SAMPLES_FOLDER / "four-shapes.png"), question) == REFUSALS["en"]


def test_capitals_are_understood(model: PreTrainedModel, processor: ProcessorMixin) -> None:
    assert answer(model, processor, Image.open(SAMPLES_FOLDER / "four-shapes.png"), "WHICH SHAPE IS BLUE?") == "A star."


def test_a_small_part_of_the_held_out_set_is_answered(model: PreTrainedModel, processor: ProcessorMixin) -> None:
    items = held_out_items(per_cell=2)
    right = [a == i.question.answer for a, i in zip(answer_items(model, processor, items), items, strict=True)]
    assert sum(right) / len(right) >= 0.8


def test_the_processor_takes_any_shape_and_the_shipped_one_is_the_code_s(processor: ProcessorMixin) -> None:
    fresh = build_processor(train_tokenizer())
    text = "<user><image>What is this? 这是什么？<assistant>"
    for size in ((224, 224), (30, 200), (640, 123)):
        picture = Image.new("RGB", size, (255, 0, 0))
        inputs: dict[str, Any] = {"images": picture, "text": text, "return_tensors": "pt"}
        shipped, built = (p(**inputs) for p in (processor, fresh))
        assert shipped["pixel_values"].shape == (1, 3, 96, 96)
        assert (shipped["input_ids"] == built["input_ids"]).all()
        assert (shipped["input_ids"] == 1).sum() == IMAGE_TOKENS
        assert torch.equal(shipped["pixel_values"], built["pixel_values"])


def test_training_pictures_look_as_the_processor_makes_them(processor: ProcessorMixin) -> None:
    for seed in range(20):
        picture = draw_scene(sample_scene(seed))
        trained = torch.from_numpy(to_square(picture)).float() / 127.5 - 1
        shipped = processor.image_processor(picture, return_tensors="pt")["pixel_values"][0]
        assert (trained - shipped).abs().mean() < 0.01


def test_samples_on_disk_are_the_script_s(tmp_path: Path) -> None:
    write_samples(tmp_path)
    listed = json.loads((SAMPLES_FOLDER / "samples.json").read_text(encoding="utf-8"))
    assert listed == json.loads((tmp_path / "samples.json").read_text(encoding="utf-8"))
    assert listed[0]["file"] == STARTER_SAMPLE and len(listed) >= 8
    for sample in SAMPLES:
        assert Image.open(SAMPLES_FOLDER / sample.file).tobytes() == Image.open(tmp_path / sample.file).tobytes()
        assert sample_scene_of(sample).objects
        assert 3 <= len(sample.questions) <= 6


def test_the_card_is_what_the_measurement_says(tmp_path: Path) -> None:
    for name in ("model.safetensors", "training.json", "evaluation.json"):
        (tmp_path / name).symlink_to(MODEL_FOLDER / name)
    write_card(tmp_path)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == (MODEL_FOLDER / "README.md").read_text(encoding="utf-8")
