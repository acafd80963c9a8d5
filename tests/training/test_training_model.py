"""The training machinery: packing changes nothing, the tokenizer loses nothing, checkpoints and pauses work."""

from __future__ import annotations

import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedTokenizerFast, Qwen3Config, SiglipVisionConfig

from qdash.tasks.generators.world import sample_scene
from training.architecture import ASSISTANT_ID, END_ID, IMAGE_ID, IMAGE_TOKENS, USER_ID, build_model, tiny_config
from training.checkpoint import load_checkpoint, save_checkpoint, wait_while_paused
from training.dense import dense_targets
from training.optimizer import MasterOptimizer, schedule
from training.packing import PREFIX_LENGTH, SEQUENCE_LENGTH, WINDOW_LENGTH, Packer, window_mask
from training.stream import StreamOptions, make_batch
from training.tokenizer import train_tokenizer
from training.trainee import Trainee, answer_loss, right_answers


@lru_cache
def trained_once() -> PreTrainedTokenizerFast:
    return train_tokenizer()


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return trained_once()


@pytest.fixture
def small() -> Trainee:
    torch.manual_seed(0)
    config = tiny_config()
    assert isinstance(config.vision_config, PreTrainedConfig) and isinstance(config.text_config, PreTrainedConfig)
    vision: dict[str, Any] = {**config.vision_config.to_dict(), "num_hidden_layers": 1, "hidden_size": 64, "intermediate_size": 64}
    text: dict[str, Any] = {**config.text_config.to_dict(), "num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 64}
    vision["num_attention_heads"] = text["num_attention_heads"] = text["num_key_value_heads"] = 2
    text["layer_types"] = None
    config.vision_config, config.text_config = SiglipVisionConfig(**vision), Qwen3Config(**text)
    return Trainee(build_model(config)).eval()


def test_packed_questions_score_as_if_each_were_asked_alone(small: Trainee, tokenizer: PreTrainedTokenizerFast) -> None:
    batch = make_batch(StreamOptions(1, 5, 0, tokenizer), 0)
    with torch.no_grad():
        packed_logits, targets = small.answer_logits(small.features(batch["pixels"]), batch)
    small.vlm.set_attn_implementation("eager")
    pixels = batch["pixels"].float() / 127.5 - 1
    alone = []
    in_order = dict.fromkeys(batch["segments"][0].tolist())
    for segment in (number for number in in_order if number > 0):
        own = batch["segments"][0] == segment
        tokens = torch.cat([torch.tensor([USER_ID] + [IMAGE_ID] * IMAGE_TOKENS), batch["tokens"][0][own]])[None]
        with torch.no_grad():
            logits = small.vlm(input_ids=tokens, pixel_values=pixels, attention_mask=torch.ones_like(tokens)).logits[0]
        answers = int(batch["answer"][0][own].sum())
        alone.append(logits[-answers - 1 : -1])
    torch.testing.assert_close(packed_logits, torch.cat(alone), atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(answer_loss(packed_logits, targets), F.cross_entropy(torch.cat(alone), targets))


def test_windows_are_causal_and_keep_questions_apart() -> None:
    packer = Packer()
    assert packer.add(([7, 8], [9])) and packer.add(([10], [11, 12]))
    assert not packer.add(([7] * WINDOW_LENGTH, [8]))
    packed = packer.packed()
    first, second = PREFIX_LENGTH, PREFIX_LENGTH + 5
    assert list(packed.tokens[first:second]) == [7, 8, ASSISTANT_ID, 9, END_ID]
    assert list(packed.answer[first:second]) == [0, 0, 0, 1, 1]
    assert packed.positions[first] == packed.positions[second] == PREFIX_LENGTH
    mask = window_mask(torch.from_numpy(packed.segments)[None], torch.float32)[0, 0] == 0
    assert mask[5, 5] and not mask[5, :5].any() and not mask[5, 6:].any()
    assert not mask.triu(1).any() and mask.any(-1).all()


def test_right_answers_counts_a_question_wrong_for_one_wrong_token(tokenizer: PreTrainedTokenizerFast) -> None:
    batch = make_batch(StreamOptions(4, 5, 0, tokenizer), 0)
    targets = batch["tokens"][batch["answer"].bool()]
    perfect = F.one_hot(targets, 1024).float()
    asked = sum(asked for _, asked in right_answers(perfect, targets, batch).values())
    assert asked == int((batch["types"] >= 0).sum())
    assert sum(right for right, _ in right_answers(perfect, targets, batch).values()) == asked
    perfect[0] = 0
    perfect[0, 1023] = 1
    assert sum(right for right, _ in right_answers(perfect, targets, batch).values()) == asked - 1


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_survives_the_tokenizer(text: str) -> None:
    tokenizer = trained_once()
    ids = tokenizer.encode(text)
    specials = {"<pad>", "<image>", "<user>", "<assistant>", "<end>"}
    if not any(special in text for special in specials):
        assert tokenizer.decode(ids, skip_special_tokens=False) == text
    assert max(ids, default=0) < 1024


def test_batches_depend_on_their_step_alone(tokenizer: PreTrainedTokenizerFast) -> None:
    options = StreamOptions(3, 50, 0, tokenizer)
    first, again, other = make_batch(options, 4), make_batch(options, 4), make_batch(options, 5)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["pixels"], other["pixels"])
    assert first["pixels"].shape == (3, 3, 96, 96) and first["tokens"].shape == (3, SEQUENCE_LENGTH)


def test_dense_targets_name_the_patch_of_every_centre() -> None:
    for seed in range(100):
        scene = sample_scene(seed)
        targets = dense_targets(scene)
        assert targets["centre"].sum() == len(scene.objects)
        assert set(targets["rank"][targets["centre"] == 1]) == set(range(len(scene.objects)))
        assert (targets["kind"][targets["centre"] == 1] > 0).all()
        assert set(targets["count"]) == {len(scene.objects)}


def test_masters_learn_in_float32_and_resume_exactly(small: Trainee) -> None:
    small.to(torch.bfloat16)
    optimizer = MasterOptimizer(small, peak_lr=1e-3)
    for parameter in small.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step(progress=0.0)
    assert all(master.dtype == torch.float32 for master in optimizer.masters)
    assert all(torch.equal(w, m.bfloat16()) for w, m in zip(optimizer.weights, optimizer.masters, strict=True))
    other = MasterOptimizer(small, peak_lr=1e-3)
    other.load_state_dict(optimizer.state_dict())
    assert other.steps == 1
    assert all(torch.equal(a, b) for a, b in zip(other.averaged, optimizer.averaged, strict=True))


def test_the_schedule_warms_up_and_ends_near_zero() -> None:
    assert schedule(0.0, 0) < 0.02 < 0.99 < schedule(0.0, 1000)
    assert schedule(1.0, 1000) == schedule(2.0, 1000) < 0.02


def test_checkpoints_are_whole_and_pause_waits(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path, "see") is None
    save_checkpoint(tmp_path, "see", {"spent_s": 1.5})
    assert load_checkpoint(tmp_path, "see") == {"spent_s": 1.5}
    assert [path.name for path in tmp_path.iterdir()] == ["see.pt"]
    (tmp_path / "PAUSE").touch()
    threading.Timer(0.2, (tmp_path / "PAUSE").unlink).start()
    started = time.monotonic()
    assert wait_while_paused(tmp_path, poll_s=0.02) > 0.1
    assert time.monotonic() - started < 2
