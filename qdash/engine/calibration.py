"""Calibration: how large the inputs of each layer get, measured on sample questions, for schemes that fix the range of activations.

The samples are built in, so that nothing is downloaded and every run measures the same: short texts of several kinds and languages, and
for vision models pictures drawn here, one beside every text where a model must see one. They set one number a layer, its largest absolute
input, so few suffice; what an answer exceeds of it is clipped. Schemes that need more of a layer's inputs have the model write its own
texts besides: see `input_moments`.
"""

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random

import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from transformers import PreTrainedModel, ProcessorMixin

from qdash.catalog.calibration import DRAWINGS, QUESTIONS, TEXTS
from qdash.engine.layers import convertible_layers
from qdash.engine.prompting import Inputs, Processor, build_inputs, needs_picture
from qdash.engine.schemes import QuantizeContext
from qdash.engine.teacher_forcing import laid_out

SIDE = 336  # pixels

_UNCALIBRATED = "qdash_uncalibrated"


def input_ranges(model: PreTrainedModel, names: Collection[str], build: QuantizeContext) -> dict[str, float]:
    """The largest absolute input of each of the layers at `names` over the samples, by path.

    Layers that no sample reached, or only with zeros, NaN or infinity, are missing, and remember it: see `why_uncalibrated`.
    """
    known = build.calibrated
    if known is None:
        seen = _seen(model, names, build)
    else:
        known.ranges = _seen(model, convertible_layers(model), build) if known.ranges is None else known.ranges
        seen = known.ranges
    ranges = {name: seen[name] for name in names if 0 < seen.get(name, 0) < math.inf}
    for name in names:
        note_uncalibrated(model.get_submodule(name), name not in ranges)
    return ranges


@torch.no_grad()
def _seen(model: PreTrainedModel, names: Collection[str], build: QuantizeContext) -> dict[str, float]:
    """The largest absolute input of each of these layers that a sample reaches; NaN if there was one."""
    seen: dict[str, float] = {}
    asked = list(samples(build.processor, model))
    with _watching(model, names, seen):
        for done, inputs in enumerate(asked):
            build.report(done / len(asked), "calibrating")
            model(**laid_out(model, inputs), use_cache=False)
    return seen


def note_uncalibrated(layer: nn.Module, uncalibrated: bool) -> None:
    """Let a layer remember whether calibration left it without a usable input: see `why_uncalibrated`."""
    setattr(layer, _UNCALIBRATED, uncalibrated)


def why_uncalibrated(layer: nn.Module) -> str | None:
    """Why calibration left this layer without a range; None if it did not."""
    return "no calibration sample gave it a finite input other than zero" if getattr(layer, _UNCALIBRATED, False) else None


@contextmanager
def _watching(model: nn.Module, names: Collection[str], seen: dict[str, float]) -> Iterator[None]:
    """Keep in `seen` the largest absolute input of each layer while the block runs."""
    hooks = [model.get_submodule(name).register_forward_pre_hook(partial(_look, seen, name)) for name in names]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _look(seen: dict[str, float], name: str, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    if inputs[0].numel():
        largest = inputs[0].abs().max().item()
        # NaN stays: it compares false with everything, and such a layer gets no range.
        seen[name] = largest if largest != largest else max(seen.get(name, 0.0), largest)


def samples(processor: Processor, model: PreTrainedModel) -> Iterator[Inputs]:
    """The inputs of every sample question."""
    pictures = (_gradient(), _shapes(), _stripes())
    always = needs_picture(processor)
    for number, text in enumerate(TEXTS):
        yield build_inputs(processor, text, pictures[number % len(pictures)] if always else None, model)
    if isinstance(processor, ProcessorMixin):
        for question, picture in zip(QUESTIONS, pictures, strict=True):
            yield build_inputs(processor, question, picture, model)


def drawings(processor: Processor, model: PreTrainedModel) -> Iterator[Inputs]:
    """The inputs of questions about more pictures, with other shapes and colours in each; of none for a model that sees nothing."""
    if isinstance(processor, ProcessorMixin):
        for seed in range(DRAWINGS):
            yield build_inputs(processor, QUESTIONS[seed % len(QUESTIONS)], _drawing(Random(seed)), model)


def _drawing(chance: Random) -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), _colour(chance) if chance.random() < 0.5 else "white")
    draw = ImageDraw.Draw(image)
    for _ in range(chance.randint(1, 6)):
        left, top = chance.randrange(SIDE - 36), chance.randrange(SIDE - 36)
        right, bottom = left + chance.randrange(20, SIDE // 2), top + chance.randrange(20, SIDE // 2)
        shape = chance.choice(("rectangle", "ellipse", "triangle"))
        if shape == "triangle":
            draw.polygon([(left, bottom), ((left + right) / 2, top), (right, bottom)], fill=_colour(chance))
        else:
            getattr(draw, shape)((left, top, right, bottom), fill=_colour(chance))
    return image


def _colour(chance: Random) -> tuple[int, int, int]:
    return chance.randrange(256), chance.randrange(256), chance.randrange(256)


def _gradient() -> Image.Image:
    """Every brightness, and hues from corner to corner."""
    ramp = Image.linear_gradient("L").resize((SIDE, SIDE))
    return Image.merge("RGB", (ramp, ramp.transpose(Image.Transpose.ROTATE_90), ramp.transpose(Image.Transpose.ROTATE_180)))


def _shapes() -> Image.Image:
    """A few saturated shapes with hard edges on white."""
    image = Image.new("RGB", (SIDE, SIDE), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((30, 40, 130, 140), fill="black")
    draw.ellipse((180, 30, 300, 150), fill="red")
    draw.polygon([(60, 300), (150, 180), (240, 300)], fill="blue")
    return image


def _stripes() -> Image.Image:
    """The sharpest contrast there is, in fine and coarse lines."""
    image = Image.new("RGB", (SIDE, SIDE), "black")
    draw = ImageDraw.Draw(image)
    for line in range(0, SIDE, 6):
        draw.line([(line, 0), (line, SIDE)], fill="white" if line % 4 else "yellow", width=1 + line // 100)
    return image
