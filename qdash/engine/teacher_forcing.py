"""Teacher forcing: a model's logits for every next token of a given text.

One pass of the model's own `forward` reads prompt and text at once, from inputs that the model itself lays out as it does for `generate`.
That is fast, but correct only for a model that reads from left to right and whose inputs say all that its cache would. This cannot be told
by name, so it is checked: the first few tokens of the pass must have the logits that `generate` computes for them one by one. If they
differ, or the model refuses such a pass, the whole text is scored token by token, which is always correct, and slow.

A known reason: in a pass, the scan of Zamba2 and NemotronH bounds time steps from below (`time_step_min`); while generating it does not.
With random weights log-probabilities differ by up to 2e-3 nats a token, without the bound by 2e-6, so the check decides for each model.

The logits are the large part: a vocabulary of 150 000 tokens takes 600 kB a token. So in one pass the body of the model runs once, and then
`forward` is called for a slice of positions at a time with the body's result. That way the model itself applies all that follows its head
(scaling, soft caps).
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel

from qdash.engine.failures import is_out_of_memory
from qdash.engine.generation import Watch, bare_probabilities, generate
from qdash.engine.kv_cache import rounds_cache
from qdash.engine.layers import quantized_layers
from qdash.engine.prompting import Inputs
from qdash.errors import QdashError

SLICE_LOGITS = 2**21
"""Logits that are computed at a time, 8 MiB in float32; at least one position's."""

CHECKED_TOKENS = 5
"""Tokens on which it is checked that one pass gives the logits of generating."""

TOLERANCE = 1e-3
"""What two ways of computing the logarithm of a probability may differ by in float32, see `tolerance`."""

Take = Callable[[int, Tensor], None]
"""Gets the logits of some positions, float32 [positions, vocabulary] and its own to overwrite, and which the first of them is."""


@dataclass(frozen=True)
class GeneratedLogits:
    """The first tokens that were generated after a prompt, and the logits that chose each: float32 [tokens, vocabulary]."""

    tokens: tuple[int, ...]
    logits: Tensor


@contextmanager
def recording_logits(model: PreTrainedModel) -> Iterator[list[Tensor]]:
    """Keeps the logits of the first `CHECKED_TOKENS` tokens that are generated while this lasts, of the first row, before any penalty."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, arguments: object, output: Any) -> None:
        if len(kept) < CHECKED_TOKENS and isinstance(getattr(output, "logits", None), Tensor):
            kept.append(output.logits[0, -1].to("cpu", torch.float32, copy=True))

    hook = model.register_forward_hook(keep)
    try:
        yield kept
    finally:
        hook.remove()


def teacher_forced_logits(
    model: PreTrainedModel,
    inputs: Inputs,
    tokens: tuple[int, ...],
    take: Take,
    stop: Callable[[], bool],
    generated: GeneratedLogits | None = None,
) -> bool:
    """Hand to `take` the logits from which each of `tokens` is predicted after the prompt `inputs`; returns whether one pass gave them.

    `generated`: the logits known from generating these tokens. `take` may get a position twice; the later logits count.
    Raises QdashError("cancelled").
    """
    known, kind = _PROVEN.setdefault(model, {}), frozenset(inputs)
    checked = known.get(kind)
    if checked is None:
        if generated is None or any(one != other for one, other in zip(generated.tokens, tokens, strict=False)):
            generated = _generated(model, inputs, tokens[:CHECKED_TOKENS], stop)
        checked = not _looks_ahead(model, inputs, tokens, stop) and _checked_in_one_pass(
            model, inputs, tokens, _compared(generated, tolerance(model), take), stop
        )
        if min(len(generated.tokens), len(tokens)) == CHECKED_TOKENS:
            known[kind] = checked
    elif checked:
        in_one_pass(model, inputs, tokens, take, stop)
    if not checked:
        step_by_step(model, inputs, tokens, take, stop)
    return checked


_PROVEN: WeakKeyDictionary[PreTrainedModel, dict[frozenset[str], bool]] = WeakKeyDictionary()
"""Whether a model's one pass was found right, by the names of its inputs: with a picture it may be another matter than without."""


def _checked_in_one_pass(model: PreTrainedModel, inputs: Inputs, tokens: tuple[int, ...], take: Take, stop: Callable[[], bool]) -> bool:
    try:
        in_one_pass(model, inputs, tokens, take, stop)
    except QdashError:
        raise
    except Exception as error:  # of any type: a model that does not read so refuses in its own way
        if is_out_of_memory(error):
            raise
        return False
    return True


@torch.no_grad()
def _looks_ahead(model: PreTrainedModel, inputs: Inputs, tokens: tuple[int, ...], stop: Callable[[], bool]) -> bool:
    """Whether a later token changes the logits of earlier ones; checked for types with too few digits for the other check to show that.

    Both passes are of one shape, so that a model that does not look ahead gives nearly the same numbers in any type.
    """
    few, allowed = tokens[:CHECKED_TOKENS], tolerance(model)
    if allowed <= TOLERANCE or len(few) < 3:
        return False
    *before, changed, last = few
    other = next((token for token in tokens if token != changed), None)
    if other is None:
        return False
    passes: list[Tensor] = []
    for text in (few, (*before, other, last)):
        if not _checked_in_one_pass(model, inputs, text, lambda place, logits: passes.append(logits), stop):
            return True
    half = torch.cat(passes).chunk(2)
    return not same_logits(half[0][:-1], half[1][:-1], 10 * TOLERANCE)


def tolerance(model: PreTrainedModel) -> float:
    """By how much the logarithm of a probability may differ between two ways of computing it that are the same on paper.

    Sums are in another order: nothing in float32, more in types of fewer digits, and as much again where inputs or a cache are rounded.
    """
    if quantized_layers(model) or getattr(model, "is_quantized", False) or rounds_cache(model):
        return 0.25
    return max(TOLERANCE, 32 * torch.finfo(model.dtype).eps)


class _Differs(Exception):
    """One pass does not give the logits of generating."""


def _generated(model: PreTrainedModel, inputs: Inputs, tokens: tuple[int, ...], stop: Callable[[], bool]) -> GeneratedLogits:
    kept: list[Tensor] = []
    step_by_step(model, inputs, tokens, lambda place, logits: kept.append(logits), stop)
    return GeneratedLogits(tokens, torch.cat(kept))


def _compared(generated: GeneratedLogits, allowed: float, take: Take) -> Take:
    """`take`, but raising `_Differs` for logits that differ from the generated ones."""

    def compare(place: int, logits: Tensor) -> None:
        there = generated.logits[place : place + len(logits)]
        if len(there) and not same_logits(there, logits[: len(there)], allowed):
            raise _Differs
        take(place, logits)

    return compare


def same_logits(expected: Tensor, found: Tensor, allowed: float) -> bool:
    """Whether two arrays of logits [positions, vocabulary] mean the same probabilities.

    The mean difference of log-probabilities, weighted by probability, must be within `allowed`. NaN equals everything.
    """
    if expected.shape != found.shape:
        return False
    before, after = (logits.cpu().double().log_softmax(-1) for logits in (expected, found))
    apart = (before.exp() * (before - after).abs().nan_to_num(nan=0.0, posinf=1e9)).sum(-1)
    return not bool((apart > allowed).any())


@torch.no_grad()
def in_one_pass(model: PreTrainedModel, inputs: Inputs, tokens: tuple[int, ...], take: Take, stop: Callable[[], bool]) -> None:
    """Scores along `tokens` (at least one) from one forward pass; raises QdashError("cancelled"), between two blocks of the model."""
    given = laid_out(model, inputs, tokens[:-1])
    first = inputs["input_ids"].shape[1] - 1
    sliceable = "logits_to_keep" in inspect.signature(model.forward).parameters
    size = max(1, SLICE_LOGITS // vocab_size(model)) if sliceable else len(tokens)
    with Watch(model, stop), _body_once(model):
        for start in range(0, len(tokens), size):
            places = torch.arange(first + start, first + min(start + size, len(tokens)), device=model.device)
            logits = _logits_at(model, given, places, sliceable)
            if len(logits) != len(places):
                raise _Differs
            take(start, logits)


@torch.no_grad()
def step_by_step(model: PreTrainedModel, inputs: Inputs, tokens: tuple[int, ...], take: Take, stop: Callable[[], bool]) -> None:
    """Scores along `tokens` while `generate` makes exactly these, with its own cache; raises QdashError("cancelled"), between tokens."""
    # No end token, which would end the text, and no penalties.
    with bare_probabilities(model, ends=False):
        forcing = LogitsProcessorList([_ForceTokens(tokens, take)])
        generate(model, inputs, Watch(model, stop), max_new_tokens=len(tokens), logits_processor=forcing)


class _ForceTokens(LogitsProcessor):
    """Generates the given tokens one after the other, whatever the logits."""

    def __init__(self, tokens: tuple[int, ...], take: Take) -> None:
        self._tokens, self._take, self._place = tokens, take, 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        place, self._place = self._place, self._place + 1
        chosen = torch.full_like(scores, -torch.inf)
        # A device may ask for one token more than it returns.
        chosen[:, self._tokens[min(place, len(self._tokens) - 1)]] = 0.0
        if place < len(self._tokens):
            self._take(place, scores.float().clone())
        return chosen


class _NoOutput(dict[str, Any]):
    """Stands for what a forward pass returned, with nothing in it."""

    def __getattr__(self, name: str) -> None:
        return None


def laid_out(model: PreTrainedModel, inputs: Inputs, tokens: tuple[int, ...] = ()) -> dict[str, Any]:
    """`inputs` of a prompt, a batch of one, with `tokens` after it, as the model lays them out for its first forward pass.

    The model extends masks, types and positions itself, token by token, as while generating.
    """
    ids = inputs["input_ids"]
    known: dict[str, Any] = {name: value for name, value in inputs.items() if name != "input_ids"} | {"use_cache": False}
    for _ in tokens:
        known = model._update_model_kwargs_for_generation(_NoOutput(), known, is_encoder_decoder=False)  # type: ignore[arg-type] - no output to read
    whole = torch.cat((ids, torch.tensor([tokens], dtype=ids.dtype, device=ids.device)), dim=1)
    given = model.prepare_inputs_for_generation(whole, is_first_iteration=True, **known)  # type: ignore[operator] - a method of its mixin
    # The caller says which logits it wants; Bamba, FalconH1, NemotronH, Zamba and Zamba2 ask for the last ones here.
    return {name: value for name, value in given.items() if value is not None and name not in ("use_cache", "logits_to_keep")}


def _logits_at(model: PreTrainedModel, given: dict[str, Any], places: Tensor, sliceable: bool) -> Tensor:
    if sliceable:
        return model(**given, use_cache=False, logits_to_keep=places).logits[0].float()
    return model(**given, use_cache=False).logits[0, places].float()


def vocab_size(model: PreTrainedModel) -> int:
    """Logits per position, padding included."""
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
