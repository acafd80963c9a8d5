"""The error of each layer's weights beside what quantizing that layer does to the answers: do both put the layers in the same order?

The two reports name layers differently: one by the checkpoint's tensors, the other by the model's modules. Layers of one name are the same.
The others are the same if part, block and projection agree; where several do, the one whose path has the longest end in common.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from qdash.present.layer_names import block_of, projection_of
from qdash.records import LayerDamage, LayerWeights
from qdash.stats.ranks import ranks, spearman

LayerAt = tuple[str, int | None, str]
"""Part, block and projection."""


@dataclass(frozen=True)
class RankedLayer:
    """A layer with both ranks: 1 is the largest error, or the largest damage. Equal ones share the mean of their ranks."""

    layer: LayerWeights
    damage: LayerDamage
    error_rank: float
    damage_rank: float


@dataclass(frozen=True)
class LayerOrders:
    """The layers of which both are known, and Spearman's ρ of error and damage; None if all layers are equal in one of them."""

    layers: tuple[RankedLayer, ...]
    rho: float | None

    def furthest_apart(self, number: int) -> tuple[RankedLayer, ...]:
        """The layers whose ranks differ most, the largest difference first; none whose ranks are the same."""
        apart = [layer for layer in self.layers if layer.error_rank != layer.damage_rank]
        return tuple(sorted(apart, key=lambda layer: -abs(layer.error_rank - layer.damage_rank))[:number])


def layer_orders(layers: Sequence[LayerWeights], damages: Iterable[LayerDamage]) -> LayerOrders:
    """Compare the errors of a scheme's layers with `damages`, those of the same scheme. What has no figure is left out."""
    found = matched(layers, damages)
    both = [(layer, found[layer.name]) for layer in layers if layer.name in found and found[layer.name].kl_mean_nats is not None]
    goodness = [inf if layer.sqnr_db is None else layer.sqnr_db for layer, _damage in both]
    soundness = [-(damage.kl_mean_nats or 0.0) for _layer, damage in both]
    places = zip(both, ranks(goodness), ranks(soundness), strict=True)
    ranked = tuple(RankedLayer(layer, damage, error + 1, harm + 1) for (layer, damage), error, harm in places)
    return LayerOrders(ranked, spearman([layer.error_rank for layer in ranked], [layer.damage_rank for layer in ranked]))


def matched(layers: Sequence[LayerWeights], damages: Iterable[LayerDamage]) -> dict[str, LayerDamage]:
    """The name of a layer in the checkpoint → its damage; without the layers for which that cannot be told."""
    by_path = {damage.name: damage for damage in damages}
    found = {layer.name: by_path[layer.name] for layer in layers if layer.name in by_path}
    names, paths = _Ends(), _Ends()
    for layer in layers:
        if layer.name not in found:
            names.add((layer.part, layer.block, layer.projection), layer.name)
    for path, damage in by_path.items():
        if path not in found:
            paths.add((damage.part, block_of(path), projection_of(path)), path)
    for place, name in names.all:
        path = paths.nearest(place, name)
        if path is not None and names.nearest(place, path) == name:
            found[name] = by_path[path]
    return found


class _Ends:
    """Paths by their places and by their ends, “mlp.down_proj” and “down_proj” among them."""

    def __init__(self) -> None:
        self.all: list[tuple[LayerAt, str]] = []
        self._by_end: dict[tuple[LayerAt, str], list[str]] = {}

    def add(self, place: LayerAt, path: str) -> None:
        """Know `path`, which is at `place`."""
        self.all.append((place, path))
        for end in _ends(path):
            self._by_end.setdefault((place, end), []).append(path)

    def nearest(self, place: LayerAt, path: str) -> str | None:
        """The one at `place` with the longest end in common with `path`; None if several have it."""
        sharing = next((self._by_end[place, end] for end in _ends(path) if (place, end) in self._by_end), [])
        return sharing[0] if len(sharing) == 1 else None


def _ends(path: str) -> Iterator[str]:
    """The ends of a path, the longest first: all of it."""
    words = path.split(".")
    return (".".join(words[start:]) for start in range(len(words)))
