"""What a picture takes of the context, against the tokens that real processors make of one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from qdash.checkpoints.fit import picture_tokens
from qdash.checkpoints.fit.pictures import PICTURE
from qdash.engine.loading import load_processor
from qdash.engine.templates import encode
from tests.architectures.making import build
from tests.engine.conftest import spec_of

HERE, MADE = ("llava", "fastvlm", "smolvlm", "qwen3-vl"), ("gemma3", "qwen2-vl")


@pytest.mark.parametrize("architecture", HERE + MADE)
def test_tokens_of_a_picture(architecture: str, checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    folder = checkpoint(architecture) if architecture in HERE else build(architecture, tmp_path)
    processor = load_processor(spec_of(folder, "original"))
    counts = [encode(processor, "What is it?", image)["input_ids"].shape[-1] for image in (Image.new("RGB", PICTURE), None)]
    told = picture_tokens(json.loads((folder / "config.json").read_text()), json.loads((folder / "processor_config.json").read_text()))
    assert told == pytest.approx(counts[0] - counts[1], abs=4)  # line ends around it, which a tokenizer may join


def test_what_the_files_do_not_say() -> None:
    assert picture_tokens({"model_type": "llama"}, {}) is None
    assert picture_tokens({"model_type": "llava", "vision_config": {}}, {}) is None
