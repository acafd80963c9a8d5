"""Many questions at once: each gets the answer that it gets alone, and the standard measure is what teacher forcing says."""

import io
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from qdash.catalog.schemes import SCHEMES
from qdash.engine import batch_generation, batches
from qdash.engine.batches import Encoded, alike, laid_side_by_side
from qdash.engine.prompting import build_inputs, read_image, tokenizer_of
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.records import BatchAnswered, BatchRequest, Question, Reply
from tests.engine.conftest import DYNAMIC, REAL, SIMULATED, TEXT, TORCHAO, VISION, never

WORDS = ("What", "is", "in", "this", "picture?", "Describe", "it.", "A", "black", "square", "on", "white", "这张图片中有什么", "红色的圆形")
NEW_TOKENS = 6

FindWorker = Callable[..., Worker]


def prompts(count: int) -> list[str]:
    """Prompts of one to thirty words, each another."""
    rng = random.Random(1)
    return [" ".join(rng.choices(WORDS, k=1 + (7 * number) % 30)) + f" {number}" for number in range(count)]


def pictures(count: int) -> list[bytes]:
    """Noise in several sizes, so that tiles and patches differ in number."""
    sizes = [(40, 40), (64, 40), (150, 60), (90, 90)]
    rng = np.random.default_rng(0)
    encoded = []
    for number in range(count):
        width, height = sizes[number % len(sizes)]
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(buffer, "PNG")
        encoded.append(buffer.getvalue())
    return encoded


def batch_request(
    questions: Sequence[Question], batch_size: int, *, plain: bool, targets: Sequence[str] = (), **changes: Any
) -> BatchRequest:
    known: dict[str, Any] = {"max_new_tokens": NEW_TOKENS, "batch_size": batch_size, "plain": plain, "targets": tuple(targets)}
    return BatchRequest(questions=tuple(questions), **{**known, **changes})


def solved(worker: Worker, asked: BatchRequest) -> list[Reply]:
    """The replies in the order of the questions, without margins, which depend in their last digit on what else is in a batch."""
    return [reply.model_copy(update={"margins": ()}) for reply in with_margins(worker, asked)]


def with_margins(worker: Worker, asked: BatchRequest) -> list[Reply]:
    """The replies in the order of the questions."""
    replies = (reply for batch in batches_of(worker, asked) for reply in batch.replies)
    return sorted(replies, key=lambda reply: reply.index)


def batches_of(worker: Worker, asked: BatchRequest) -> list[BatchAnswered]:
    batches: list[BatchAnswered] = []
    worker.run_batches(asked, emit=lambda item: batches.append(item) if isinstance(item, BatchAnswered) else None, stop=never)
    return batches


def alone(worker: Worker, question: Question) -> str:
    """transformers' own generate on one question, without anything of ours but the encoding."""
    assert worker.held is not None
    held = worker.held
    inputs = build_inputs(held.processor, question.prompt, read_image(question), held.model)
    made = held.model.generate(**inputs, max_new_tokens=NEW_TOKENS)  # type: ignore[operator]
    return str(tokenizer_of(held.processor).decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


@pytest.mark.parametrize("architecture", TEXT)
def test_a_batch_answers_as_one_by_one(worker: FindWorker, architecture: str) -> None:
    model = worker(architecture, "original")
    questions = [Question(prompt=prompt) for prompt in prompts(20)]
    batched = solved(model, batch_request(questions, 8, plain=False))
    assert batched == solved(model, batch_request(questions, 1, plain=False))
    assert [reply.text for reply in batched] == [alone(model, question) for question in questions]
    assert len({reply.text for reply in batched}) > 5  # not one answer for all


@pytest.mark.parametrize("architecture", VISION)
def test_pictures_of_all_sizes_share_a_batch(worker: FindWorker, architecture: str) -> None:
    model = worker(architecture, "original")
    questions = [Question(prompt=prompt, png=png) for prompt, png in zip(prompts(9), pictures(9), strict=True)]
    questions += [Question(prompt=prompt) for prompt in prompts(3)]
    batched = solved(model, batch_request(questions, 8, plain=False))
    assert [reply.text for reply in batched] == [alone(model, question) for question in questions]


CPU_SCHEMES = (*REAL, *TORCHAO, DYNAMIC, *SIMULATED)
ROUNDS_ACTIVATIONS = [key for key in CPU_SCHEMES if (SCHEMES[key].activation_bits or 16) < 16]
WEIGHTS_ONLY = [key for key in CPU_SCHEMES if key not in ROUNDS_ACTIVATIONS]


@pytest.mark.parametrize("scheme", WEIGHTS_ONLY)
def test_schemes_of_weights_answer_a_batch_as_one_by_one(worker: FindWorker, scheme: str) -> None:
    model = worker("qwen3", scheme)
    questions = [Question(prompt=prompt) for prompt in prompts(12)]
    together, apart = (solved(model, batch_request(questions, size, plain=True)) for size in (6, 1))
    assert [reply.text for reply in together] == [reply.text for reply in apart]


@pytest.mark.parametrize("scheme", CPU_SCHEMES)
def test_the_catalogue_knows_which_schemes_mix_the_rows_of_a_batch(worker: FindWorker, scheme: str) -> None:
    """Where rows are rounded apart, a float's last bit may turn a code in some row, one scale for all disturbs every row."""
    held = worker("qwen3", scheme).held
    assert held is not None
    rows = [Encoded(index, build_inputs(held.processor, prompt, None, held.model)) for index, prompt in enumerate(prompts(12))]
    with torch.no_grad():
        apart = torch.stack([held.model(**row.inputs).logits[0, -1].float() for row in rows])
        together = held.model(**laid_side_by_side(rows, 0)).logits[:, -1].float()
    deviation = float((apart - together).abs().amax(1).median() / apart.std())
    assert deviation > 0.3 if SCHEMES[scheme].scales_span_rows else deviation < 0.1


@pytest.mark.parametrize("architecture", TEXT)
def test_greedy_decoding_makes_the_target_where_teacher_forcing_says_so(worker: FindWorker, architecture: str) -> None:
    model = worker(architecture, "original")
    texts = prompts(40)
    # What the model itself says is right half of the time, so that both outcomes occur, with targets of one token and of more.
    said = [reply.text for reply in solved(model, batch_request([Question(prompt=text) for text in texts], 8, plain=True))]
    rng = random.Random(0)
    targets = [text[: rng.randint(1, 4)] if rng.random() < 0.7 else " word" for text in said]
    replies = solved(model, batch_request([Question(prompt=text) for text in texts], 8, plain=True, targets=targets))
    expected = [teacher_forced(model, text, target) for text, target in zip(texts, targets, strict=True)]
    assert [reply.on_target for reply in replies] == expected
    assert True in expected and False in expected


def teacher_forced(worker: Worker, context: str, target: str) -> bool:
    """lm-eval's definition, one text at a time: every token of the target is the likeliest after those before it."""
    assert worker.held is not None
    tokenizer, model = tokenizer_of(worker.held.processor), worker.held.model
    start = len(tokenizer(context)["input_ids"])
    whole = tokenizer(context)["input_ids"] + tokenizer(context + target)["input_ids"][start:]
    with torch.no_grad():
        likeliest = model(torch.tensor([whole])).logits[0].argmax(-1).tolist()
    return all(likeliest[place - 1] == whole[place] for place in range(start, len(whole)))


def test_margins_are_those_of_a_plain_forward_pass(worker: FindWorker) -> None:
    subject = worker("qwen3", "original")
    assert subject.held is not None
    tokenizer, model = tokenizer_of(subject.held.processor), subject.held.model
    texts = prompts(5)
    for text, reply in zip(
        texts, with_margins(subject, batch_request([Question(prompt=text) for text in texts], 5, plain=True)), strict=True
    ):
        prompt = tokenizer(text)["input_ids"]
        with torch.no_grad():
            chances = model(torch.tensor([[*prompt, *reply.tokens]])).logits[0, len(prompt) - 1 :].softmax(-1)
        two = chances.topk(2).values
        assert reply.margins == pytest.approx((two[:, 0] - two[:, 1]).tolist()[: len(reply.margins)], abs=2e-6)
        assert len(reply.margins) in (len(reply.tokens), len(reply.tokens) + 1)


def test_scores_that_are_no_numbers_have_no_margin(worker: FindWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches.torch.Tensor, "topk", lambda scores, *_, **__: torch.full_like(scores[:, :2], torch.nan).sort())
    (reply,) = with_margins(worker("qwen3", "original"), batch_request([Question(prompt="hi")], 1, plain=True))
    assert set(reply.margins) == {None}


def test_a_long_target_is_looked_for_beyond_the_end_of_the_answer(worker: FindWorker) -> None:
    model = worker("qwen3", "original")
    question = Question(prompt=prompts(1)[0])
    (long,) = solved(model, batch_request([question], 1, plain=True, max_new_tokens=12))
    (short,) = solved(model, batch_request([question], 1, plain=True, max_new_tokens=2, targets=[long.text]))
    assert short.on_target is teacher_forced(model, question.prompt, long.text)
    assert len(short.tokens) == 2 and long.text.startswith(short.text.rstrip("\ufffd"))


def test_some_batches_are_the_first_of_all(worker: FindWorker) -> None:
    model = worker("qwen3", "original")
    asked = batch_request([Question(prompt=prompt) for prompt in prompts(20)], 4, plain=True)
    everything, some = batches_of(model, asked), batches_of(model, asked.model_copy(update={"batches": 2}))
    assert len(everything) == 5 and [batch.done for batch in everything] == [4, 8, 12, 16, 20]
    assert [batch.replies for batch in some] == [batch.replies for batch in everything[:2]]
    assert (some[-1].done, some[-1].total) == (8, 8)
    assert all(batch.seconds > 0 for batch in everything)
    assert everything[-1].eta_s == 0 and all(batch.eta_s > 0 for batch in everything[:-1])


def test_paused_it_goes_on_where_it_was(worker: FindWorker) -> None:
    model = worker("qwen3", "original")
    asked = batch_request([Question(prompt=prompt) for prompt in prompts(20)], 4, plain=True, batches=4)
    whole, batches, parts = batches_of(model, asked), [], []

    def keep(item: object) -> None:
        if isinstance(item, BatchAnswered):
            batches.append(item)

    first = 0
    while first is not None:  # somebody waits for the device all the time
        part = model.run_batches(asked.model_copy(update={"first": first}), emit=keep, stop=never, pause=lambda: True)
        parts.append(part)
        first = part.paused_at
    assert [part.paused_at for part in parts] == [1, 2, 3, None]
    known = [(batch.replies, batch.done, batch.total) for batch in batches]
    assert known == [(batch.replies, batch.done, batch.total) for batch in whole]
    assert all(0 < batch.seconds <= part.total_s for batch, part in zip(batches, parts, strict=True))
    assert batches[-1].eta_s == 0 and all(batch.eta_s > 0 for batch in batches[:-1])


def test_stopped_in_the_middle_what_was_answered_is_known(worker: FindWorker) -> None:
    model = worker("qwen3", "original")
    batches: list[BatchAnswered] = []
    asked = batch_request([Question(prompt=prompt) for prompt in prompts(20)], 4, plain=True)

    def keep(item: object) -> None:
        if isinstance(item, BatchAnswered):
            batches.append(item)

    with pytest.raises(QdashError) as error:
        model.run_batches(asked, emit=keep, stop=lambda: len(batches) == 2)
    assert error.value.kind == "cancelled" and len(batches) == 2


def test_too_little_memory_for_a_batch_is_met_by_halves(worker: FindWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    model, answers, tried = worker("qwen3", "original"), batch_generation.answers, []

    def for_three_at_most(*arguments: Any) -> list[batches.Made]:
        tried.append(len(arguments[1]))
        if len(arguments[1]) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return answers(*arguments)

    asked = batch_request([Question(prompt=prompt) for prompt in prompts(10)], 10, plain=True)
    expected = solved(model, asked)
    monkeypatch.setattr(batch_generation, "answers", for_three_at_most)
    assert solved(model, asked) == expected
    assert tried == 2 * [10, 5, 2, 3, 5, 2, 3]  # in the warm-up and again
    monkeypatch.setattr(batch_generation, "answers", out_of_memory)
    with pytest.raises(QdashError) as error:
        solved(model, asked)
    assert error.value.kind == "out_of_memory"


def out_of_memory(*arguments: Any) -> list[list[int]]:
    raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize("plain", [True, False])
def test_a_question_that_does_not_fit_is_refused_before_any_is_answered(worker: FindWorker, plain: bool) -> None:
    asked = batch_request([Question(prompt="short"), Question(prompt="word " * 2000)], 1, plain=plain)
    with pytest.raises(QdashError, match="do not fit this model"):
        solved(worker("qwen3", "original"), asked)


def test_a_picture_for_a_model_that_reads_only_is_refused(worker: FindWorker, png: bytes) -> None:
    with pytest.raises(QdashError, match="reads text only"):
        solved(worker("qwen3", "original"), batch_request([Question(prompt="what?", png=png)], 1, plain=False))


def test_plain_texts_meet_no_chat_template_and_no_penalty(worker: FindWorker) -> None:
    model = worker("qwen3", "original")
    assert model.held is not None and model.held.model.generation_config is not None
    config = model.held.model.generation_config
    before = solved(model, batch_request([Question(prompt=prompt) for prompt in prompts(6)], 3, plain=True))
    try:
        config.repetition_penalty = 5.0
        assert solved(model, batch_request([Question(prompt=prompt) for prompt in prompts(6)], 3, plain=True)) == before
    finally:
        config.repetition_penalty = None
    tokenizer = tokenizer_of(model.held.processor)
    inputs = tokenizer(prompts(6)[3], return_tensors="pt")["input_ids"]
    made = model.held.model.generate(inputs, attention_mask=torch.ones_like(inputs), max_new_tokens=NEW_TOKENS)  # type: ignore[operator]
    assert before[3].text == tokenizer.decode(made[0, inputs.shape[1] :], skip_special_tokens=True)


def test_side_by_side() -> None:
    short = Encoded(0, {"input_ids": torch.tensor([[5]]), "attention_mask": torch.tensor([[1]]), "pixel_values": torch.ones(1, 3, 2, 2)})
    long = Encoded(
        1, {"input_ids": torch.tensor([[6, 7]]), "attention_mask": torch.tensor([[1, 1]]), "pixel_values": torch.zeros(1, 3, 2, 2)}
    )
    joined = laid_side_by_side([short, long], pad_id=9)
    assert joined["input_ids"].tolist() == [[9, 5], [6, 7]]
    assert joined["attention_mask"].tolist() == [[0, 1], [1, 1]]
    assert joined["pixel_values"].shape == (2, 3, 2, 2)
    tiled = Encoded(2, {**long.inputs, "pixel_values": torch.zeros(1, 3, 4, 4)})
    assert [[item.index for item in part] for part in alike([short, tiled, long])] == [[0, 1], [2]]


def test_memory_is_watched_before_time_is_taken(worker: FindWorker) -> None:
    model = worker("qwen3", "original")
    done = model.run_batches(
        batch_request([Question(prompt=prompt) for prompt in prompts(8)], 8, plain=True), emit=lambda item: None, stop=lambda: False
    )
    assert model.held is not None and done.peak_bytes > model.held.loaded.weights_bytes * 0.9
