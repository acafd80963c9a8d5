"""One move of a game: change the working copy, ask it, and say how far it is from the original.

What stays the same from move to move is kept: the question as the model's inputs, and the original's answer with what it predicts along it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from time import perf_counter

from transformers import PreTrainedModel

from qdash.engine.compress.answers import Followed, Group
from qdash.engine.generation import answer
from qdash.engine.play.edits import layers_at
from qdash.engine.play.levels import levels_of
from qdash.engine.play.working_copy import WorkingCopy
from qdash.engine.prompting import Inputs, Processor, before_marker, build_inputs, check_question, plain_inputs, read_image, tokenizer_of
from qdash.engine.quality import pieces_of, record_reference
from qdash.records import PlayAnswer, Played, PlayRequest, Question

Stop = Callable[[], bool]


@dataclass(frozen=True)
class _Asked:
    """A question, and what the original says to it. `followed` None: it says nothing that could be followed."""

    question: Question
    max_tokens: int
    inputs: Inputs
    tokens: tuple[int, ...]
    followed: Group | None


class Player:
    """Plays with `model`, in plain floats, which nothing else may use meanwhile."""

    def __init__(self, model: PreTrainedModel, processor: Processor) -> None:
        self.model, self.processor, self.copy = model, processor, WorkingCopy(model)
        self._asked: _Asked | None = None

    def move(self, request: PlayRequest, stop: Stop) -> Played:
        """Be what `request` says and answer. Raises QdashError: "bad_input" for a question that does not fit, "cancelled"."""
        began = perf_counter()
        asked = self._original(request, stop)
        self.copy.become(request.actions)
        tokens, kl = (self._tokens(asked, stop), self._divergence(asked, stop)) if self.copy.changed else (asked.tokens, 0.0)
        shown = max(layers_at(request.where, list(self.copy.weights)), key=lambda name: self.copy.weights[name].numel())
        differs = _first_difference(asked.tokens, tokens)
        return Played(
            original=self._answer(asked.tokens, differs), answer=self._answer(tokens, differs), kl_mean_nats=kl, bytes=self.copy.bytes,
            original_bytes=self.copy.original_bytes, changed=len(self.copy.changed), layers=self.copy.layers,
            histogram=levels_of(self.copy, shown), seconds=perf_counter() - began,
        )  # fmt: skip

    def _original(self, request: PlayRequest, stop: Stop) -> _Asked:
        """What the original says, asked once."""
        if self._asked is None or (self._asked.question, self._asked.max_tokens) != (request.question, request.max_tokens):
            self.copy.become(())
            inputs = self._inputs(request.question)
            unasked = _Asked(request.question, request.max_tokens, inputs, (), None)
            tokens = self._tokens(unasked, stop)
            self._asked = _Asked(request.question, request.max_tokens, inputs, tokens, self._followed(inputs, tokens, stop))
        return self._asked

    def _inputs(self, question: Question) -> Inputs:
        if question.plain:
            return plain_inputs(self.processor, question.prompt, self.model)
        check_question(self.processor, question)
        return build_inputs(self.processor, question.prompt, read_image(question), self.model)

    def _followed(self, inputs: Inputs, tokens: Sequence[int], stop: Stop) -> Group | None:
        readable = before_marker(self.processor, tokens)
        if not readable:
            return None
        tokenizer = tokenizer_of(self.processor)
        reference = record_reference(self.model, tokenizer, inputs, readable, lambda now, of: None, stop)
        return Group([Followed(self.model, inputs, reference)])

    def _tokens(self, asked: _Asked, stop: Stop) -> tuple[int, ...]:
        given = answer(self.model, tokenizer_of(self.processor), asked.inputs, asked.max_tokens, lambda text: None, stop)
        return given.tokens

    def _divergence(self, asked: _Asked, stop: Stop) -> float | None:
        if asked.followed is None:
            return None
        (nats,) = asked.followed.means(stop)
        return nats if math.isfinite(nats) else None

    def _answer(self, tokens: Sequence[int], differs: int | None) -> PlayAnswer:
        return PlayAnswer(pieces=pieces_of(tokenizer_of(self.processor), tokens), differs=differs)


def _first_difference(original: Sequence[int], tokens: Sequence[int]) -> int | None:
    pairs = enumerate(zip_longest(original, tokens))
    return next((place for place, (one, other) in pairs if one != other), None)
