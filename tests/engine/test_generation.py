"""Answers: transformers' own greedy ones, to their natural end, streamed in whole characters, stopped at once."""

from time import perf_counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, GenerationConfig

from qdash.engine.generation import TextStreamer, whole_characters
from qdash.engine.generation_config import greedy
from qdash.engine.prompting import build_inputs, read_image
from qdash.errors import QdashError
from qdash.records import Measurement, Question, TextSoFar
from tests.engine.conftest import ignore, never


def stop_after(polls: int):
    """A `stop` that turns true when asked for the n-th time."""
    asked = iter(range(polls))
    return lambda: next(asked, None) is None


@pytest.mark.parametrize("architecture", ["llava", "qwen3", "bloom"])
def test_the_answer_is_generates_own(worker, question, architecture):
    subject, asked = worker(architecture, "original"), question(architecture)
    processor, model = subject.held.processor, subject.held.model
    if architecture == "bloom":
        inputs = processor(asked.prompt, return_tensors="pt")  # no chat template: the plain prompt
    else:
        image = [] if architecture == "qwen3" else [{"type": "image", "image": read_image(asked)}]
        content = [*image, {"type": "text", "text": asked.prompt}] if image else asked.prompt
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
    made = model.generate(**inputs, do_sample=False, max_new_tokens=12)[0, inputs["input_ids"].shape[1] :]
    answer = subject.answer(asked, 12, emit=ignore, stop=never)
    assert answer.text == getattr(processor, "tokenizer", processor).decode(made, skip_special_tokens=True)


def test_token_types_reach_only_models_that_take_them(worker, checkpoint, monkeypatch):
    subject = worker("bloom", "original")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint("bloom"), model_input_names=["input_ids", "token_type_ids", "attention_mask"])
    assert "token_type_ids" in tokenizer("hi")
    assert set(build_inputs(tokenizer, "hi", None, subject.held.model)) == {"input_ids", "attention_mask"}
    monkeypatch.setattr(subject.held.model, "forward", lambda input_ids, token_type_ids: None)
    assert "token_type_ids" in build_inputs(tokenizer, "hi", None, subject.held.model)


def test_an_answer_ends_with_its_end_token(own_worker, question):
    subject = own_worker("qwen3")
    asked = question("qwen3")
    inputs = build_inputs(subject.held.processor, asked.prompt, None, subject.held.model)
    made = subject.held.model.generate(**inputs, max_new_tokens=8)[0, inputs["input_ids"].shape[1] :].tolist()
    end = next(token for place, token in enumerate(made) if token not in made[:place] and place >= 2)
    subject.held.model.generation_config.eos_token_id = [end]
    answer = subject.answer(asked, 100, emit=ignore, stop=never)
    assert answer.complete and answer.new_tokens == made.index(end)
    cut = subject.answer(asked, 2, emit=ignore, stop=never)
    assert not cut.complete and cut.new_tokens == 2
    # Timed runs go on past it.
    assert subject.time(asked, 10, emit=ignore, stop=never).tokens == 10


def test_text_grows_and_ends_as_the_answer(worker, question):
    events = []
    answer = worker("bloom", "original").answer(question("bloom"), 10, emit=events.append, stop=never)
    texts = [event.text for event in events if isinstance(event, TextSoFar)]
    assert len(texts) == len(set(texts)) and texts == sorted(texts, key=len)
    assert texts[-1] == whole_characters(answer.text)


def test_characters_appear_when_all_their_bytes_are_there(checkpoint):
    tokenizer, texts = AutoTokenizer.from_pretrained(checkpoint("qwen3")), []
    streamer = TextStreamer(tokenizer, texts.append)
    streamer.put(torch.tensor([[1, 2, 3]]))  # the prompt
    for token in tokenizer("龘a🦊")["input_ids"]:
        streamer.put(torch.tensor([token]))
    assert texts == ["龘", "龘a", "龘a🦊"]


@given(st.text(alphabet=st.characters(exclude_characters="\ufffd"), max_size=8), st.integers(0, 3))
def test_only_an_unfinished_end_is_held_back(text, unfinished):
    assert whole_characters(text + "\ufffd" * unfinished) == text


def test_bytes_that_are_no_text_do_appear():
    assert whole_characters("a" + "\ufffd" * 5) == "a\ufffd\ufffd"


@pytest.mark.parametrize("polls", [0, 3, 40])
def test_stop_between_tokens_and_between_blocks(worker, question, polls):
    events = []
    with pytest.raises(QdashError) as caught:
        worker("llava", "original").answer(question("llava"), 500, emit=events.append, stop=stop_after(polls))
    assert caught.value.kind == "cancelled"
    assert len(events) <= polls
    # Nothing is left behind: the next question is answered.
    blocks = [module for module in worker("llava", "original").held.model.modules() if module._forward_pre_hooks]
    assert blocks == []
    assert worker("llava", "original").answer(question("llava"), 3, emit=ignore, stop=never).new_tokens == 3


def test_stop_takes_well_under_a_second(worker, question):
    deadline = perf_counter() + 0.3
    with pytest.raises(QdashError, match="Stopped"):
        worker("qwen3", "original").answer(question("qwen3"), 100_000, emit=ignore, stop=lambda: perf_counter() > deadline)
    assert perf_counter() < deadline + 1


def test_a_picture_for_a_text_model_is_refused(worker, png):
    with pytest.raises(QdashError, match="text only") as caught:
        worker("qwen3", "original").answer(Question(prompt="hi", png=png), 5, emit=ignore, stop=never)
    assert caught.value.kind == "bad_input"


def test_a_prompt_with_the_picture_token_is_refused(worker, png):
    with pytest.raises(QdashError, match="<image>") as caught:
        worker("llava", "original").answer(Question(prompt="an <image> here", png=png), 5, emit=ignore, stop=never)
    assert caught.value.kind == "bad_input"


def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(worker):
    asked = Question(prompt="What? " * 700)
    for ask in (
        lambda: worker("qwen3", "original").answer(asked, 5, emit=ignore, stop=never),
        lambda: worker("qwen3", "original").warm_up(asked, Measurement(), emit=ignore, stop=never),
    ):
        with pytest.raises(QdashError, match=r"prompt \(\d,\d{3} tokens\) .* context of 1,024 tokens") as caught:
            ask()
        assert caught.value.kind == "bad_input"


def test_an_answer_is_cut_at_the_end_of_the_context(worker):
    subject = worker("qwen3", "original")
    prompt = "?" * 990
    tokens = build_inputs(subject.held.processor, prompt, None, subject.held.model)["input_ids"].shape[1]
    assert 1000 < tokens < 1024
    answer = subject.answer(Question(prompt=prompt), 500, emit=ignore, stop=never)
    assert answer.new_tokens == 1024 - tokens and not answer.complete


def test_published_sampling_is_overridden_without_a_warning(own_worker, question, capsys):
    subject = own_worker("qwen3")
    published = GenerationConfig(do_sample=True, temperature=0.6, top_k=20, top_p=0.95, repetition_penalty=1.1, eos_token_id=[5, 6])
    changed = greedy(published)
    assert (changed.do_sample, changed.temperature, changed.top_k, changed.top_p) == (False, None, None, None)
    assert (changed.repetition_penalty, changed.eos_token_id) == (1.1, [5, 6])
    assert published.do_sample  # the original is untouched
    first = subject.answer(question("qwen3"), 5, emit=ignore, stop=never)
    subject.held.model.generation_config = changed
    assert subject.answer(question("qwen3"), 5, emit=ignore, stop=never) == subject.answer(question("qwen3"), 5, emit=ignore, stop=never)
    assert first.new_tokens == 5
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("prompt", ["שלום עולם", "a\nb\tc", "🦊" * 20, "</s><|im_end|>", " "])
def test_odd_prompts_are_answered(worker, prompt):
    assert worker("qwen3", "original").answer(Question(prompt=prompt), 2, emit=ignore, stop=never).new_tokens <= 2
