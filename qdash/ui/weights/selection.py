"""The selection on the Weights tab: a scheme, a layer, and a weight in it. Picks come from a browser and may be stale or forged, so each is
checked against the report; one that the report lacks is ignored.
"""

from dataclasses import dataclass, replace
from typing import Any

from qdash.present.weight_error import decibels_of
from qdash.records import LayerWeights, SchemeWeights, WeightReport

ALL_LAYERS = ""
"""The layer that stands for every quantized weight of the model."""

SIDE_BY_SIDE = "*"
"""The scheme that stands for a map of each."""


ERROR, DAMAGE = "error", "damage"
"""What the map may show."""


@dataclass(frozen=True)
class Choice:
    """`layer` by its name; `row` None is the worst one. `together`: the maps of all schemes side by side.

    `own_scale`: colours and axes span what this scheme has, not what all schemes have together. `by_damage`: the map shows what each layer
    costs in the answers, not the error of its weights.
    """

    scheme: str = ""
    layer: str = ALL_LAYERS
    row: int | None = None
    column: int = 0
    together: bool = False
    own_scale: bool = False
    by_damage: bool = False


def first_choice(report: WeightReport) -> Choice:
    """The selection of the headline: the worst layer of the worst scheme."""
    scheme = min(report.schemes, key=decibels_of)
    layer = min(scheme.layers, key=decibels_of, default=None)
    return Choice(scheme.scheme, layer.name if layer else ALL_LAYERS)


def chosen(report: WeightReport, choice: Choice) -> tuple[SchemeWeights, LayerWeights | None]:
    """The scheme chosen, else the first; its layer, or None for all of them."""
    found = next((entry for entry in report.schemes if entry.scheme == choice.scheme), report.schemes[0])
    return found, next((entry for entry in found.layers if entry.name == choice.layer), None)


def with_scheme(choice: Choice, key: Any) -> Choice:
    """After a pill: another scheme, the same layer."""
    if key == SIDE_BY_SIDE:
        return replace(choice, together=True)
    return replace(choice, scheme=str(key), row=None, column=0, together=False)


def with_cell(report: WeightReport, choice: Choice, scheme: str | None, at: int | None) -> Choice:
    """After a cell of a map, or a row of the ranking: the `at`-th layer of `scheme`; −1 is all of them."""
    found = next((entry for entry in report.schemes if entry.scheme == scheme), None)
    if found is None or at is None or not -1 <= at < len(found.layers):
        return choice
    return replace(choice, scheme=found.scheme, layer=ALL_LAYERS if at < 0 else found.layers[at].name, row=None, column=0)


def with_scale(choice: Choice, own: bool) -> Choice:
    """After the switch of the scale."""
    return replace(choice, own_scale=own)


def with_quantity(choice: Choice, key: Any) -> Choice:
    """After the switch above the map."""
    return replace(choice, by_damage=key == DAMAGE)


def with_weight(choice: Choice, row: int | None, column: int | None) -> Choice:
    """After a weight in the picture. The engine moves what lies outside into the layer."""
    if row is None or column is None:
        return choice
    return replace(choice, row=max(row, 0), column=max(column, 0))
