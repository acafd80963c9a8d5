"""The shipped tiny-lm: loads with plain Auto classes, fits its limits, finishes its stories, and forgets them bit by bit."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from qdash.tasks.generators.phrases import Language
from qdash.tasks.generators.stories.documents import REFUSALS
from qdash.ui.controls.samples import STORIES
from tests.support.held import generated
from training.stories.card import write_card
from training.stories.evaluate import FORMATS, MODEL_FOLDER, answer_batches, batches, evaluate_formats, read_items
from training.stories.tokenizer import train_tokenizer

EVALUATION = json.loads((MODEL_FOLDER / "evaluation.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(MODEL_FOLDER)


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(MODEL_FOLDER, dtype=torch.float32)


def test_the_folder_is_small_stock_and_bfloat16() -> None:
    weights = [path for path in MODEL_FOLDER.iterdir() if path.suffix in {".safetensors", ".bin", ".py"}]
    assert [path.name for path in weights] == ["model.safetensors"]
    assert sum(path.stat().st_size for path in MODEL_FOLDER.iterdir()) <= 10_000_000
    config = json.loads((MODEL_FOLDER / "config.json").read_text())
    assert (config["dtype"], config["model_type"]) == ("bfloat16", "qwen3") and "auto_map" not in config


def test_nine_of_ten_held_out_stories_are_finished_exactly() -> None:
    (measured,) = evaluate_formats(MODEL_FOLDER, read_items(), (None,))["schemes"].values()
    assert measured["overall"] >= 0.9 and measured["kl_mean_nats"] == 0
    assert measured["overall"] == pytest.approx(EVALUATION["schemes"]["float32"]["overall"], abs=0.005)
    assert min(measured["languages"].values()) >= 0.85


def test_fewer_bits_are_never_better_and_every_step_down_shows() -> None:
    assert list(EVALUATION["schemes"]) == [key or "float32" for key in FORMATS] and EVALUATION["items"] == 1000
    recorded = [scheme["overall"] for scheme in EVALUATION["schemes"].values()]
    assert all(fewer <= more for more, fewer in pairwise(recorded)) and recorded[-1] < recorded[-2] - 0.05
    again = evaluate_formats(MODEL_FOLDER, read_items()[::5], FORMATS)["schemes"]
    for found in (again, EVALUATION["schemes"]):
        eight, four, three, two = (found[key]["kl_mean_nats"] for key in FORMATS[1:])
        assert 0 < eight < four < three < two
        assert all(found[key]["kl_mean_nats"] > 2 * found[key]["kl_se"] for key in FORMATS[1:]), "more than chance"
    assert again["int2-g64"]["overall"] < again["float32"]["overall"] - 0.05


def test_the_pages_stories_are_finished(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    assert answer_batches(model, tokenizer, list(batches(tokenizer, list(STORIES)))) == ["attic", "Anna", "three", "cold", "阁楼", "小龙"]


def test_questions_about_anything_else_have_one_answer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    asked: dict[Language, str] = {"en": "What is the capital of France?", "zh": "法国的首都是哪里？"}
    for language, question in asked.items():
        inputs = tokenizer(question, return_tensors="pt", return_token_type_ids=False)
        made = generated(model, inputs)
        assert tokenizer.decode(made, skip_special_tokens=True) == REFUSALS[language]


@pytest.mark.parametrize("prompt", ["ما هذا؟", "Что это?", "😀"])
def test_what_is_in_neither_language_is_refused_in_english(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: str) -> None:
    given = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], tokenize=False)
    assert isinstance(given, str)
    inputs = tokenizer(given, return_tensors="pt", return_token_type_ids=False)
    made = generated(model, inputs)
    assert tokenizer.decode(made, skip_special_tokens=True) == REFUSALS["en"]


def test_the_shipped_tokenizer_is_the_codes(tokenizer: PreTrainedTokenizerBase) -> None:
    fresh = train_tokenizer()
    for item in read_items()[::20]:
        assert tokenizer.encode(item["prompt"]) == fresh.encode(item["prompt"])
    assert tokenizer.chat_template == fresh.chat_template


def test_the_card_is_what_the_measurement_says(tmp_path: Path) -> None:
    for name in ("model.safetensors", "training.json", "evaluation.json"):
        (tmp_path / name).symlink_to(MODEL_FOLDER / name)
    write_card(tmp_path)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == (MODEL_FOLDER / "README.md").read_text(encoding="utf-8")
