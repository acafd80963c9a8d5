"""Several questions at once: encoded one by one, exactly as each would be alone, then laid side by side with padding on the left.

Left, because `generate` continues every row at its right end. Padding is masked, so a row is computed as it would be alone, but for the
order in which a matrix product adds up: that order depends on how many rows there are, so the last bit of a float may differ, and a
token whose two best candidates are that close may too. Schemes that round activations with one scale for all rows differ by more.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel, StoppingCriteriaList

from qdash.engine.generation import Watch
from qdash.engine.prompting import Inputs


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


def alike(batch: Sequence[Encoded]) -> Iterator[list[Encoded]]:
    """The batch in parts whose pictures have the same shape: those of a tiled picture differ in the number of tiles."""
    parts: dict[tuple[tuple[str, tuple[int, ...]], ...], list[Encoded]] = {}
    for item in batch:
        shapes = tuple(
            (name, tuple(value.shape[1:])) for name, value in item.inputs.items() if value.shape != item.inputs["input_ids"].shape
        )
        parts.setdefault(shapes, []).append(item)
    yield from parts.values()


def laid_side_by_side(batch: Sequence[Encoded], pad_id: int) -> Inputs:
    """One batch of several; what is per token is padded on the left (ids with `pad_id`, masks and types with 0), the rest is stacked."""
    longest = max(item.length for item in batch)
    joined: Inputs = {}
    for name in batch[0].inputs:
        rows = [item.inputs[name] for item in batch]
        if rows[0].shape == batch[0].inputs["input_ids"].shape:
            fill = pad_id if name == "input_ids" else 0
            rows = [torch.nn.functional.pad(row, (longest - row.shape[1], 0), value=fill) for row in rows]
        joined[name] = torch.cat(rows)
    return joined


def answers(model: PreTrainedModel, batch: Sequence[Encoded], max_new_tokens: int, stop: Callable[[], bool]) -> list[list[int]]:
    """The new tokens of each row up to its end token, which is not among them; raises QdashError("cancelled")."""
    config = model.generation_config or GenerationConfig()
    pad_id = config.pad_token_id if isinstance(config.pad_token_id, int) else 0
    inputs = laid_side_by_side(batch, pad_id)
    with Watch(model, stop) as watch:
        made = model.generate(  # type: ignore[operator]
            **inputs, max_new_tokens=max_new_tokens, stopping_criteria=StoppingCriteriaList([watch])
        )
    assert isinstance(made, Tensor)
    ends = end_tokens(config)
    return [_until(row, ends) for row in made[:, inputs["input_ids"].shape[1] :].tolist()]


@contextmanager
def bare_probabilities(model: PreTrainedModel) -> Iterator[None]:
    """Greedy decoding without the penalties and forbidden tokens that a model was published with, as lm-eval decodes.

    The model's own config is taken away meanwhile: `generate` fills in from it whatever another one leaves open.
    """
    own = model.generation_config or GenerationConfig()
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=own.eos_token_id, pad_token_id=own.pad_token_id, disable_compile=True
    )
    try:
        yield
    finally:
        model.generation_config = own


def end_tokens(config: GenerationConfig) -> frozenset[int]:
    """The tokens that end an answer."""
    ends = config.eos_token_id
    return frozenset(ends if isinstance(ends, list) else [] if ends is None else [int(ends)])


def _until(tokens: list[int], ends: frozenset[int]) -> list[int]:
    return tokens[: next((place for place, token in enumerate(tokens) if token in ends), len(tokens))]
