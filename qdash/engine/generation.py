"""Asking a model: the answer people read, token by token as it is made.

Decoding is greedy, so that variants differ only in their weights, and it is transformers' own `generate`: what is shown is what its
users get. Stop is honoured between tokens, and while the prompt is read between the model's blocks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from qdash.engine.failures import cancelled
from qdash.engine.kv_cache import generating
from qdash.engine.prompting import Inputs, check_room, context_length
from qdash.records import Answer


@contextmanager
def bare_probabilities(model: PreTrainedModel, *, ends: bool = True) -> Iterator[None]:
    """Greedy decoding without the penalties and forbidden tokens that a model was published with, as lm-eval decodes.

    The model's own config is taken away meanwhile: `generate` fills in from it whatever another one leaves open. `ends`: whether an end
    token ends the text.
    """
    own = model.generation_config or GenerationConfig()
    # What a batch is filled up with is needed even where nothing ends.
    pad = own.pad_token_id if ends or isinstance(own.pad_token_id, int) else 0
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=own.eos_token_id if ends else None, pad_token_id=pad, disable_compile=True
    )
    try:
        yield
    finally:
        model.generation_config = own


def answer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    inputs: Inputs,
    max_tokens: int,
    on_text: Callable[[str], None],
    stop: Callable[[], bool],
) -> Answer:
    """One greedy answer to its natural end, or cut after `max_tokens` or at the end of the model's context.

    `on_text` gets the whole text so far after every token. Raises QdashError: "bad_input" for a prompt that fills the context, "cancelled".
    """
    check_room(model, inputs, 1)
    prompt_tokens = inputs["input_ids"].shape[1]
    room = (context_length(model) or prompt_tokens + max_tokens) - prompt_tokens
    watch = Watch(model, stop)
    tokens = generate(model, inputs, watch, max_new_tokens=min(max_tokens, room), streamer=TextStreamer(tokenizer, on_text))
    complete = bool(tokens) and tokens[-1] in _end_tokens(model)
    text = tokenizer.decode(tokens, skip_special_tokens=True)
    return Answer(text=str(text), new_tokens=len(tokens) - complete, complete=complete, tokens=tuple(tokens))


def generate(model: PreTrainedModel, inputs: Inputs, watch: "Watch", **options: object) -> list[int]:
    """The tokens that `model.generate` adds to the prompt, `watch` called after each."""
    return generate_rows(model, inputs, watch, **options)[0]


def generate_rows(model: PreTrainedModel, inputs: Inputs, watch: "Watch", **options: object) -> list[list[int]]:
    """The tokens that `model.generate` adds to each row of a batch, those after a row's end token included."""
    itself: Any = model  # its own class has `generate`, the type does not
    with watch:
        made = itself.generate(**inputs, stopping_criteria=StoppingCriteriaList([watch]), **generating(model), **options)
    assert isinstance(made, Tensor)
    return made[:, watch.first_place :].tolist()


class Watch(StoppingCriteria):
    """Looks after every token whether to stop; while the prompt is read, before every block of the model.

    A reading of the prompt is one forward pass, and on a CPU can take a minute. The hooks are gone when the first token is there.
    """

    def __init__(self, model: PreTrainedModel, stop: Callable[[], bool]) -> None:
        self._stop = stop
        self._blocks = [block for stack in model.modules() if isinstance(stack, nn.ModuleList) for block in stack]
        self._go_on = torch.zeros(1, dtype=torch.bool, device=model.device)
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []
        self.first_place = 0
        """Where in what `generate` returns the first new token is. Not all models return the prompt as it was given to them."""
        self._begun = False

    def __enter__(self) -> "Watch":
        self._begun = False
        self._hooks = [block.register_forward_pre_hook(lambda *_: self._check()) for block in self._blocks]
        return self

    def __exit__(self, *_: object) -> None:
        self._unhook()

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: object) -> Tensor:  # type: ignore[override] - its tensors are booleans
        """Called by `generate` after every token; never ends the answer by itself."""
        if not self._begun:
            self._begun, self.first_place = True, input_ids.shape[1] - 1
            self._unhook()
        self.on_token()
        self._check()
        return self._go_on

    def on_token(self) -> None:
        """For subclasses: a token has been made."""

    def _check(self) -> None:
        if self._stop():
            raise cancelled()

    def _unhook(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []


class TextStreamer(BaseStreamer):
    """Decodes all tokens so far, and holds back characters whose bytes are not all there yet."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, on_text: Callable[[str], None]) -> None:
        self._tokenizer = tokenizer
        self._on_text = on_text
        self._tokens: list[int] | None = None
        self._shown = ""

    def put(self, value: Tensor) -> None:
        """Take the prompt, which comes first and is not shown, then token after token."""
        if self._tokens is None:
            self._tokens = []
            return
        self._tokens += value.flatten().tolist()
        text = whole_characters(str(self._tokenizer.decode(self._tokens, skip_special_tokens=True)))
        if text != self._shown:
            self._shown = text
            self._on_text(text)

    def end(self) -> None:
        """Nothing is left to do: the caller has the whole answer."""


def whole_characters(text: str) -> str:
    """`text` without a last character of which only the first bytes are there: decoders show each as U+FFFD, at most three."""
    unfinished = len(text) - len(text.rstrip("\ufffd"))
    return text[: len(text) - min(unfinished, 3)]


def _end_tokens(model: PreTrainedModel) -> list[int]:
    config = model.generation_config
    ends = config.eos_token_id if config is not None else None
    return ends if isinstance(ends, list) else [] if ends is None else [int(ends)]
