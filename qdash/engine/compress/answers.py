"""The original's own answers, and how far from it a changed model is at each of their tokens.

Small models are mostly kept waiting by the overhead of single operations, so answers are followed side by side where that gives what each
gives alone: padded on the right, where a model that reads from left to right does not look. This is tried, not supposed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from qdash.engine.accelerator import float64_device
from qdash.engine.compress.replay import MOST_BYTES, Outputs, recorded
from qdash.engine.prompting import Inputs
from qdash.engine.quality import distributions, divergence, log_probs
from qdash.engine.teacher_forcing import in_one_pass, laid_out, step_by_step, vocab_size
from qdash.records import Reference
from qdash.records.agreement import SAME_NATS

MOST_LOGITS = 2**24
"""Logits of all positions of answers that are followed side by side, 64 MiB in float32."""

Stop = Callable[[], bool]


@dataclass(frozen=True)
class Followed:
    """An answer to the prompt `inputs`, and what the original predicts along it."""

    model: PreTrainedModel
    inputs: Inputs
    reference: Reference

    @property
    def first(self) -> int:
        """The position from which the answer's first token is predicted."""
        return self.inputs["input_ids"].shape[1] - 1

    @cached_property
    def given(self) -> dict[str, Any]:
        """Prompt and answer as the model lays them out."""
        return laid_out(self.model, self.inputs, self.reference.tokens[:-1])

    @cached_property
    def known(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`distributions` of the reference and its tokens, where float64 can be computed."""
        home = float64_device(self.model.device)
        ids, log_p, tail = (array.to(home) for array in distributions(self.reference))
        return ids, log_p, tail, torch.tensor(self.reference.tokens, device=home)

    def divergence(self, logits: Tensor, place: int = 0) -> Tensor:
        """KL divergence in nats, float64 [n], of float32 logits [n, vocabulary] at the answer's tokens from `place` on; overwrites them."""
        here = slice(place, place + len(logits))
        ids, log_p, tail, tokens = (known[here] for known in self.known)
        log_q, q_tail, _ = log_probs(logits.to(ids.device), ids, tokens)
        return divergence(log_p, tail, log_q, q_tail).cpu()


@dataclass
class Group:
    """Answers that are followed in one pass, and what the model's blocks gave in it, where that is known."""

    members: Sequence[Followed]
    outputs: Outputs | None = None

    def means(self, stop: Stop) -> list[float]:
        """The mean divergence of the model, as it is now, along each answer."""
        return [float(nats.mean()) for nats in (self._alone(stop) if len(self.members) == 1 else self._side_by_side())]

    def _alone(self, stop: Stop) -> list[Tensor]:
        (one,) = self.members
        parts: dict[int, Tensor] = {}

        def take(place: int, logits: Tensor) -> None:
            parts[place] = one.divergence(logits, place)

        follow = step_by_step if one.reference.step_by_step else in_one_pass
        follow(one.model, one.inputs, one.reference.tokens, take, stop)
        return [torch.cat([parts[place] for place in sorted(parts)])]

    @torch.no_grad()
    def _side_by_side(self) -> list[Tensor]:
        logits = self.members[0].model(**self._given, use_cache=False).logits
        ends = [one.first + len(one.reference.tokens) for one in self.members]
        return [one.divergence(row[one.first : end].float()) for one, row, end in zip(self.members, logits, ends, strict=True)]

    @cached_property
    def _given(self) -> dict[str, Any]:
        longest = max(one.given["input_ids"].shape[1] for one in self.members)
        return {name: torch.cat([_padded(one, name, longest) for one in self.members]) for name in self.members[0].given}


def _padded(one: Followed, name: str, longest: int) -> Tensor:
    value, ids = one.given[name], one.given["input_ids"]
    return torch.nn.functional.pad(value, (0, longest - ids.shape[1])) if value.shape == ids.shape else value


class Answers:
    """All answers, one by one and, where that is right, side by side."""

    def __init__(self, members: Sequence[Followed], names: Sequence[str], stop: Stop) -> None:
        self.members, self._names, self._stop = members, names, stop
        self._alone = [Group([one]) for one in members]
        self._together = list(self._joined()) if len(members) > 1 else []
        self._room = MOST_BYTES
        if not self._same(self._together):
            self._together = []
        started = perf_counter()
        self._same(self._together or self._alone)
        self.pass_s = perf_counter() - started
        """What it takes to follow all answers once."""
        for groups in (self._together, self._alone):
            for group in groups:
                self._record(group)

    def damage(self, layer: str, together: bool) -> list[float]:
        """Mean divergence along each answer of the model, in which only the layer at path `layer` is changed now.

        `together`: answers may be followed side by side.
        """
        found: list[float] = []
        for group in (self._together if together else ()) or self._alone:
            with ExitStack() as stack:
                if group.outputs is not None:
                    stack.enter_context(group.outputs.replayed_before(layer))
                found += group.means(self._stop)
        return found

    def _joined(self) -> Iterator[Group]:
        """The answers in order, as many to a group as fit one pass; none where a model's inputs cannot be laid side by side."""
        group: list[Followed] = []
        for one in self.members:
            if not _can_join(self.members[0], one):
                return
            longest = max(other.given["input_ids"].shape[1] for other in (*group, one))
            if group and (len(group) + 1) * longest * vocab_size(one.model) > MOST_LOGITS:
                yield Group(group)
                group = []
            group.append(one)
        yield Group(group)

    def _same(self, groups: Sequence[Group]) -> bool:
        """Whether the unchanged model gives in `groups` what it gives alone."""
        return all(nats <= SAME_NATS for group in groups for nats in group.means(self._stop))

    def _record(self, group: Group) -> None:
        """Keep what the blocks give, if there is room and replaying it makes no difference."""
        model = self.members[0].model
        if group.members[0].reference.step_by_step or self._room <= 0:
            return
        outputs = recorded(model, self._names, lambda: group.means(self._stop))
        if not outputs.usable or outputs.bytes > self._room:
            self._room = 0 if outputs.bytes > self._room else self._room
            return
        try:
            with outputs.half_replayed():
                same = self._same([group])
        except (RuntimeError, TypeError, AttributeError, KeyError, IndexError):  # a model whose blocks hand on more than their output
            same = False
        if same:
            group.outputs = outputs
            self._room -= outputs.bytes


def _can_join(first: Followed, one: Followed) -> bool:
    ids, own = first.given["input_ids"], one.given["input_ids"]
    return (
        not one.reference.step_by_step
        and first.given.keys() == one.given.keys()
        and all(
            isinstance(value, Tensor)
            and isinstance(other := one.given[name], Tensor)
            and (value.shape[1:] == other.shape[1:] if value.shape != ids.shape else other.shape == own.shape)
            and (value.shape[0] == 1)
            for name, value in first.given.items()
        )
    )
