"""Agreement with the original against plain float64 arithmetic: divergences, likeliest words, perplexities, and what they cost."""

import pickle
from time import perf_counter

import numpy as np
import pytest
import torch
import transformers as hf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qdash.engine import quality, teacher_forcing
from qdash.engine.meters import PeakMemory, private_bytes
from qdash.engine.prompting import build_inputs, read_image, tokenizer_of
from qdash.engine.quality import compare_to_reference, divergence, fingerprint, log_probs, pieces_of, record_reference
from qdash.engine.teacher_forcing import in_one_pass
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.records import Question
from qdash.records.agreement import CLOSE_CALL, LIKELIEST, MAX_SCORED_TOKENS
from tests.engine.conftest import TEXT, VISION, ignore, never, spec_of
from tests.engine.test_generation import stop_after
from tests.support.held import model_of

N = 12


def inputs_of(worker, question):
    held = worker.held
    return build_inputs(held.processor, question.prompt, read_image(question), held.model)


def said_by(worker, question):
    return worker.answer(question, N, emit=ignore, stop=never).tokens


def stepwise(worker, question, tokens):
    """Log-probabilities [n, words] in float64 of a text, one token at a time with `generate`'s own cache: nothing is fed in a block."""
    forced = iter(tokens)

    class Says(hf.LogitsProcessor):
        def __call__(self, input_ids, scores):
            return torch.full_like(scores, -torch.inf).index_fill_(1, torch.tensor([next(forced)]), 0.0)

    made = model_of(worker).generate(
        **inputs_of(worker, question), min_new_tokens=len(tokens), max_new_tokens=len(tokens), return_dict_in_generate=True,
        output_logits=True, logits_processor=hf.LogitsProcessorList([Says()]),
    )  # fmt: skip
    return log_softmax(torch.cat(made.logits).double().numpy())


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


@pytest.mark.parametrize("architecture", [*VISION, *TEXT])
def test_figures_are_those_of_a_float64_computation_token_by_token(worker, question, architecture):
    original, variant, asked = worker(architecture, "original"), worker(architecture, "int3-g64"), question(architecture)
    reference = original.record_reference(asked, said_by(original, asked), emit=ignore, stop=never)
    tokens = reference.tokens  # SmolVLM's has said <image>, where it is cut
    assert len(tokens) > 3
    found = variant.compare_to_reference(asked, reference, emit=ignore, stop=never)

    p, q = stepwise(original, asked, tokens), stepwise(variant, asked, tokens)
    kl = (np.exp(p) * (p - q)).sum(-1)
    places = np.arange(len(tokens))
    differs = np.flatnonzero(p.argmax(-1) != q.argmax(-1))
    assert found.kl_mean_nats == pytest.approx(kl.mean(), rel=1e-3, abs=1e-6)
    assert found.kl_se == pytest.approx(kl.std(ddof=1) / np.sqrt(len(kl)), rel=1e-3, abs=1e-6)
    assert [token.kl_nats for token in found.per_token] == pytest.approx(kl, rel=1e-2, abs=1e-5)
    assert found.ppl_original == pytest.approx(np.exp(-p[places, tokens].mean()), rel=1e-4)
    assert found.ppl == pytest.approx(np.exp(-q[places, tokens].mean()), rel=1e-4)
    assert found.top1 == pytest.approx(1 - len(differs) / len(tokens))
    assert found.first_divergence == (int(differs[0]) if len(differs) else None)
    assert (found.tokens, found.exact) == (len(tokens), True)

    (margins, own), delta_p = (_margins(log) for log in (p, q)), np.exp(q[places, tokens]) - np.exp(p[places, tokens])
    assert [token.margin_original for token in found.per_token] == pytest.approx(margins, abs=1e-4)
    assert [token.margin for token in found.per_token] == pytest.approx(own, abs=1e-4)
    assert [token.delta_p for token in found.per_token] == pytest.approx(delta_p, abs=1e-4)
    assert found.tail is not None and found.flips is not None
    assert (found.tail.kl_max_nats, found.tail.kl_95_nats) == (pytest.approx(kl.max(), rel=1e-2, abs=1e-5), None)
    assert found.tail.delta_p_rms == pytest.approx(np.sqrt((delta_p**2).mean()), abs=1e-4)
    assert (found.flips.flipped, found.flips.gained) == (len(differs), int((q.argmax(-1)[differs] == np.array(tokens)[differs]).sum()))
    assert found.flips.flipped_close == int((margins[differs] < CLOSE_CALL).sum())


def _margins(log_probabilities):
    """Between the two likeliest of each row."""
    likeliest = np.sort(np.exp(log_probabilities), -1)
    return likeliest[:, -1] - likeliest[:, -2]


@pytest.mark.parametrize("architecture", ["llava", "qwen3-vl", "qwen3"])
def test_the_original_is_exactly_itself(worker, question, architecture):
    subject, asked = worker(architecture, "original"), question(architecture)
    reference = subject.record_reference(asked, said_by(subject, asked), emit=ignore, stop=never)
    found = subject.compare_to_reference(asked, reference, emit=ignore, stop=never)
    assert (found.kl_mean_nats, found.kl_se, found.top1, found.first_divergence) == (0.0, 0.0, 1.0, None)
    assert found.ppl == found.ppl_original
    assert all(token.instead is None for token in found.per_token)
    assert all(token.margin == token.margin_original and token.delta_p == 0 for token in found.per_token)
    assert found.tail is not None and (found.tail.kl_max_nats, found.tail.delta_p_rms, found.tail.delta_p_rms_se) == (0.0, 0.0, None)
    assert found.flips is not None and (found.flips.flipped, found.flips.lost, found.flips.gained) == (0, 0, 0)


def test_where_the_variant_would_go_on_otherwise_its_word_is_told(worker, question):
    original, variant, asked = worker("qwen3", "original"), worker("qwen3", "int2-g64"), question("qwen3")
    reference = original.record_reference(asked, said_by(original, asked), emit=ignore, stop=never)
    found = variant.compare_to_reference(asked, reference, emit=ignore, stop=never)
    place = found.first_divergence
    assert place is not None and found.top1 < 1
    assert [token.instead is None for token in found.per_token[: place + 1]] == [True] * place + [False]
    likeliest = stepwise(variant, asked, reference.tokens)[place].argmax()
    assert found.per_token[place].instead == variant.held.processor.decode([likeliest])


# ── the arithmetic ───────────────────────────────────────────────────────────────────────────────────────────────


def logits_of(words):
    return arrays(np.float32, (2, words), elements=st.floats(-30, 30, width=32))


@given(logits_of(9), logits_of(9), st.integers(1, 9))
def test_merging_words_gives_a_lower_bound_and_none_gives_the_divergence(p, q, kept):
    exact = (np.exp(log_softmax(p.astype(float))) * (log_softmax(p.astype(float)) - log_softmax(q.astype(float)))).sum(-1)
    ids = torch.from_numpy(p.copy()).topk(kept).indices
    said = torch.zeros(2, dtype=torch.int64)
    (log_p, p_tail, _), (log_q, q_tail, own) = (log_probs(torch.from_numpy(scores.copy()), ids, said) for scores in (p, q))
    found = divergence(log_p, p_tail, log_q, q_tail).numpy()
    assert (found <= exact + 1e-4).all() and (found >= 0).all()
    if kept == 9:
        assert found == pytest.approx(exact, rel=1e-4, abs=2e-5)
    assert own.numpy() == pytest.approx(log_softmax(q.astype(float))[:, 0], abs=1e-7)


@given(logits_of(5))
def test_equal_scores_are_nothing_apart(p):
    ids, said = torch.from_numpy(p).topk(3).indices, torch.zeros(2, dtype=torch.int64)
    first, again = (log_probs(torch.from_numpy(p.copy()), ids, said) for _ in range(2))
    assert divergence(*first[:2], *again[:2]).tolist() == [0.0, 0.0]


def test_the_bound_is_tight_for_a_large_vocabulary():
    """Logits of 150 000 words as language models have them (bell-shaped bulk, a few likely words), disturbed as quantization does."""
    draw = np.random.default_rng(0)
    p = draw.normal(0, 2, (64, 150_000)).astype(np.float32)
    p[np.arange(64)[:, None], draw.integers(0, 150_000, (64, 20))] += draw.uniform(8, 16, (64, 20)).astype(np.float32)
    q = p + draw.normal(0, 0.3, p.shape).astype(np.float32)
    log_p, log_q = log_softmax(p.astype(float)), log_softmax(q.astype(float))
    exact = (np.exp(log_p) * (log_p - log_q)).sum(-1).mean()
    ids, said = torch.from_numpy(p).topk(LIKELIEST).indices, torch.zeros(64, dtype=torch.int64)
    (log_p, p_tail, _), (log_q, q_tail, _) = (log_probs(torch.from_numpy(scores), ids, said) for scores in (p, q))
    bound = float(divergence(log_p, p_tail, log_q, q_tail).mean())
    assert 0.9 * exact < bound <= exact


def test_of_equally_likely_words_none_is_another():
    scores = torch.tensor([[1.0, 3.0, 3.0], [3.0, 1.0, 2.0]])
    assert quality._other_token(scores, torch.tensor([2, 1])).tolist() == [-1, 0]


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def large():
    """A model of 150 000 words and nearly nothing else."""
    torch.manual_seed(0)
    config = hf.Qwen3Config(
        vocab_size=150_000, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        head_dim=32, tie_word_embeddings=True,
    )  # fmt: skip
    model = hf.Qwen3ForCausalLM(config).eval()
    with torch.no_grad():
        model.model.embed_tokens.weight.normal_(std=0.5)
    return model


def test_a_large_vocabulary_costs_neither_gigabytes_nor_seconds(large, worker):
    tokenizer = tokenizer_of(worker("qwen3", "original").held.processor)
    tokens = torch.randint(0, 300, (400,), generator=torch.Generator().manual_seed(1)).tolist()
    inputs = {"input_ids": torch.tensor([[1, 2, 3]]), "attention_mask": torch.ones(1, 3, dtype=torch.int64)}
    slices, bodies = [], []
    hooks = [
        large.lm_head.register_forward_hook(lambda module, given, scores: slices.append(scores.numel())),
        large.model.layers[0].register_forward_hook(lambda *_: bodies.append(1)),
    ]
    whole = len(tokens) * 150_000 * 4
    record_reference(large, tokenizer, inputs, tokens[:5], lambda *_: None, never)  # the first call brings threads and buffers along
    slices.clear()
    bodies.clear()
    started = perf_counter()
    with PeakMemory(torch.device("cpu"), private_bytes()) as memory:
        reference = record_reference(large, tokenizer, inputs, tokens, lambda *_: None, never)
        found = compare_to_reference(large, tokenizer, inputs, reference, lambda *_: None, never)
    taken_s = perf_counter() - started
    for hook in hooks:
        hook.remove()
    assert max(slices) <= teacher_forcing.SLICE_LOGITS and len(bodies) == 2, "the body runs once a pass"
    assert memory.peak_bytes < whole * 0.8
    assert len(pickle.dumps(reference)) < 2**20
    assert (reference.kept, found.exact, found.kl_mean_nats) == (LIKELIEST, False, 0.0)
    assert taken_s < 20, "seconds on an idle machine; this one may be busy"


def in_pieces(model, inputs, tokens):
    pieces = []
    in_one_pass(model, inputs, tokens, lambda place, scores: pieces.append(scores), never)
    return pieces


def test_slices_change_nothing(worker, question, monkeypatch):
    subject, asked = worker("llava", "bnb-nf4"), question("llava")
    tokens, inputs = said_by(worker("llava", "original"), asked), inputs_of(subject, asked)
    whole = torch.cat(in_pieces(model_of(subject), inputs, tokens))
    monkeypatch.setattr(teacher_forcing, "SLICE_LOGITS", 2 * whole.shape[1])
    pieces = in_pieces(model_of(subject), inputs, tokens)
    assert [len(piece) for piece in pieces[:2]] == [2, 2]
    torch.testing.assert_close(torch.cat(pieces), whole)
    assert "forward" not in model_of(subject).base_model.__dict__, "the model is as it was"


def test_stop_is_honoured_and_leaves_the_model_whole(worker, question):
    subject, asked = worker("llava", "original"), question("llava")
    tokens = said_by(subject, asked)
    with pytest.raises(QdashError) as caught:
        subject.record_reference(asked, tokens, emit=ignore, stop=stop_after(1))
    assert caught.value.kind == "cancelled"
    assert not [module for module in model_of(subject).modules() if module._forward_pre_hooks or "forward" in module.__dict__]
    assert subject.record_reference(asked, tokens, emit=ignore, stop=never).tokens == tokens


# ── what cannot be compared ──────────────────────────────────────────────────────────────────────────────────────


def test_another_tokenizer_is_told_and_not_compared(worker, question):
    reference = worker("qwen3", "original").record_reference(question("qwen3"), (1, 2, 3), emit=ignore, stop=never)
    with pytest.raises(QdashError, match="another vocabulary"):
        worker("bloom", "original").compare_to_reference(question("bloom"), reference, emit=ignore, stop=never)
    wider = reference.model_copy(update={"width": reference.width + 64})
    with pytest.raises(QdashError, match=f"{reference.width:,} scores per token, not {wider.width:,}"):
        worker("qwen3", "original").compare_to_reference(question("qwen3"), wider, emit=ignore, stop=never)


def test_a_tokenizer_is_known_by_its_words_and_their_numbers(checkpoint):
    first, again, other = (hf.AutoTokenizer.from_pretrained(checkpoint(architecture)) for architecture in ("qwen3", "qwen3", "bloom"))
    assert fingerprint(first) == fingerprint(again) != fingerprint(other)
    again.add_tokens(["<new>"])
    assert fingerprint(first) != fingerprint(again)


def test_scores_that_are_no_numbers(checkpoint, worker, question):
    asked = question("qwen3")
    reference = worker("qwen3", "original").record_reference(asked, (5, 6, 7), emit=ignore, stop=never)
    broken = Worker(spec_of(checkpoint("qwen3"), "original"))
    broken.load(emit=ignore, stop=never)
    with torch.no_grad():
        model_of(broken).model.norm.weight.fill_(torch.nan)
    found = broken.compare_to_reference(asked, reference, emit=ignore, stop=never)
    assert (found.kl_mean_nats, found.kl_se, found.ppl, found.top1, found.first_divergence) == (None, None, None, 0.0, 0)
    assert [(token.kl_nats, token.margin, token.delta_p) for token in found.per_token] == [(None, None, None)] * 3
    assert found.tail is None and found.flips is not None and found.flips.flipped == 3
    assert all(token.margin_original is not None for token in found.per_token)
    with pytest.raises(QdashError, match="NaN or infinite"):
        broken.record_reference(asked, (5, 6, 7), emit=ignore, stop=never)


# ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_text_is_compared_along_after_the_question(worker, question):
    subject, text = worker("llava", "original"), "A black square on 白色背景."
    reference = subject.record_reference(question("llava"), text, emit=ignore, stop=never)
    assert reference.tokens == tuple(subject.held.processor.tokenizer(text, add_special_tokens=False)["input_ids"])
    assert "".join(reference.pieces) == text
    one = subject.compare_to_reference(
        question("llava"), subject.record_reference(question("llava"), "A", emit=ignore, stop=never), emit=ignore, stop=never
    )
    assert (one.tokens, one.kl_se) == (1, None)


def test_a_text_is_cut_where_the_context_ends(worker):
    subject = worker("qwen3", "original")
    question = Question(prompt="?" * 990)
    room = 1024 - inputs_of(subject, question)["input_ids"].shape[1] + 1
    reference = subject.record_reference(question, "a b " * 200, emit=ignore, stop=never)
    assert len(reference.tokens) == room < 200
    assert subject.compare_to_reference(question, reference, emit=ignore, stop=never).tokens == room
    with pytest.raises(QdashError, match="context"):
        subject.compare_to_reference(Question(prompt="?" * 1000), reference, emit=ignore, stop=never)


def test_a_long_text_is_bounded(worker, question):
    reference = worker("bloom", "original").record_reference(question("bloom"), "a b " * 2000, emit=ignore, stop=never)
    assert len(reference.tokens) == MAX_SCORED_TOKENS and len(reference.pieces) == 256


def test_marks_of_pictures_are_no_text(worker, question):
    subject, asked = worker("llava", "original"), question("llava")
    with pytest.raises(QdashError, match="<image>"):
        subject.record_reference(asked, "An <image> of", emit=ignore, stop=never)
    marker = subject.held.processor.tokenizer.convert_tokens_to_ids("<image>")
    assert subject.record_reference(asked, (5, 6, marker, 7), emit=ignore, stop=never).tokens == (5, 6)
    with pytest.raises(QdashError, match="no token"):
        subject.record_reference(asked, (marker,), emit=ignore, stop=never)


@pytest.mark.parametrize("text", ["A black square.", "白色背景上有", "🦊 龘a", "שלום עולם\n"])
def test_pieces_make_up_the_text(checkpoint, text):
    tokenizer = hf.AutoTokenizer.from_pretrained(checkpoint("qwen3"))
    tokens = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
    pieces = pieces_of(tokenizer, tokens)
    assert "".join(pieces) == text and len(pieces) == len(tokens) and pieces[-1] == ""
