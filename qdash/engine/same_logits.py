"""Whether a saved model is the variant that it was saved from: both read one text, and their logits are compared token by token.

The same kernels on the same weights give the same bits. Where they do not, because sums are in another order, log-probabilities may be
apart by what the arithmetic's type allows; a weight that was lost or rounded once more shows far above that.
"""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from qdash.engine.prompting import Inputs, context_length
from qdash.engine.teacher_forcing import TOLERANCE, in_one_pass, step_by_step, teacher_forced_logits, vocab_size
from qdash.errors import QdashError
from qdash.records import Logits, ReloadCheck

MOST_TOKENS = 16


def logits_along(model: PreTrainedModel, inputs: Inputs, tokens: tuple[int, ...], stop: Callable[[], bool]) -> Logits:
    """The logits of `model` at each of `tokens` after the prompt `inputs`; of the first `MOST_TOKENS` that fit its context.

    Raises QdashError: "not_finite" if they are NaN or infinite, "bad_input" if no token fits, "cancelled".
    """
    room = _room(model, inputs)
    tokens = tokens[:room]
    if not tokens:
        raise QdashError("The model's context has no room for a text to compare it on.", "Choose a model with a longer context.")
    found = torch.empty(len(tokens), vocab_size(model))
    one_pass = teacher_forced_logits(model, inputs, tokens, _into(found), stop)
    if not bool(found.isfinite().any(-1).all()) or bool(found.isnan().any()):
        raise QdashError("This version's logits are NaN or infinite, so nothing can be compared.", "Choose another scheme.", "not_finite")
    return Logits(tokens=len(tokens), width=found.shape[1], values=found.numpy().tobytes(), step_by_step=not one_pass, process=os.getpid())


def compare_logits(
    model: PreTrainedModel, inputs: Inputs, tokens: tuple[int, ...], expected: Logits, stop: Callable[[], bool]
) -> ReloadCheck:
    """The logits of `model` beside those `expected`, made in the same way; another number of them counts as infinitely far apart."""
    known: dict[str, Any] = {"tokens": expected.tokens, "new_process": os.getpid() != expected.process}
    known["allowed_nats"] = max(TOLERANCE, 4 * torch.finfo(model.dtype).eps)
    tokens = tokens[: expected.tokens]
    if len(tokens) != expected.tokens or vocab_size(model) != expected.width:
        return ReloadCheck(**known, equal=False, apart_nats=torch.inf)
    found = torch.empty(len(tokens), expected.width)
    (step_by_step if expected.step_by_step else in_one_pass)(model, inputs, tokens, _into(found), stop)
    before = torch.frombuffer(bytearray(expected.values), dtype=torch.float32).view(found.shape)
    equal = torch.equal(before, found)
    return ReloadCheck(**known, equal=equal, apart_nats=0.0 if equal else _apart(before, found))


def _room(model: PreTrainedModel, inputs: Inputs) -> int:
    length = context_length(model)
    return MOST_TOKENS if length is None else max(0, min(MOST_TOKENS, length - inputs["input_ids"].shape[1] + 1))


def _into(found: Tensor) -> Callable[[int, Tensor], None]:
    def take(place: int, logits: Tensor) -> None:
        found[place : place + len(logits)] = logits.cpu()

    return take


def _apart(before: Tensor, after: Tensor) -> float:
    """The largest of the positions' mean differences of log-probabilities, in nats; NaN counts as infinitely far."""
    old, new = before.double().log_softmax(-1), after.double().log_softmax(-1)
    # Tokens that a model rules out have probability 0 on both sides.
    apart = torch.where(old == new, 0.0, (old - new).abs()).nan_to_num(nan=torch.inf)
    return float(torch.where(old.exp() > 0, old.exp() * apart, 0.0).sum(-1).max())
