"""Second moments of the inputs of layers, measured on sample questions, for schemes that round weights with regard to what they multiply.

Layers are measured a stage at a time, in the order in which the model calls them, and a stage begins when the one before it is quantized:
so its layers' inputs are those that they will have, the errors of the stages before included. A stage is a block of the model; more where
there are many, since for each stage the model reads the samples again, up to the stage's end; less where the moments of a block are too
large to be held at once.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from qdash.catalog.calibration import MOST_STAGES
from qdash.engine.calibration import drawings, samples
from qdash.engine.layers import shape
from qdash.engine.own_texts import own_answer, own_texts
from qdash.engine.prompting import needs_picture
from qdash.engine.schemes import QuantizeContext
from qdash.engine.teacher_forcing import laid_out
from qdash.present.layer_names import block_of

STAGE_BYTES = 2**29
"""Of moments that are held at once; a single layer may have more."""


@dataclass
class InputMoments:
    """Of the inputs x of a layer over `tokens` tokens: Σ x xᵀ, (in, in), and Σ |x|, (in,); float32."""

    products: Tensor
    sizes: Tensor
    tokens: int = 0

    @classmethod
    def empty(cls, inputs: int, device: torch.device) -> "InputMoments":
        """Of no token."""
        return cls(torch.zeros(inputs, inputs, device=device), torch.zeros(inputs, device=device))

    def add(self, values: Tensor) -> None:
        """Count inputs (…, in) in."""
        rows = values.detach().reshape(-1, len(self.sizes)).float()
        self.products.addmm_(rows.T, rows)
        self.sizes.add_(rows.abs().sum(0))
        self.tokens += len(rows)

    @property
    def usable(self) -> bool:
        """Whether there was an input other than zero, and all were finite."""
        return bool(self.products.isfinite().all()) and bool(self.products.diagonal().any())


class _StageEnded(Exception):
    """The last layer of a stage has its input: what the model would do from there on is not needed."""


@torch.no_grad()
def moments_by_stage(model: PreTrainedModel, names: Collection[str], build: QuantizeContext) -> Iterator[dict[str, InputMoments]]:
    """For one stage of the layers at `names` after another, the moments of each layer's inputs.

    The caller quantizes the stage's layers in place before it asks for the next. Layers that no sample reached come in no stage.
    """
    asked = _asked(model, build)
    calls = _calls(model, names, asked)
    once = all(count <= len(asked) for count in calls.values())
    stages = list(_stages(model, calls))
    for number, stage in enumerate(stages):
        found = {name: InputMoments.empty(shape(model.get_submodule(name))[1], model.device) for name in stage}
        with _watching(model, found, stage[-1] if once else None):
            for done, inputs in enumerate(asked):
                build.report((number + done / len(asked)) / len(stages), "calibrating")
                with suppress(_StageEnded):
                    model(**inputs, use_cache=False)
        yield found


def _asked(model: PreTrainedModel, build: QuantizeContext) -> list[dict[str, Any]]:
    """What the model reads, which it need not write again as long as it stays as it is."""
    known = build.calibrated
    if known is None:
        return list(_read(model, build))
    known.read = list(_read(model, build)) if known.read is None else known.read
    return known.read


def _read(model: PreTrainedModel, build: QuantizeContext) -> Iterator[dict[str, Any]]:
    """What the model reads: sample questions, those about pictures with the model's own answers, and texts that it writes itself."""
    for inputs in (*samples(build.processor, model), *drawings(build.processor, model)):
        yield laid_out(model, inputs, own_answer(model, build, inputs) if "pixel_values" in inputs else ())
    if not needs_picture(build.processor):
        yield from (laid_out(model, inputs) for inputs in own_texts(model, build))


def _calls(model: PreTrainedModel, names: Collection[str], asked: list[dict[str, Any]]) -> Counter[str]:
    calls: Counter[str] = Counter()
    hooks = [model.get_submodule(name).register_forward_pre_hook(partial(_count, calls, name)) for name in names]
    try:
        for inputs in asked:
            model(**inputs, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _count(calls: Counter[str], name: str, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    calls[name] += 1


def _stages(model: PreTrainedModel, order: Collection[str]) -> Iterator[list[str]]:
    """The layers in their order, each stage of as many blocks as the others, and none with more moments than fit."""
    blocks = list(dict.fromkeys(map(_block, order)))
    together = -(-len(blocks) // MOST_STAGES)
    number = {block: place // together for place, block in enumerate(blocks)}
    stage: list[str] = []
    held, own = 0, 0
    for name in order:
        size, place = 4 * shape(model.get_submodule(name))[1] ** 2, number[_block(name)]
        if stage and (place != own or held + size > STAGE_BYTES):
            yield stage
            stage, held = [], 0
        stage.append(name)
        held, own = held + size, place
    if stage:
        yield stage


def _block(path: str) -> str:
    """The path up to the number of the block that it is in."""
    number = block_of(path)
    return path.partition(f".{number}.")[0] + f".{number}" if number is not None else path.rpartition(".")[0]


@contextmanager
def _watching(model: nn.Module, found: dict[str, InputMoments], last: str | None) -> Iterator[None]:
    hooks = [model.get_submodule(name).register_forward_pre_hook(partial(_add, own, name == last)) for name, own in found.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _add(moments: InputMoments, ends: bool, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    moments.add(inputs[0])
    if ends:
        raise _StageEnded
