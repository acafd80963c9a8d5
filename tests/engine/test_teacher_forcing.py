"""One pass is taken where it gives the scores of generating, which is proven on the model at hand; everything else goes step by step."""

import math
from typing import Any

import pytest
import torch
import transformers as hf

from qdash.engine import teacher_forcing
from qdash.engine.quality import compare_to_reference, record_reference
from qdash.engine.teacher_forcing import CHECKED_TOKENS, in_one_pass, laid_out, same_logits, step_by_step, teacher_forced_logits, tolerance
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from tests.architectures.making import BUILDERS, lively, tokenizer
from tests.architectures.test_whole_path import generated
from tests.engine.conftest import ignore, never, spec_of
from tests.engine.test_generation import stop_after
from tests.engine.test_quality import inputs_of, said_by

TOKENS = (5, 60, 7, 200, 31, 9, 44)
ASKED = {"input_ids": torch.tensor([[20, 30, 40, 50]]), "attention_mask": torch.ones(1, 4, dtype=torch.int64)}


@pytest.fixture
def both_ways():
    """A model that sees the words on both sides of each, made to generate nevertheless."""
    torch.manual_seed(0)
    config = hf.BertConfig(
        hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, vocab_size=300, max_position_embeddings=64
    )
    model = hf.BertLMHeadModel(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.normal_(std=0.2)
    return model


def collected(way, model, inputs, tokens):
    found = {}
    result = way(model, inputs, tokens, lambda place, scores: found.update({place + n: row for n, row in enumerate(scores)}), never)
    return torch.stack([found[place] for place in range(len(tokens))]), result


def test_a_model_that_looks_ahead_is_scored_step_by_step(both_ways):
    """As `generate` scores the text when it is made to write it."""
    found, one_pass = collected(teacher_forced_logits, both_ways, ASKED, TOKENS)
    assert not one_pass
    expected = generated(both_ways, ASKED, len(TOKENS), TOKENS)[1]
    torch.testing.assert_close(found.double().log_softmax(-1), expected, atol=1e-6, rtol=1e-6)
    wrong, _ = collected(in_one_pass, both_ways, ASKED, TOKENS)
    assert not same_logits(found, wrong, 0.01)


def test_looking_ahead_is_seen_in_types_of_few_digits_too(both_ways):
    """The proof alone allows so much in bfloat16 that a small leak would pass."""
    with torch.no_grad():
        for weight in both_ways.parameters():
            if weight.ndim == 2:
                weight.mul_(0.4)
    model = both_ways.to(torch.bfloat16)
    stepwise, _ = collected(step_by_step, model, ASKED, TOKENS)
    whole, _ = collected(in_one_pass, model, ASKED, TOKENS)
    assert same_logits(stepwise, whole, tolerance(model))
    assert not collected(teacher_forced_logits, model, ASKED, TOKENS)[1]


def hybrid(architecture, least_step):
    """A model whose scan, in a pass over many tokens, takes no time step for less than `least_step`."""
    torch.manual_seed(0)
    model = lively(BUILDERS[architecture]()[0]).eval()
    layer: Any
    for layer in model.modules():
        if hasattr(layer, "time_step_limit"):
            layer.time_step_limit = (least_step, math.inf)
    return model


@pytest.mark.parametrize("architecture", ["bamba", "zamba2", "nemotron-h", "falcon-h1"])
def test_hybrids_are_read_in_one_pass(architecture):
    """Their own inputs for `generate` ask for the last scores only, which is no reason to make tokens one by one."""
    model = hybrid(architecture, 0.0)
    found, one_pass = collected(teacher_forced_logits, model, ASKED, TOKENS)
    assert one_pass
    with torch.no_grad():
        whole = torch.cat((ASKED["input_ids"], torch.tensor([TOKENS[:-1]])), dim=1)
        expected = model(input_ids=whole, use_cache=False).logits[0, -len(TOKENS) :].float()
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["zamba2", "nemotron-h"])
def test_a_scan_that_bounds_its_time_steps_is_scored_step_by_step_where_that_shows(architecture):
    """transformers bounds them from below in a pass over many tokens, and not while generating."""
    model = hybrid(architecture, 0.5)
    found, one_pass = collected(teacher_forced_logits, model, ASKED, TOKENS)
    assert not one_pass
    torch.testing.assert_close(found, collected(step_by_step, model, ASKED, TOKENS)[0])


def test_a_variant_goes_the_way_of_its_original(both_ways):
    words = tokenizer()
    reference = record_reference(both_ways, words, ASKED, TOKENS, lambda *_: None, never)
    assert reference.step_by_step and len(reference.log_probs)
    found = compare_to_reference(both_ways, words, ASKED, reference, lambda *_: None, never)
    assert (found.kl_mean_nats, found.ppl) == (0.0, reference.ppl)
    stepwise, _ = collected(step_by_step, both_ways, ASKED, TOKENS)
    expected = math.exp(-stepwise.double().log_softmax(-1)[range(len(TOKENS)), list(TOKENS)].mean())
    assert reference.ppl == pytest.approx(expected, rel=1e-6)


def test_step_by_step_tells_how_far_it_is_and_stops_when_told(both_ways):
    told = []
    record_reference(both_ways, tokenizer(), ASKED, TOKENS, lambda done, total: told.append((done, total)), never)
    assert told[-len(TOKENS) :] == [(done, len(TOKENS)) for done in range(1, len(TOKENS) + 1)]
    config = both_ways.generation_config
    with pytest.raises(QdashError) as caught:
        step_by_step(both_ways, ASKED, TOKENS, lambda place, scores: None, stop_after(4))
    assert caught.value.kind == "cancelled" and both_ways.generation_config is config


def test_end_tokens_and_penalties_change_no_scores(worker):
    model = worker("qwen3", "original").held.model
    plain, _ = collected(in_one_pass, model, ASKED, TOKENS)
    config = model.generation_config
    try:
        model.generation_config = hf.GenerationConfig(repetition_penalty=3.0, eos_token_id=TOKENS[1], suppress_tokens=[7], pad_token_id=0)
        found, _ = collected(step_by_step, model, ASKED, TOKENS)
    finally:
        model.generation_config = config
    torch.testing.assert_close(found, plain, atol=1e-4, rtol=1e-4)


def test_a_model_that_takes_no_such_pass_is_scored_step_by_step(worker, monkeypatch):
    model = worker("bloom", "original").held.model
    expected, _ = collected(step_by_step, model, ASKED, TOKENS)
    teacher_forcing._PROVEN.pop(model, None)

    def refuses(*arguments, **named):
        raise ValueError("only with a cache")

    monkeypatch.setattr(teacher_forcing, "laid_out", refuses)
    found, one_pass = collected(teacher_forced_logits, model, ASKED, TOKENS)
    teacher_forcing._PROVEN.pop(model)
    assert not one_pass
    assert torch.equal(found, expected)


def test_memory_that_does_not_suffice_is_no_proof(worker, monkeypatch):
    def full(*arguments, **named):
        raise torch.OutOfMemoryError("CUDA out of memory")

    model = worker("bloom", "original").held.model
    teacher_forcing._PROVEN.pop(model, None)
    monkeypatch.setattr(teacher_forcing, "laid_out", full)
    with pytest.raises(torch.OutOfMemoryError):
        collected(teacher_forced_logits, model, ASKED, TOKENS)
    assert not teacher_forcing._PROVEN.get(model)


def test_what_an_answer_has_shown_is_not_found_out_again(checkpoint, question, monkeypatch):
    subject, asked = Worker(spec_of(checkpoint("llava"), "original")), question("llava")
    tokens = said_by(subject, asked)
    steps = []
    monkeypatch.setattr(teacher_forcing, "step_by_step", lambda *arguments: steps.append(arguments))
    reference = subject.record_reference(asked, tokens, emit=ignore, stop=never)
    assert not steps and not reference.step_by_step
    # Another text after the same kind of question needs no proof either.
    subject.record_reference(asked, "A black square", emit=ignore, stop=never)
    assert not steps


def test_an_answer_of_another_question_proves_nothing(checkpoint, question, monkeypatch):
    subject, asked = Worker(spec_of(checkpoint("qwen3"), "original")), question("qwen3")
    said_by(subject, asked)
    other, steps = asked.model_copy(update={"prompt": "Another?"}), []
    taken = teacher_forcing.step_by_step
    monkeypatch.setattr(teacher_forcing, "step_by_step", lambda *arguments: steps.append(1) or taken(*arguments))
    assert not subject.record_reference(other, TOKENS, emit=ignore, stop=never).step_by_step
    assert len(steps) == 1


@pytest.mark.parametrize("architecture", ["llava", "smolvlm", "qwen3-vl", "bloom"])
def test_one_pass_is_proven_for_the_catalogues_models(worker, question, architecture):
    subject, asked = worker(architecture, "original"), question(architecture)
    model, inputs = subject.held.model, inputs_of(subject, asked)
    assert collected(teacher_forced_logits, model, inputs, TOKENS)[1]
    assert set(laid_out(model, inputs)) >= {"input_ids", "attention_mask"} and "labels" not in laid_out(model, inputs)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_fewer_digits_are_no_other_way_of_reading(worker, question, dtype):
    subject, asked = worker("qwen3", "original", dtype=dtype), question("qwen3")
    assert collected(teacher_forced_logits, subject.held.model, inputs_of(subject, asked), TOKENS)[1]


def test_what_is_allowed_follows_the_type():
    class Stub(torch.nn.Module):
        dtype = torch.float32

    stub: Any = Stub()
    assert tolerance(stub) == 1e-3
    stub.dtype = torch.bfloat16
    assert tolerance(stub) == 0.25
    stub.dtype = torch.float16
    assert 0.01 < tolerance(stub) < 0.05


def test_same_logits():
    scores = torch.randn(3, 9)
    assert same_logits(scores, scores + 5, 1e-6)  # the same probabilities
    assert not same_logits(scores, scores.roll(1, 1), 1e-3)
    assert not same_logits(scores, scores[:2], 1e9)
    assert same_logits(scores * torch.nan, scores * torch.nan, 1e-3)
    minus = scores.clone()
    minus[:, 3] = -torch.inf
    assert same_logits(minus, minus, 1e-6)
    assert not same_logits(scores, minus, 1e-3)


def test_the_proof_takes_a_handful_of_words(both_ways, monkeypatch):
    counted = []
    taken = teacher_forcing.step_by_step
    monkeypatch.setattr(teacher_forcing, "step_by_step", lambda *arguments: counted.append(len(arguments[2])) or taken(*arguments))
    collected(teacher_forced_logits, both_ways, ASKED, TOKENS)
    collected(teacher_forced_logits, both_ways, ASKED, TOKENS)
    assert counted == [CHECKED_TOKENS, len(TOKENS), len(TOKENS)]
