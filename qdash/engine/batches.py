"""Several questions at once: encoded one by one, exactly as each would be alone, then laid side by side with padding on the left.

Left, because `generate` continues every row at its right end. Padding is masked, so a row is computed as it would be alone, but for the
order in which a matrix product adds up: that order depends on how many rows there are, so the last bit of a float may differ, and a
token whose two best candidates are that close may too. Schemes that round activations with one scale for all rows differ by more. Models
that read their padding, as some recurrent ones do, differ altogether: two questions tell.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, PreTrainedModel

from qdash.engine.failures import is_out_of_memory
from qdash.engine.generation import Watch, bare_probabilities, generate_rows
from qdash.engine.prompting import Inputs
from qdash.engine.teacher_forcing import same_logits, tolerance
from qdash.errors import QdashError

TRIED = 3
"""Tokens that two questions get side by side and alone, to see whether they are the same."""


@dataclass(frozen=True)
class Encoded:
    """One question ready for the model: `inputs` is a batch of one; `target`: the tokens that would continue it."""

    index: int
    inputs: Inputs
    target: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        """Tokens of the prompt."""
        return self.inputs["input_ids"].shape[1]


EncodedT = TypeVar("EncodedT", bound=Encoded)


def alike(batch: Sequence[EncodedT]) -> Iterator[list[EncodedT]]:
    """The batch in parts whose pictures have the same shape: those of a tiled picture differ in the number of tiles."""
    parts: dict[tuple[tuple[str, tuple[int, ...]], ...], list[EncodedT]] = {}
    for item in batch:
        shapes = tuple(
            (name, tuple(value.shape[1:])) for name, value in item.inputs.items() if value.shape != item.inputs["input_ids"].shape
        )
        parts.setdefault(shapes, []).append(item)
    yield from parts.values()


def laid_side_by_side(batch: Sequence[Encoded], pad_id: int, *, left: bool = True) -> Inputs:
    """One batch of several; what is per token is padded on the left, or the right (ids with `pad_id`, masks and types with 0), the rest is
    stacked.
    """
    longest = max(item.length for item in batch)
    joined: Inputs = {}
    for name in batch[0].inputs:
        rows = [item.inputs[name] for item in batch]
        if rows[0].shape == batch[0].inputs["input_ids"].shape:
            fill = pad_id if name == "input_ids" else 0
            missing = [longest - row.shape[1] for row in rows]
            sides = [(number, 0) if left else (0, number) for number in missing]
            rows = [torch.nn.functional.pad(row, side, value=fill) for row, side in zip(rows, sides, strict=True)]
        joined[name] = torch.cat(rows)
    return joined


@dataclass(frozen=True)
class Made:
    """The new `tokens` of a row up to its end token, which is not among them.

    `margins`: by how much each of them was ahead of the second likeliest, as probabilities (0 to 1), the end token included.
    """

    tokens: list[int]
    margins: list[float]


def answers(model: PreTrainedModel, batch: Sequence[Encoded], max_new_tokens: int, stop: Callable[[], bool]) -> list[Made]:
    """What each row is answered; raises QdashError("cancelled")."""
    inputs, ends = laid_side_by_side(batch, _pad_id(model)), end_tokens(model.generation_config or GenerationConfig())
    kept: list[Tensor] = []
    watching = LogitsProcessorList([_Margins(kept)])
    rows = generate_rows(model, inputs, Watch(model, stop), max_new_tokens=max_new_tokens, logits_processor=watching)
    made = [_until(row, ends) for row in rows]
    margins = torch.stack(kept, dim=1).tolist() if kept else [[] for _ in rows]
    return [Made(tokens, row[: len(tokens) + 1]) for tokens, row in zip(made, margins, strict=True)]


def can_share(model: PreTrainedModel, pair: Sequence[Encoded], stop: Callable[[], bool]) -> bool:
    """Whether two questions of different length get, side by side, the logits that each gets alone; raises QdashError("cancelled")."""
    try:
        together = _first_logits(model, pair, stop)
        apart = [_first_logits(model, [item], stop)[0] for item in pair]
    except QdashError:
        raise
    except Exception as error:  # of any type: a model that takes no padding refuses in its own way
        # Too little memory for two says nothing of the model, and is met by halving batches.
        return is_out_of_memory(error)
    return all(_same_while_alike(alone, row, tolerance(model)) for alone, row in zip(apart, together, strict=True))


def _first_logits(model: PreTrainedModel, batch: Sequence[Encoded], stop: Callable[[], bool]) -> list[Tensor]:
    """Of each row the logits of the first `TRIED` tokens, float32 [tokens, vocabulary]."""
    kept: list[Tensor] = []
    with bare_probabilities(model, ends=False):
        inputs, keeps = laid_side_by_side(batch, _pad_id(model)), LogitsProcessorList([_Keeps(kept)])
        generate_rows(model, inputs, Watch(model, stop), max_new_tokens=TRIED, logits_processor=keeps)
    return list(torch.stack(kept[:TRIED], dim=1))


class _Keeps(LogitsProcessor):
    """Changes nothing, and keeps the scores [rows, vocabulary] of every token."""

    def __init__(self, kept: list[Tensor]) -> None:
        self._kept = kept

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self._kept.append(scores.float().clone())
        return scores


class _Margins(LogitsProcessor):
    """Changes nothing, and keeps by how much the likeliest token of each row is ahead of the next, [rows]."""

    def __init__(self, kept: list[Tensor]) -> None:
        self._kept = kept

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        two = scores.topk(2, dim=-1).values.float()
        likeliest, next_one = (two - scores.float().logsumexp(-1, keepdim=True)).exp().unbind(-1)
        self._kept.append(likeliest - next_one)
        return scores


def _same_while_alike(alone: Tensor, row: Tensor, allowed: float) -> bool:
    """Compare [tokens, vocabulary] up to the first token that is another: what comes after it follows another text."""
    others = (alone.argmax(-1) != row.argmax(-1)).nonzero().flatten().tolist()
    end = others[0] + 1 if others else len(alone)
    return same_logits(alone[:end], row[:end], allowed)


def _pad_id(model: PreTrainedModel) -> int:
    pad_id = model.generation_config.pad_token_id if model.generation_config is not None else None
    return pad_id if isinstance(pad_id, int) else 0


def end_tokens(config: GenerationConfig) -> frozenset[int]:
    """The tokens that end an answer."""
    ends = config.eos_token_id
    return frozenset(ends if isinstance(ends, list) else [] if ends is None else [int(ends)])


def _until(tokens: list[int], ends: frozenset[int]) -> list[int]:
    return tokens[: next((place for place, token in enumerate(tokens) if token in ends), len(tokens))]
