"""Quantize a model one step after another, the layers of least damage first, beside part by part and beside an order drawn by chance.

Every step is measured as a mix is proved, on items that the layers' damage was not measured on. Nothing is added up: damages need not add.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from random import Random

from qdash.catalog.parts import DIVIDING, part_of
from qdash.catalog.schemes import find_scheme
from qdash.checkpoints import Checkpoint
from qdash.errors import QdashError
from qdash.execution import Executor, StopSignal
from qdash.execution.forward import forward_events
from qdash.present.layer_names import block_of
from qdash.records import LayerDamage, MeasuredMix, Mix, Order, Progression, ProgressiveReport, ProgressiveStep, Step
from qdash.runs.mix.choice import RANDOM_SEED, Choices
from qdash.runs.mix.following import Followed, difference, follow
from qdash.tasks import CalibrationSet

ORDERS: tuple[Order, ...] = ("damage", "part", "random")
_Group = list[LayerDamage]
"""Layers that are quantized together."""

STEPS = 8
"""So many of about the same size; parts of a model begin steps of their own."""


@dataclass(frozen=True)
class Planned:
    """A step before it is measured: the layers that are `added` with it, and the model after it."""

    added: tuple[str, ...]
    mix: Mix


def progress(
    choices: Choices, key: str, checkpoint: Checkpoint, held_out: CalibrationSet, executor: Executor, stop: StopSignal | None
) -> Generator[Step | ProgressiveReport, None, ProgressiveReport]:
    """Measure every step of every order under the scheme `key`, yielding progress and all that is known by then; raises QdashError."""
    plan = _Plan(choices, key, held_out.task, {order: planned(choices, key, order) for order in ORDERS})
    found: dict[str, Followed] = {}

    def known(item: Step | Followed) -> Iterator[Step | ProgressiveReport]:
        if isinstance(item, Step):
            yield item
        else:
            found[item.measured.scheme] = item
            yield plan.report(found)

    yield from forward_events(follow(plan.mixes, choices, checkpoint, held_out, executor, stop, stay_warm=False), known)
    return plan.report(found)


def planned(choices: Choices, key: str, order: Order) -> list[Planned]:
    """The steps of an order, the original first; raises QdashError if the scheme quantizes no layer."""
    steps = [Planned((), choices.original)]
    quantized: dict[str, str] = {}
    for layers in steps_in(choices, key, order):
        quantized |= dict.fromkeys((layer.name for layer in layers), key)
        steps.append(Planned(tuple(layer.name for layer in layers), choices.assigned(quantized)))
    return steps


def steps_in(choices: Choices, key: str, order: Order) -> list[list[LayerDamage]]:
    """The layers that each step adds, so that all steps save about as many bytes; raises QdashError if there is no layer.

    Layers that stay together are in one step. Those whose damage under the scheme is not known, and those to keep, stay as they are.
    """
    groups = _ordered(choices.quantized_by(key), order)
    if not groups:
        message = f"“{key[:80]}” quantizes no layer that may change and whose damage is known."
        raise QdashError(message, "Choose another of the schemes that were measured, or keep fewer layers.")
    total, before, places = sum(map(_saved, groups)), 0, []
    for group in groups:
        places.append((part_of(group[0].name) if order == "part" else "", before * STEPS // total if total else 0))
        before += _saved(group)
    numbered = groupby(zip(places, groups, strict=True), key=lambda pair: pair[0])
    return [[layer for _, group in step for layer in group] for _, step in numbered]


def _ordered(groups: list[_Group], order: Order) -> list[_Group]:
    if order == "damage":
        return sorted(groups, key=lambda group: sum(layer.kl_mean_nats or 0.0 for layer in group))
    if order == "part":
        return sorted((sorted(group, key=_depth) for group in groups), key=lambda group: _depth(group[0]))
    return Random(RANDOM_SEED).sample(groups, len(groups))


def _depth(layer: LayerDamage) -> tuple[int, int]:
    """The places of its part and of its block."""
    return DIVIDING.index(part_of(layer.name)), block_of(layer.name) or 0


def _saved(group: _Group) -> int:
    return sum(max(0, layer.original_bytes - layer.bytes) for layer in group)


@dataclass(frozen=True)
class _Plan:
    choices: Choices
    key: str
    task: str
    orders: Mapping[Order, Sequence[Planned]]

    @property
    def mixes(self) -> list[Mix]:
        """Each once, the original first, and then a step of every order in turn: what is known when it is stopped can be compared."""
        in_turn = [step.mix for steps in zip_longest(*self.orders.values()) for step in steps if step is not None]
        return list({mix.recipe: mix for mix in in_turn}.values())

    def report(self, found: Mapping[str, Followed]) -> ProgressiveReport:
        """All that is known; `found`: by recipe."""
        scheme, report, first = find_scheme(self.key), self.choices.report, found[self.choices.original.recipe]
        measured = {recipe: one.measured for recipe, one in found.items()}
        progressions = [Progression(order=order, steps=tuple(_measured(steps, measured))) for order, steps in self.orders.items()]
        return ProgressiveReport(
            model=report.model, revision=report.revision, scheme=scheme.key, label=scheme.label, kind=scheme.kind, bits=scheme.bits,
            task=self.task, items=first.items, tokens=first.tokens, complete=all(mix.recipe in found for mix in self.mixes),
            progressions=tuple(_compared(progressions)),
        )  # fmt: skip


def _measured(steps: Sequence[Planned], found: Mapping[str, MeasuredMix]) -> Iterator[ProgressiveStep]:
    """The steps up to the first that is not measured yet."""
    quantized = 0
    for step in steps:
        if step.mix.recipe not in found:
            return
        quantized += len(step.added)
        yield ProgressiveStep(**dict(found[step.mix.recipe]), added=step.added, quantized=quantized)


def _compared(progressions: Sequence[Progression]) -> Iterator[Progression]:
    """All with the step halfway that is compared."""
    own = progressions[0]
    sizes = [step.weights_bytes for step in own.steps if step.weights_bytes is not None]
    middle = (max(sizes, default=0) + min(sizes, default=0)) / 2
    halfway = min(_between(own), key=lambda place: abs(_size(own, place) - middle), default=None)
    yield own.model_copy(update={"halfway": halfway})
    for other in progressions[1:]:
        larger = [] if halfway is None else [place for place in _between(other) if _size(other, place) >= _size(own, halfway)]
        place = min(larger, key=lambda place: _size(other, place), default=None)
        versus = None if place is None or halfway is None else difference(own.steps[halfway], other.steps[place])
        yield other.model_copy(update={"halfway": place, "versus": versus})


def _between(progression: Progression) -> list[int]:
    """The places of the measured steps between the original and the last."""
    return [place for place, step in enumerate(progression.steps[1:-1], 1) if step.weights_bytes is not None]


def _size(progression: Progression, place: int) -> int:
    return progression.steps[place].weights_bytes or 0
