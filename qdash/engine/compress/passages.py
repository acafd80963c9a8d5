"""Passages that a model is trained on: encoded as it reads them while answering, and laid side by side with padding on the right.

On the right, because then every passage has the positions that it has alone, and what comes after its end is never looked at. A model that
looks at its padding all the same gets one passage at a time: two tell.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, PreTrainedModel

from qdash.engine.batches import Encoded, alike, end_tokens, laid_side_by_side
from qdash.engine.failures import is_out_of_memory
from qdash.engine.prompting import Inputs, Processor, build_inputs, check_question, context_length, inputs_of, read_image, tokenizer_of
from qdash.engine.teacher_forcing import same_logits, tolerance
from qdash.engine.vocabulary import check_tokens
from qdash.errors import QdashError
from qdash.records import Passage

MAX_TOKENS = 512
"""Of a passage, but for a prompt that is longer."""
TOKENS_OF_A_STEP = 2048
LOGITS_OF_A_STEP = 2**24
"""How many are computed at most: with a large vocabulary a step has fewer tokens."""
MAX_BATCH = 64
SORTED_BATCHES = 16
"""Batches that are made together: of passages sorted by length, so that there is little padding."""


@dataclass(frozen=True)
class EncodedPassage(Encoded):
    """A batch of one; the tokens from number `start` + 1 on are those to be said."""

    start: int = 0


def encode(passage: Passage, processor: Processor, model: PreTrainedModel) -> EncodedPassage:
    """The inputs of a passage, the answer after the prompt; raises QdashError for what the model cannot read."""
    tokenizer, question = tokenizer_of(processor), passage.question
    answer = list(tokenizer(passage.answer, add_special_tokens=False)["input_ids"])
    ends = sorted(end_tokens(model.generation_config or GenerationConfig()))
    answer += ends[:1] if passage.ends else []
    if question.plain:
        prompt = list(tokenizer(question.prompt)["input_ids"])
        tokens = [*prompt, *answer][: _most(model, len(prompt))]
        check_tokens(model, tokenizer, tokens)
        return EncodedPassage(0, inputs_of(tokens, model), start=max(0, len(prompt) - 1))
    check_question(processor, question)
    inputs = build_inputs(processor, question.prompt, read_image(question), model)
    prompt_tokens = inputs["input_ids"].shape[1]
    answer = answer[: _most(model, prompt_tokens) - prompt_tokens]
    return EncodedPassage(0, _followed(inputs, answer), start=prompt_tokens - 1)


def _most(model: PreTrainedModel, prompt_tokens: int) -> int:
    most = max(MAX_TOKENS, prompt_tokens + MAX_TOKENS // 4)
    return min(most, context_length(model) or most)


def _followed(inputs: Inputs, tokens: Sequence[int]) -> Inputs:
    """`inputs` with more tokens at the end; what is per token besides is a mask, of ones, or a type, of zeros."""
    ids = inputs["input_ids"]
    ends = {"input_ids": torch.tensor([list(tokens)], dtype=ids.dtype, device=ids.device)}
    ends["attention_mask"] = torch.ones_like(ends["input_ids"])
    other = torch.zeros_like(ends["input_ids"])
    per_token = {name: value for name, value in inputs.items() if value.shape == ids.shape}
    return inputs | {name: torch.cat((value, ends.get(name, other).to(value.dtype)), 1) for name, value in per_token.items()}


class Batches:
    """The passages in batches, endlessly and in a random order; step n always has the same."""

    def __init__(self, passages: Sequence[Passage], size: int, seed: int) -> None:
        self._passages, self._size, self._seed = passages, size, seed
        self._epoch, self._order = -1, []

    def at(self, step: int) -> list[Passage]:
        """Those of a step."""
        epoch, place = divmod(step, -(-len(self._passages) // self._size))
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffled(random.Random(f"{self._seed} {epoch}"))
        return [self._passages[index] for index in self._order[place]]

    def _shuffled(self, rng: random.Random) -> list[list[int]]:
        order = list(range(len(self._passages)))
        rng.shuffle(order)
        batches: list[list[int]] = []
        for start in range(0, len(order), self._size * SORTED_BATCHES):
            near = sorted(order[start : start + self._size * SORTED_BATCHES], key=self._length)
            batches += [near[first : first + self._size] for first in range(0, len(near), self._size)]
        rng.shuffle(batches)
        return batches

    def _length(self, index: int) -> int:
        passage = self._passages[index]
        return len(passage.question.prompt) + len(passage.answer)


def batch_size(sample: Sequence[EncodedPassage], vocabulary: int) -> int:
    """How many passages like those of `sample` a step has."""
    mean = sum(item.length for item in sample) / len(sample)
    said = sum(item.length - 1 - item.start for item in sample) / len(sample)
    room = min(TOKENS_OF_A_STEP / mean, LOGITS_OF_A_STEP / vocabulary / max(1.0, said))
    return max(1, min(MAX_BATCH, round(room)))


def can_share(model: PreTrainedModel, pair: Sequence[EncodedPassage]) -> bool:
    """Whether two passages get, side by side, the logits that each gets alone."""
    try:
        together = said_logits(model, pair)
        apart = torch.cat([said_logits(model, [item]) for item in pair])
    except QdashError:
        raise
    except Exception as error:  # of any type: a model that takes no padding refuses in its own way
        return is_out_of_memory(error)
    return same_logits(apart, together, tolerance(model))


def said_logits(model: PreTrainedModel, batch: Sequence[EncodedPassage]) -> Tensor:
    """The logits from which each token to be said is predicted, [tokens, vocabulary], passage after passage; pictures as they come."""
    return torch.cat([_logits(model, part) for part in alike(batch)])


def _logits(model: PreTrainedModel, batch: Sequence[EncodedPassage]) -> Tensor:
    inputs = laid_side_by_side(batch, 0, left=False)
    places = torch.zeros(inputs["input_ids"].shape, dtype=torch.bool, device=inputs["input_ids"].device)
    for row, item in enumerate(batch):
        places[row, item.start : item.length - 1] = True
    with _only_at(model, places):
        found = model(**inputs, use_cache=False).logits
    return found.reshape(-1, found.shape[-1]).float()


@contextmanager
def _only_at(model: PreTrainedModel, places: Tensor) -> Iterator[None]:
    """While this lasts, the output head gets the places [batch, tokens] alone: the logits of all others would take most of the memory."""
    head = model.get_output_embeddings()
    if head is None:
        raise QdashError("This model has no output head whose logits could be compared.", "Choose another model.", "unavailable")

    def pick(module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return (arguments[0][places], *arguments[1:])

    hook = head.register_forward_pre_hook(pick)
    try:
        yield
    finally:
        hook.remove()
