"""Putting a text into a model's mouth: its scores for every next word, given the words that were really there before.

One pass of the model's own `forward` reads prompt and text at once. The scores are the large part: a vocabulary of 150 000 words takes
600 kB a token. So the body of the model runs once, and then `forward` is called for a slice of positions at a time with the body's result
at hand. That way whatever a model does to its scores after the head (scaling, soft caps) is done by the model.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from qdash.engine.generation import Watch
from qdash.engine.prompting import Inputs

SLICE_SCORES = 2**21
"""Scores that are computed at a time, 8 MiB in float32; at least one position's."""


def forced(inputs: Inputs, tokens: tuple[int, ...]) -> Inputs:
    """`inputs` of a prompt with all but the last of `tokens` (at least one) after it: the last word is predicted, never read."""
    ids = inputs["input_ids"]
    more = torch.tensor([tokens[:-1]], dtype=ids.dtype, device=ids.device)
    extended = dict(inputs)
    for name, value in inputs.items():
        if value.shape == ids.shape:
            # Per token there is the attention mask, all ones, and token types, of which text has the zeroth.
            added = more if name == "input_ids" else torch.full_like(more, name == "attention_mask", dtype=value.dtype)
            extended[name] = torch.cat((value, added), dim=1)
    return extended


@torch.no_grad()
def scores_along(model: PreTrainedModel, inputs: Inputs, tokens: tuple[int, ...], stop: Callable[[], bool]) -> Iterator[Tensor]:
    """Scores (logits) from which each of `tokens` would be predicted after the prompt `inputs`, in order: float32 [positions, words].

    Each tensor is the caller's to overwrite. Raises QdashError("cancelled"), while the body runs between two of its blocks.
    """
    given = forced(inputs, tokens)
    first = inputs["input_ids"].shape[1] - 1
    sliceable = "logits_to_keep" in inspect.signature(model.forward).parameters
    size = max(1, SLICE_SCORES // words_of(model)) if sliceable else len(tokens)
    with Watch(model, stop), _body_once(model):
        for start in range(0, len(tokens), size):
            places = torch.arange(first + start, first + min(start + size, len(tokens)), device=model.device)
            yield _scores_at(model, given, places, sliceable)


def _scores_at(model: PreTrainedModel, given: Inputs, places: Tensor, sliceable: bool) -> Tensor:
    if sliceable:
        return model(**given, use_cache=False, logits_to_keep=places).logits[0].float()
    return model(**given, use_cache=False).logits[0, places].float()


def words_of(model: PreTrainedModel) -> int:
    """Scores a position has, padding included."""
    return int(model.config.get_text_config(decoder=True).vocab_size)


@contextmanager
def _body_once(model: PreTrainedModel) -> Iterator[None]:
    """While this lasts, the model below its head runs once and then repeats what it gave."""
    body: nn.Module = model.base_model
    if body is model:
        yield
        return
    before, forward = body.__dict__.get("forward"), body.forward
    given: list[Any] = []

    def once(*arguments: Any, **named: Any) -> Any:
        if not given:
            given.append(forward(*arguments, **named))
        return given[0]

    body.forward = once
    try:
        yield
    finally:
        if before is None:
            del body.forward
        else:
            body.forward = before
