"""Which layer gets which scheme: what a report says each layer costs, put to the solver and read back.

What layers cost alone is added up. That their damages add is an assumption: it holds where each is small, and errors of many layers may
also cancel or feed each other, which is why a mix is proved on items that it was not chosen by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from random import Random
from typing import cast

from qdash.catalog.recipe_writing import ORIGINAL, recipe_of
from qdash.catalog.schemes import find_scheme
from qdash.errors import QdashError
from qdash.records import Dtype, LayerDamage, Mix, MixLayer, SensitivityReport
from qdash.runs.mix.budget import Budget
from qdash.stats.knapsack import Option, least_cost, least_size, smallest_size

_WIDTHS: dict[Dtype, int] = {"float32": 4, "float16": 2, "bfloat16": 2}
RANDOM_SEED = 0
_NEAR = 0.99
"""A mix drawn by chance has at least this share of the bytes it may have, where chance finds one."""
_DRAWS = 200
"""Changes that are tried for each layer to make a mix drawn by chance as large as it should be."""


@dataclass(frozen=True)
class Cost:
    """What a layer takes under a scheme, and the damage of that alone."""

    bytes: int
    nats: float


@dataclass(frozen=True)
class Limits:
    """What a person wants besides the budget: globs of layers that get one scheme `together`, and of those to `keep` as they are."""

    together: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


class Choices:
    """The layers of `report`, and what each may get: some of `schemes`, or to stay as it is."""

    def __init__(self, report: SensitivityReport, schemes: Sequence[str], limits: Limits | None = None) -> None:
        self.report, self.schemes = report, tuple(schemes)
        self._costs = _costs(report, schemes)
        limits = limits or Limits()
        self._groups = _groups(list(self._costs), limits)
        self._options = [self._common(group, limits) for group in self._groups]

    @cached_property
    def original_bytes(self) -> int:
        """All weights as the original has them."""
        return self.report.fixed_bytes + sum(costs[ORIGINAL].bytes for costs in self._costs.values())

    @property
    def dtype(self) -> Dtype:
        """Of all that is not quantized."""
        return cast(Dtype, self.report.dtype)

    @property
    def original(self) -> Mix:
        """All layers as they are."""
        return self.uniform(ORIGINAL)

    @property
    def smallest_bytes(self) -> int:
        """All weights in the smallest mix there is."""
        return self.report.fixed_bytes + smallest_size(self._sized)

    def bytes_of(self, budget: Budget) -> int | None:
        """The size that a budget comes to; None for one of damage."""
        if budget.unit == "nats":
            return None
        if budget.unit == "times":
            return int(self.original_bytes / budget.amount)
        return int(budget.amount) if budget.unit == "bytes" else self.report.fixed_bytes + int(budget.amount * self._weights / 8)

    def best(self, budget: Budget) -> Mix:
        """The mix of least damage within `budget`, or for one of damage the smallest; raises QdashError if there is none."""
        room = self.bytes_of(budget)
        if room is None:
            places = least_size(self._sized, budget.amount)
            if places is None:
                lowest = sum(min(option.cost for option in options) for options in self._sized)
                message = f"No mix costs as little as {budget.amount:g} nats: the least is {lowest:.3g} nats."
                raise QdashError(message, "Allow for more damage, or name more schemes.")
        else:
            places = least_cost(self._sized, room - self.report.fixed_bytes)
            if places is None:
                smallest = self.smallest_bytes
                message = (
                    f"No mix of these schemes is as small as {room / 1e6:,.2f} MB: the smallest possible size is {smallest / 1e6:,.2f} MB "
                    f"({smallest:,} bytes)."
                )
                raise QdashError(message, "Give a larger budget, or schemes of fewer bits.")
        return self.mix(places)

    def uniform(self, key: str) -> Mix:
        """All layers under one scheme, where it quantizes them, whatever is to be kept."""
        return self._made({path: key if key in costs else ORIGINAL for path, costs in self._costs.items()}, key)

    def drawn(self, size: int, seed: int = RANDOM_SEED) -> Mix:
        """A mix drawn by chance that takes at most `size` bytes, and nearly as much where there is one."""
        drawn, room = Random(seed), size - self.report.fixed_bytes
        places = [drawn.randrange(len(options)) for options in self._sized]
        taken = sum(options[place].size for options, place in zip(self._sized, places, strict=True))
        for _ in range(_DRAWS * len(places)):
            if _NEAR * room <= taken <= room:
                break
            group = drawn.randrange(len(places))
            place = drawn.randrange(len(self._sized[group]))
            after = taken + self._sized[group][place].size - self._sized[group][places[group]].size
            if _misses(after, room) < _misses(taken, room):
                places[group], taken = place, after
        return self.mix(places)

    def quantized_by(self, key: str) -> list[list[LayerDamage]]:
        """What a scheme may quantize: the layers that get it together, group by group. None of those that are to be kept is among them."""
        damages = {entry.name: entry for entry in self.report.layers if entry.scheme == key}
        taken = [group for group, options in zip(self._groups, self._options, strict=True) if key in options]
        return [[damages[path] for path in group if path in damages] for group in taken]

    def mix(self, places: Sequence[int]) -> Mix:
        """What the options at these places come to."""
        chosen: dict[str, str] = {}
        for group, options, place in zip(self._groups, self._options, places, strict=True):
            for path in group:
                chosen[path] = options[place] if options[place] in self._costs[path] else ORIGINAL
        return self.assigned(chosen)

    def assigned(self, chosen: Mapping[str, str]) -> Mix:
        """Each layer under the scheme that is `chosen` for it; the others as they are."""
        ordered = {path: chosen.get(path, ORIGINAL) for path in self._costs}
        return self._made(ordered, recipe_of({path: None if key == ORIGINAL else key for path, key in ordered.items()}))

    def _made(self, assignment: Mapping[str, str], recipe: str) -> Mix:
        layers = tuple(
            MixLayer(name=path, scheme=key, bytes=self._costs[path][key].bytes, kl_mean_nats=self._costs[path][key].nats)
            for path, key in assignment.items()
        )
        taken, scheme = sum(layer.bytes for layer in layers), find_scheme(recipe)
        return Mix(
            recipe=scheme.key,
            label=scheme.label,
            kind=scheme.kind,
            weights_bytes=self.report.fixed_bytes + taken,
            original_bytes=self.original_bytes,
            bits=8 * taken / self._weights if self._weights else 0.0,
            predicted_kl_nats=sum(layer.kl_mean_nats for layer in layers),
            layers=layers,
        )

    @property
    def _weights(self) -> float:
        """Of the layers that some scheme quantizes."""
        return (self.original_bytes - self.report.fixed_bytes) / _WIDTHS[self.dtype]

    def _common(self, group: Sequence[str], limits: Limits) -> list[str]:
        """The keys that all layers of a group may get. One that a scheme does not quantize stays as it is beside those that it does."""
        if any(fnmatchcase(path, pattern) for path in group for pattern in limits.keep):
            return [ORIGINAL]
        failed = {key for path in group for key in self._failed.get(path, ())}
        quantized = {key for path in group for key in self._costs[path]}
        return [ORIGINAL, *(key for key in self.schemes if key in quantized and key not in failed)]

    @cached_property
    def _failed(self) -> dict[str, list[str]]:
        """Path → keys whose damage is not known."""
        found: dict[str, list[str]] = {}
        for entry in self.report.layers:
            if entry.kl_mean_nats is None:
                found.setdefault(entry.name, []).append(entry.scheme)
        return found

    @cached_property
    def _sized(self) -> list[list[Option]]:
        return [[self._sum(group, key) for key in options] for group, options in zip(self._groups, self._options, strict=True)]

    def _sum(self, group: Sequence[str], key: str) -> Option:
        costs = [self._costs[path].get(key, self._costs[path][ORIGINAL]) for path in group]
        return Option(sum(cost.bytes for cost in costs), sum(cost.nats for cost in costs))


def _costs(report: SensitivityReport, schemes: Sequence[str]) -> dict[str, dict[str, Cost]]:
    """Path → key → what it costs; a scheme whose damage is not known is left out."""
    found: dict[str, dict[str, Cost]] = {}
    for entry in report.layers:
        own = found.setdefault(entry.name, {ORIGINAL: Cost(entry.original_bytes, 0.0)})
        if entry.kl_mean_nats is not None and entry.scheme in schemes:
            own[entry.scheme] = Cost(entry.bytes, max(0.0, entry.kl_mean_nats))
    return found


def _groups(paths: Sequence[str], limits: Limits) -> list[list[str]]:
    """Layers that get one scheme, each layer in one group; raises QdashError for a glob that matches nothing."""
    group_of = {path: [path] for path in paths}
    for pattern in (*limits.together, *limits.keep):
        matched = [path for path in paths if fnmatchcase(path, pattern)]
        if not matched:
            raise QdashError(f"No layer is called “{pattern[:80]}”.", f"The first is {paths[0]}; write a glob such as *.mlp.*.")
        if pattern not in limits.together:
            continue
        joined = list(dict.fromkeys(path for own in matched for path in group_of[own]))
        group_of.update(dict.fromkeys(joined, joined))
    return list({id(group): group for group in group_of.values()}.values())


def _misses(taken: int, room: int) -> tuple[bool, int]:
    """By how much a size is off; one that is too large is worse than any that is not."""
    return taken > room, abs(taken - room)
