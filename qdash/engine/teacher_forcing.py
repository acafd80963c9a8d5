"""Teacher forcing: a model's logits for every next token of a given text.

One pass of the model's own `forward` reads prompt and text at once, from inputs that the model itself lays out as it does for `generate`.
That is fast, and right only for a model that reads from left to right and whose inputs say all that its cache would. Which models are so
is not known by name, so it is proven: the first few words of the pass must have the scores that they have while `generate` makes them, one
by one. Where they have not, or the model refuses such a pass, the whole text is scored that other way: always right, and slow.

One reason met with: in a pass, the scan of Zamba2 and NemotronH bounds time steps from below (`time_step_min`), and while generating it
does not. With random weights scores differ by up to 2e-3 nats a word, without the bound by 2e-6; so for each model the proof decides.

The scores are the large part: a vocabulary of 150 000 words takes 600 kB a token. So in one pass the body of the model runs once, and then
`forward` is called for a slice of positions at a time with the body's result at hand. That way whatever a model does to its scores after
the head (scaling, soft caps) is done by the model.
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
from qdash.engine.layers import quantized_layers
from qdash.engine.prompting import Inputs
from qdash.errors import QdashError

SLICE_SCORES = 2**21
"""Scores that are computed at a time, 8 MiB in float32; at least one position's."""

HANDFUL = 5
"""Words on which it is proven that one pass gives the scores of generating."""

TOLERANCE = 1e-3
"""What two ways of computing the logarithm of a probability may differ by in float32, see `tolerance`."""

Take = Callable[[int, Tensor], None]
"""Gets the scores (logits) of some positions, float32 [positions, words] and its own to overwrite, and which the first of them is."""


@dataclass(frozen=True)
class Heard:
    """The first tokens that were generated after a prompt, and the scores each was chosen by: float32 [tokens, words]."""

    tokens: tuple[int, ...]
    scores: Tensor


@contextmanager
def listening(model: PreTrainedModel) -> Iterator[list[Tensor]]:
    """Keeps the scores of the first `HANDFUL` tokens that are generated while this lasts, of the first row, before any penalty."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, arguments: object, output: Any) -> None:
        if len(kept) < HANDFUL and isinstance(getattr(output, "logits", None), Tensor):
            kept.append(output.logits[0, -1].to("cpu", torch.float32, copy=True))

    hook = model.register_forward_hook(keep)
    try:
        yield kept
    finally:
        hook.remove()


def teacher_forced_logits(
    model: PreTrainedModel, inputs: Inputs, tokens: tuple[int, ...], take: Take, stop: Callable[[], bool], heard: Heard | None = None
) -> bool:
    """Hand to `take` the scores from which each of `tokens` is predicted after the prompt `inputs`; returns whether one pass gave them.

    `heard`: what is known of generating these tokens. `take` may get a position twice; the later scores count.
    Raises QdashError("cancelled").
    """
    known, kind = _PROVEN.setdefault(model, {}), frozenset(inputs)
    proven = known.get(kind)
    if proven is None:
        if heard is None or any(one != other for one, other in zip(heard.tokens, tokens, strict=False)):
            heard = _heard(model, inputs, tokens[:HANDFUL], stop)
        proven = not _looks_ahead(model, inputs, tokens, stop) and _proven_in_one_pass(
            model, inputs, tokens, _compared(heard, tolerance(model), take), stop
        )
        if min(len(heard.tokens), len(tokens)) == HANDFUL:
            known[kind] = proven
    elif proven:
        in_one_pass(model, inputs, tokens, take, stop)
    if not proven:
        step_by_step(model, inputs, tokens, take, stop)
    return proven


_PROVEN: WeakKeyDictionary[PreTrainedModel, dict[frozenset[str], bool]] = WeakKeyDictionary()
"""Whether a model's one pass was found right, by the names of its inputs: with a picture it may be another matter than without."""


def _proven_in_one_pass(model: PreTrainedModel, inputs: Inputs, tokens: tuple[int, ...], take: Take, stop: Callable[[], bool]) -> bool:
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
    """Whether another later word changes the scores of earlier ones; asked where digits are too few for the proof to show that.

    Both passes are of one shape, so that a model that does not look ahead gives nearly the same numbers in any type.
    """
    few, allowed = tokens[:HANDFUL], tolerance(model)
    if allowed <= TOLERANCE or len(few) < 3:
        return False
    *before, changed, last = few
    other = next((token for token in tokens if token != changed), None)
    if other is None:
        return False
    passes: list[Tensor] = []
    for text in (few, (*before, other, last)):
        if not _proven_in_one_pass(model, inputs, text, lambda place, scores: passes.append(scores), stop):
            return True
    half = torch.cat(passes).chunk(2)
    return not same_scores(half[0][:-1], half[1][:-1], 10 * TOLERANCE)


def tolerance(model: PreTrainedModel) -> float:
    """By how much the logarithm of a probability may differ between two ways of computing it that are the same on paper.

    Sums are in another order: nothing in float32, more in types of fewer digits, and as much again where layers round their inputs.
    """
    if quantized_layers(model) or getattr(model, "is_quantized", False):
        return 0.25
    return max(TOLERANCE, 32 * torch.finfo(model.dtype).eps)


class _Differs(Exception):
    """One pass does not give the scores of generating."""


def _heard(model: PreTrainedModel, inputs: Inputs, tokens: tuple[int, ...], stop: Callable[[], bool]) -> Heard:
    kept: list[Tensor] = []
    step_by_step(model, inputs, tokens, lambda place, scores: kept.append(scores), stop)
    return Heard(tokens, torch.cat(kept))


def _compared(heard: Heard, allowed: float, take: Take) -> Take:
    """`take`, but raising `_Differs` for scores that are not those heard."""

    def compare(place: int, scores: Tensor) -> None:
        there = heard.scores[place : place + len(scores)]
        if len(there) and not same_scores(there, scores[: len(there)], allowed):
            raise _Differs
        take(place, scores)

    return compare


def same_scores(expected: Tensor, found: Tensor, allowed: float) -> bool:
    """Whether two [positions, words] of scores mean the same probabilities.

    Their logarithms must be within `allowed` in the mean over words, as likely as they are. What is no number is like everything else.
    """
    if expected.shape != found.shape:
        return False
    before, after = (scores.cpu().double().log_softmax(-1) for scores in (expected, found))
    apart = (before.exp() * (before - after).abs().nan_to_num(nan=0.0, posinf=1e9)).sum(-1)
    return not bool((apart > allowed).any())


@torch.no_grad()
def in_one_pass(model: PreTrainedModel, inputs: Inputs, tokens: tuple[int, ...], take: Take, stop: Callable[[], bool]) -> None:
    """Scores along `tokens` (at least one) from one forward pass; raises QdashError("cancelled"), between two blocks of the model."""
    given = laid_out(model, inputs, tokens[:-1])
    first = inputs["input_ids"].shape[1] - 1
    sliceable = "logits_to_keep" in inspect.signature(model.forward).parameters
    size = max(1, SLICE_SCORES // vocab_size(model)) if sliceable else len(tokens)
    with Watch(model, stop), _body_once(model):
        for start in range(0, len(tokens), size):
            places = torch.arange(first + start, first + min(start + size, len(tokens)), device=model.device)
            scores = _scores_at(model, given, places, sliceable)
            if len(scores) != len(places):
                raise _Differs
            take(start, scores)


@torch.no_grad()
def step_by_step(model: PreTrainedModel, inputs: Inputs, tokens: tuple[int, ...], take: Take, stop: Callable[[], bool]) -> None:
    """Scores along `tokens` while `generate` makes exactly these, with its own cache; raises QdashError("cancelled"), between tokens."""
    # No end token, which would end the text, and no penalties.
    with bare_probabilities(model, ends=False):
        says = LogitsProcessorList([_Says(tokens, take)])
        generate(model, inputs, Watch(model, stop), max_new_tokens=len(tokens), logits_processor=says)


class _Says(LogitsProcessor):
    """Makes one token after the other, whatever the scores."""

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

    What is said of each token (masks, types, positions) the model goes on with itself, token by token, as while generating.
    """
    ids = inputs["input_ids"]
    known: dict[str, Any] = {name: value for name, value in inputs.items() if name != "input_ids"} | {"use_cache": False}
    for _ in tokens:
        known = model._update_model_kwargs_for_generation(_NoOutput(), known, is_encoder_decoder=False)  # type: ignore[arg-type]
    whole = torch.cat((ids, torch.tensor([tokens], dtype=ids.dtype, device=ids.device)), dim=1)
    given = model.prepare_inputs_for_generation(whole, is_first_iteration=True, **known)  # type: ignore[operator]
    # Whoever asks says which scores are wanted; Bamba, FalconH1, NemotronH, Zamba and Zamba2 ask for the last ones here.
    return {name: value for name, value in given.items() if value is not None and name not in ("use_cache", "logits_to_keep")}


def _scores_at(model: PreTrainedModel, given: dict[str, Any], places: Tensor, sliceable: bool) -> Tensor:
    if sliceable:
        return model(**given, use_cache=False, logits_to_keep=places).logits[0].float()
    return model(**given, use_cache=False).logits[0, places].float()


def vocab_size(model: PreTrainedModel) -> int:
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
