"""Mixtures, recurrent models, hybrids and models that see: loaded, asked, scored and examined, against plain transformers."""

import math

import pytest
import torch
import transformers as hf

from qdash.engine.sizes import weights_bytes
from qdash.engine.teacher_forcing import laid_out
from qdash.records import BatchAnswered, BatchRequest, Measurement, Question
from tests.architectures.conftest import decoded, inputs_for
from tests.architectures.making import READS, SEES
from tests.engine.conftest import ignore, never

N = 10
ARCHITECTURES = (*READS, *SEES)
REAL = ("original", "bnb-nf4")
SIMULATED = "int3-g64"
READ_PADDING = ("rwkv",)
"""Architectures that read what a shorter question is filled up with."""


def generated(model, inputs, count, tokens=None):
    """New tokens and log-probabilities [tokens, words] of plain `generate`, which makes `tokens` if they are given."""
    says = [] if tokens is None else [Says(tokens)]
    made = model.generate(
        **inputs, min_new_tokens=count, max_new_tokens=count, do_sample=False, return_dict_in_generate=True, output_logits=True,
        logits_processor=hf.LogitsProcessorList(says),
    )  # fmt: skip
    return made.sequences[0, -count:].tolist(), torch.cat(made.logits).double().log_softmax(-1)


class Says(hf.LogitsProcessor):
    def __init__(self, tokens):
        self.tokens = iter(tokens)

    def __call__(self, input_ids, scores):
        return torch.full_like(scores, -torch.inf).index_fill_(1, torch.tensor([next(self.tokens)]), 0.0)


def perplexity(log_probs, tokens):
    return math.exp(-log_probs[range(len(tokens)), list(tokens)].mean())


@pytest.mark.parametrize("scheme", REAL)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_answer_is_that_of_plain_generate(worker, plain, question, architecture, scheme):
    subject, asked = worker(architecture, scheme), question(architecture)
    answer = subject.answer(asked, N, emit=ignore, stop=never)
    inputs = inputs_for(subject, asked)
    made = plain(architecture, scheme).generate(**inputs, max_new_tokens=N, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert answer.text == decoded(subject, made)
    assert len(answer.tokens) == len(made) > 0


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scores_are_those_of_generating(worker, plain, question, architecture):
    """The original's and each variant's own, to a thousandth; divergences are of both."""
    original, asked = worker(architecture, "original"), question(architecture)
    tokens = tuple(generated(plain(architecture, "original"), inputs_for(original, asked), N)[0])
    reference = original.record_reference(asked, tokens, emit=ignore, stop=never)
    tokens = reference.tokens  # cut where the model says a picture
    assert len(tokens) >= 3
    p = generated(plain(architecture, "original"), inputs_for(original, asked), len(tokens), tokens)[1]
    assert reference.ppl == pytest.approx(perplexity(p, tokens), rel=1e-3)
    for scheme in ("bnb-nf4", SIMULATED):
        variant = worker(architecture, scheme)
        found = variant.compare_to_reference(asked, reference, emit=ignore, stop=never)
        model = plain(architecture, scheme) if scheme in REAL else variant.held.model
        q = scored(model, inputs_for(variant, asked), tokens, reference.step_by_step)
        assert found.ppl == pytest.approx(perplexity(q, tokens), rel=1e-3)
        kl = float((p.exp() * (p - q)).sum(-1).mean())
        assert found.kl_mean_nats == pytest.approx(kl, rel=1e-2, abs=1e-6)
        assert kl > 1e-6


def scored(model, inputs, tokens, step_by_step):
    """Log-probabilities [tokens, words] in the way that the original was scored: kernels round otherwise for one row than for many."""
    if step_by_step:
        return generated(model, inputs, len(tokens), tokens)[1]
    start = inputs["input_ids"].shape[1] - 1
    with torch.no_grad():
        return model(**laid_out(model, inputs, tokens[:-1]), use_cache=False).logits[0, start:].double().log_softmax(-1)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_number_is_counted_and_every_layer_named(worker, plain, architecture):
    original, variant = (worker(architecture, scheme).load(emit=ignore, stop=never) for scheme in REAL)
    model = plain(architecture, "original")
    stored = {tensor.data_ptr(): tensor.nbytes for tensor in (*model.parameters(), *model.buffers()) if tensor.numel()}
    assert original.weights_bytes == pytest.approx(sum(stored.values()), rel=0.01)
    assert variant.weights_bytes == pytest.approx(weights_bytes(plain(architecture, "bnb-nf4")), rel=0.02)
    assert variant.weights_bytes < original.weights_bytes
    linear = [name for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)]
    assert (original.coverage.quantized, original.coverage.total) == (0, len(linear))
    assert variant.coverage.quantized + len([skip for skip in variant.coverage.skipped if skip.name in linear]) == len(linear)


@pytest.mark.parametrize("scheme", ["original", "bnb-nf4", SIMULATED])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_questions_get_the_answers_that_each_gets_alone(worker, question, architecture, scheme):
    subject, png = worker(architecture, scheme), question(architecture).png
    questions = [Question(prompt="the cat sat on the mat " * (1 + number % 4) + str(number), png=png) for number in range(6)]
    request = BatchRequest(questions=tuple(questions), plain=False, max_new_tokens=4, batch_size=6)
    replies = {}

    def keep(item):
        if isinstance(item, BatchAnswered):
            replies.update({reply.index: reply.text for reply in item.replies})

    done = subject.run_batches(request, emit=keep, stop=never)
    alone = [subject.answer(asked, 4, emit=ignore, stop=never).text for asked in questions]
    assert [replies[number] for number in range(6)] == alone
    assert done.batch_size == (1 if architecture in READ_PADDING else 6)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_timed_runs_make_as_many_tokens_as_asked(worker, question, architecture):
    subject, asked = worker(architecture, "original"), question(architecture)
    assert subject.warm_up(asked, Measurement(warmup=1, max_new_tokens=3), emit=ignore, stop=never).peak_bytes > 0
    assert subject.time(asked, 3, emit=ignore, stop=never).tokens == 3


@pytest.mark.parametrize("scheme", ["bnb-int8", "bnb-fp4", "ao-int8wo", "ao-int8dyn", "torch-int8dyn", "fp8-e4m3"])
def test_weights_that_a_model_divides_itself_are_divided_whatever_holds_them(worker, plain, question, scheme):
    """RWKV's when it is first called: afterwards layers may hold theirs in another way, in which they cannot be divided."""
    original, variant, asked = worker("rwkv", "original"), worker("rwkv", scheme), question("rwkv")
    reference = original.record_reference(asked, tuple(range(40, 52)), emit=ignore, stop=never)
    found = variant.compare_to_reference(asked, reference, emit=ignore, stop=never)
    assert 1e-9 < found.kl_mean_nats < 0.1
    if scheme.startswith("bnb"):
        p, q = (
            scored(plain("rwkv", key), inputs_for(original, asked), reference.tokens, reference.step_by_step)
            for key in ("original", scheme)
        )
        assert found.kl_mean_nats == pytest.approx(float((p.exp() * (p - q)).sum(-1).mean()), rel=1e-2)
    assert variant.answer(asked, 4, emit=ignore, stop=never).new_tokens == 4
