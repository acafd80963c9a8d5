"""Models that do not write on from their prompt are refused when they are chosen, in one sentence."""

import json
import shutil

import pytest

from qdash.checkpoints import locate
from qdash.checkpoints.supported import fills_in, has_encoder
from qdash.engine.loading import load_skeleton
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.records import Question
from tests.architectures.making import ENCODERS
from tests.engine.conftest import ignore, never, spec_of


@pytest.mark.parametrize("architecture", ENCODERS)
def test_encoder_decoders_are_refused(folder, architecture):
    with pytest.raises(QdashError, match="encoder–decoder") as caught:
        locate(str(folder(architecture)))
    assert caught.value.kind == "checkpoint" and architecture in caught.value.message and "decoder-only" in caught.value.remedy


def test_whatever_its_config_leaves_out_a_worker_refuses_an_encoder_decoder(folder):
    with pytest.raises(QdashError, match="T5Gemma2ForConditionalGeneration"):
        load_skeleton(spec_of(folder("t5gemma2"), "original"))


def test_a_model_that_fills_in_words_is_refused_unless_it_was_made_a_decoder(folder, tmp_path):
    with pytest.raises(QdashError, match="fill in") as caught:
        locate(str(folder("bert")))
    assert caught.value.kind == "checkpoint"
    made = tmp_path / "decoder"
    shutil.copytree(folder("bert"), made)
    config = json.loads((made / "config.json").read_text())
    (made / "config.json").write_text(json.dumps(config | {"is_decoder": True}))
    assert locate(str(made)).task == "text-generation"


@pytest.mark.parametrize(
    ("config", "refused"),
    [
        ({"model_type": "florence2"}, True),
        ({"model_type": "whisper", "is_encoder_decoder": True}, True),
        ({"model_type": "blip-2", "text_config": {"model_type": "t5"}}, True),
        ({"model_type": "blip-2", "text_config": {"model_type": "opt"}}, False),
        ({"model_type": "bart", "is_encoder_decoder": False, "is_decoder": True}, False),
        ({"model_type": "paligemma", "text_config": {"model_type": "gemma"}}, False),
        ({"model_type": "llama"}, False),
        ({"model_type": "../bart"}, False),
        ({}, False),
    ],
)
def test_a_part_or_the_class_may_say_what_the_config_leaves_out(config, refused):
    assert has_encoder(config) is refused


@pytest.mark.parametrize("model_type", ["roberta", "electra", "xlm-roberta"])
def test_left_to_right_is_said_by_the_config(model_type):
    assert fills_in({"model_type": model_type})
    assert not fills_in({"model_type": model_type, "is_decoder": True})


@pytest.mark.parametrize("model_type", ["gpt_neox", "gpt2", "llama", "mamba", "gemma3"])
def test_decoders_need_not_say_so(model_type):
    assert not fills_in({"model_type": model_type, "is_decoder": False})


def test_a_model_that_must_see_says_that_a_picture_is_missing(worker):
    with pytest.raises(QdashError, match="about a picture") as caught:
        worker("paligemma", "original").answer(Question(prompt="What is it?"), 3, emit=ignore, stop=never)
    assert caught.value.kind == "bad_input" and caught.value.remedy == "Add a picture."


def test_calibration_shows_pictures_to_a_model_that_must_see(folder):
    loaded = Worker(spec_of(folder("paligemma"), "ao-int8static")).load(emit=ignore, stop=never)
    assert loaded.coverage.quantized == loaded.coverage.total - 1
