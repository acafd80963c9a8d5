"""Asking a model: the answer people read, token by token as it is made.

Decoding is greedy, so that variants differ only in their weights, and it is transformers' own `generate`: what is shown is what its
users get. Stop is honoured between tokens, and while the prompt is read between the model's blocks.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from qdash.engine.failures import cancelled
from qdash.engine.prompting import Inputs, check_room, context_length
from qdash.records import Answer

# Of a published generation config all that samples, searches, stops early or compiles is left out; penalties and token lists stay.
GREEDY = {
    "do_sample": False, "num_beams": 1, "temperature": None, "top_k": None, "top_p": None, "min_p": None, "typical_p": None,
    "epsilon_cutoff": None, "eta_cutoff": None, "max_length": None, "min_length": None, "max_time": None, "stop_strings": None,
    "cache_implementation": None, "disable_compile": True,
}  # fmt: skip


def greedy(config: GenerationConfig | None) -> GenerationConfig:
    """A copy of a model's own generation config that decodes greedily in eager mode."""
    changed = copy.deepcopy(config) if config is not None else GenerationConfig()
    for name, value in GREEDY.items():
        setattr(changed, name, value)
    return changed


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
    with watch:
        made = model.generate(**inputs, stopping_criteria=StoppingCriteriaList([watch]), **options)  # type: ignore[operator]
    assert isinstance(made, Tensor)
    return made[0, inputs["input_ids"].shape[1] :].tolist()


class Watch(StoppingCriteria):
    """Looks after every token whether to stop; while the prompt is read, before every block of the model.

    A reading of the prompt is one forward pass, and on a CPU can take a minute. The hooks are gone when the first token is there.
    """

    def __init__(self, model: PreTrainedModel, stop: Callable[[], bool]) -> None:
        self._stop = stop
        self._blocks = [block for stack in model.modules() if isinstance(stack, nn.ModuleList) for block in stack]
        self._go_on = torch.zeros(1, dtype=torch.bool, device=model.device)
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> "Watch":
        self._hooks = [block.register_forward_pre_hook(lambda *_: self._check()) for block in self._blocks]
        return self

    def __exit__(self, *_: object) -> None:
        self._unhook()

    def __call__(self, input_ids: Tensor, scores: object, **kwargs: object) -> Tensor:
        """Called by `generate` after every token; never ends the answer by itself."""
        if self._hooks:
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
