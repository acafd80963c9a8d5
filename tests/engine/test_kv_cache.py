"""A KV cache in few bits: its rounding against numpy and quanto, its timing against a loop of our own, and what it is refused for."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache

from qdash.catalog.caches import CACHES, RESIDUAL_TOKENS
from qdash.catalog.schemes import find_scheme
from qdash.engine.kv_cache import group_size, rounded, rounds_cache
from qdash.engine.loading import load_skeleton
from qdash.engine.schemes import family_of
from qdash.engine.teacher_forcing import step_by_step
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.records import BatchRequest, Question
from tests.architectures.making import build
from tests.engine.conftest import ignore, never, spec_of
from tests.engine.test_quality import inputs_of

BITS = {"kv=int8": 8, "kv=int4": 4}
OTHERS = {
    "gpt-oss": "sliding_attention", "gemma3": "sliding_attention", "rwkv": "state", "mamba2": "state", "falcon-h1": "state",
    "bamba": "state", "zamba2": "state", "nemotron-h": "state", "lfm2": "conv",
}  # fmt: skip
"""Architectures whose cache is another, and a word that says which."""


def by_numpy(vectors: torch.Tensor, bits: int, group: int) -> torch.Tensor:
    """Levels from the minimum to the maximum of each group, in float64."""
    values = vectors.double().numpy().reshape(-1, group)
    low, step = values.min(1, keepdims=True), np.ptp(values, axis=1, keepdims=True) / (2**bits - 1)
    codes = np.rint(np.divide(values - low, step, out=np.zeros_like(values), where=step > 0))
    return torch.from_numpy((codes * step + low).reshape(vectors.shape)).to(vectors.dtype)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 8]), st.sampled_from([(1, 2, 5, 64, 64), (2, 1, 3, 40, 40), (1, 3, 1, 128, 32)]))
def test_rounding_is_numpys(seed: int, bits: int, shape: tuple[int, int, int, int, int]) -> None:
    *whole, group = shape
    vectors = torch.randn(whole, generator=torch.Generator().manual_seed(seed))
    found, expected = rounded(vectors, bits, group), by_numpy(vectors, bits, group)
    step = (vectors.amax() - vectors.amin()) / (2**bits - 1)
    apart = (found - expected).abs()
    assert (apart > 1e-5).sum() <= 1 and apart.max() <= step * 1.001  # a value halfway between two levels may go either way
    assert len(found.reshape(-1, group)[0].unique()) <= 2**bits
    torch.testing.assert_close(rounded(found, bits, group), found, atol=1e-5, rtol=0)


def test_a_group_of_equal_numbers_stays_as_it_is() -> None:
    vectors = torch.tensor([[0.1] * 8, [0.0] * 8, [-3.7] * 8])
    assert torch.equal(rounded(vectors, 4, 8), vectors)


def test_rows_and_heads_share_nothing() -> None:
    vectors = torch.randn(3, 2, 5, 64)
    assert torch.equal(rounded(vectors, 4, 64)[1:2, :, 2:], rounded(vectors[1:2, :, 2:], 4, 64))


def by_hand(model, inputs, tokens, bits):
    """Logits along `tokens` with a plain cache whose tensors are rounded from outside: the prompt at once, then every 128 tokens."""
    held: Any = DynamicCache(config=model.config)
    group, exact = group_size(model.config), 0
    found = [model(**inputs, past_key_values=held, use_cache=True).logits[0, -1]]
    for token in tokens[:-1]:
        if not exact:
            for layer in held.layers:
                layer.keys, layer.values = by_numpy(layer.keys, bits, group), by_numpy(layer.values, bits, group)
        exact = (exact + 1) % RESIDUAL_TOKENS
        found.append(model(input_ids=torch.tensor([[token]]), past_key_values=held, use_cache=True).logits[0, -1])
    return torch.stack(found)


def scores(model, inputs, tokens):
    found = {}
    step_by_step(model, inputs, tokens, lambda place, logits: found.update({place: logits[0]}), never)
    return torch.stack([found[place] for place in range(len(tokens))])


@torch.no_grad()
@pytest.mark.parametrize("scheme", BITS)
@pytest.mark.parametrize("architecture", ["qwen3", "llava", "qwen3-vl", "bloom"])
def test_what_is_rounded_when(worker, question, architecture, scheme):
    """Over more tokens than stay floats, twice: a model with a rounded cache says what a loop over a plain one says."""
    subject, plain = worker(architecture, scheme), worker(architecture, "original").held.model
    tokens = tuple(5 + (7 * place) % 200 for place in range(RESIDUAL_TOKENS + 20))
    inputs = inputs_of(subject, question(architecture))
    found, floats = scores(subject.held.model, inputs, tokens), scores(plain, inputs, tokens)
    if architecture in ("qwen3", "bloom"):  # others need what `generate` adds, such as positions after a picture
        torch.testing.assert_close(found.log_softmax(-1), by_hand(plain, inputs, tokens, BITS[scheme]).log_softmax(-1), atol=2e-3, rtol=0)
    assert torch.equal(found[0], floats[0])  # the prompt is read with floats
    assert not torch.equal(found[1], floats[1]) and not torch.equal(found[-1], floats[-1])


@pytest.mark.parametrize("scheme", BITS)
@pytest.mark.parametrize("architecture", ["qwen3", "llava"])
def test_answer_distance_and_snippet(worker, question, architecture, scheme):
    original, subject, asked = worker(architecture, "original"), worker(architecture, scheme), question(architecture)
    before = original.answer(asked, 12, emit=ignore, stop=never)
    given = subject.answer(asked, 12, emit=ignore, stop=never)
    reference = original.record_reference(asked, before.tokens, True, emit=ignore, stop=never)
    assert reference.step_by_step
    agreement = subject.compare_to_reference(asked, reference, emit=ignore, stop=never)
    assert agreement.kl_mean_nats > 0 and agreement.per_token[0].kl_nats < 1e-9  # the first token follows a prompt in floats
    assert original.compare_to_reference(asked, reference, emit=ignore, stop=never).kl_mean_nats == 0
    assert original.answer(asked, 12, emit=ignore, stop=never) == before and not rounds_cache(original.held.model)
    scope: dict = {}
    exec(subject.load(emit=ignore, stop=never).snippet, scope)
    inputs = inputs_of(subject, asked)
    made = scope["model"].generate(**inputs, **scope["cache"], max_new_tokens=12, do_sample=False)
    assert tuple(made[0, inputs["input_ids"].shape[1] :].tolist()) == given.tokens


def test_fewer_bits_are_further_away(worker, question):
    original, asked, tokens = worker("qwen3", "original"), question("qwen3"), tuple(range(5, 60))
    reference = original.record_reference(asked, tokens, True, emit=ignore, stop=never)
    eight, four = (worker("qwen3", key).compare_to_reference(asked, reference, emit=ignore, stop=never).kl_mean_nats for key in BITS)
    assert 0 < eight < four / 10


def test_what_it_takes_is_counted_from_the_models_own_vectors(worker):
    """Two layers with two heads of 16 numbers for keys and values each."""
    loaded = worker("qwen3", "kv=int4").load(emit=ignore, stop=never)
    cache, text = loaded.coverage.cache, worker("qwen3", "kv=int4").held.model.config
    numbers = 2 * text.num_hidden_layers * text.num_key_value_heads * text.head_dim
    assert (cache.bits, cache.group_size, cache.float_tokens) == (4, min(64, text.head_dim), 128)
    assert cache.float_token_bytes == 4 * numbers and cache.token_bytes == numbers // 2 + 8 * numbers // cache.group_size
    assert loaded.coverage.quantized == 0 and not loaded.coverage.skipped
    assert worker("qwen3", "original").load(emit=ignore, stop=never).coverage.cache is None


def test_with_quantized_layers(worker, question):
    """The layers are those of the scheme alone, and the cache is rounded besides."""
    both, alone, asked = worker("qwen3", "*=bnb-nf4,kv=int8"), worker("qwen3", "bnb-nf4"), question("qwen3")
    ours, theirs = both.load(emit=ignore, stop=never), alone.load(emit=ignore, stop=never)
    assert (ours.weights_bytes, ours.coverage.quantized) == (theirs.weights_bytes, theirs.coverage.quantized)
    assert ours.coverage.cache.bits == 8 and theirs.coverage.cache is None
    tokens = tuple(range(5, 20))
    found, floats = (scores(subject.held.model, inputs_of(subject, asked), tokens) for subject in (both, alone))
    assert torch.equal(found[0], floats[0]) and not torch.equal(found[1], floats[1])


def test_a_batch_answers_as_each_alone(worker):
    subject = worker("qwen3", "kv=int4")
    questions = tuple(Question(prompt=text, png=None) for text in ("What is it?", "Name a colour that you like, please.", "Why?"))
    replies = {}
    request = BatchRequest(questions=questions, plain=False, max_new_tokens=10, batch_size=3)
    subject.run_batches(request, emit=lambda event: replies.update({reply.index: reply.text for reply in event.replies}), stop=never)
    alone = [subject.answer(question, 10, emit=ignore, stop=never).text for question in questions]
    assert [replies[index] for index in range(3)] == alone


@pytest.mark.parametrize("architecture", OTHERS)
def test_other_caches_are_refused_before_anything_is_loaded(tmp_path, architecture):
    spec = spec_of(build(architecture, tmp_path), "kv=int8")
    scheme, skeleton = find_scheme("kv=int8"), load_skeleton(spec)
    with pytest.raises(QdashError, match=OTHERS[architecture]) as caught:
        family_of(scheme).load_kwargs(scheme, spec, skeleton)
    assert caught.value.kind == "unavailable" and type(skeleton).__name__ in caught.value.message


@pytest.mark.parametrize(("architecture", "why"), [("gpt-oss", "sliding"), ("mllama", "no keys"), ("blip2", "picture")])
def test_a_worker_says_so(tmp_path, architecture, why):
    """Models that look at pictures in layers of their own, or cannot do without one, are known once they are loaded."""
    with pytest.raises(QdashError, match=f"few bits.*{why}") as caught:
        Worker(spec_of(build(architecture, tmp_path), "kv=int4")).load(emit=ignore, stop=never)
    assert caught.value.kind == "unavailable"


@torch.no_grad()
@pytest.mark.parametrize("key", CACHES)
def test_the_real_cache_does_what_is_simulated_elsewhere(worker, key):
    """Where the back end's package is installed: over more tokens than stay floats, against the loop over a plain cache."""
    form = CACHES[key]
    if form.kind == "simulated":
        pytest.skip(f"{form.package} is not installed")
    subject, plain = worker("qwen3", f"kv={key}"), worker("qwen3", "original")
    asked, tokens = Question(prompt="What is it?", png=None), tuple(5 + (7 * place) % 200 for place in range(RESIDUAL_TOKENS + 20))
    real = scores(subject.held.model, inputs_of(subject, asked), tokens).log_softmax(-1)
    floats = scores(plain.held.model, inputs_of(plain, asked), tokens).log_softmax(-1)
    simulated = by_hand(plain.held.model, inputs_of(plain, asked), tokens, form.bits).log_softmax(-1)
    if form.backend == "quanto":
        torch.testing.assert_close(real, simulated, atol=2e-3, rtol=0)
    else:  # hqq looks for better zero points, so it is about as far from the original, elsewhere
        assert (real - floats).abs().mean() < 2 * (simulated - floats).abs().mean()
    assert subject.load(emit=ignore, stop=never).coverage.cache.backend == form.backend
