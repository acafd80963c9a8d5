"""The map of what each layer costs in the answers, and how that compares with the error of its weights. Pure functions.

The map has the cells of the error's own, in their order, so that a pick means the same layer in both.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import log10
from typing import Any

from markupsafe import Markup

from qdash.catalog.schemes import find_scheme, unavailable
from qdash.errors import QdashError
from qdash.machine import this_machine
from qdash.markup import Macros
from qdash.markup.layer_heatmap import Measured, Quantity, ends_html, spanned
from qdash.present.language import _, decimal, ngettext, recorded
from qdash.present.layer_names import spoken_name
from qdash.present.sensitivity import damage as damage_words
from qdash.present.sensitivity import incomplete, little, method
from qdash.present.weight_files import matrices
from qdash.records import LayerDamage, SchemeWeights, SensitivityReport, WeightReport
from qdash.runs.layer_orders import LayerOrders, RankedLayer, layer_orders, matched
from qdash.runs.sensitivity import not_alone, untrained
from qdash.ui.components import text
from qdash.ui.weights.selection import Choice, chosen
from qdash.ui.weights.view import legend_html, map_html, maps_html, scheme_map_html

_draw = Macros(__name__)

LEAST_SPAN = 0.3
"""Between the palest and the strongest colour, in powers of ten: twice the damage."""

MOST_APART = 3

Found = Mapping[str, LayerDamage]
"""By the name of a layer in the checkpoint."""


def device_of(report: WeightReport) -> str:
    """The device of a report; one from another machine or an earlier day may name a device that is missing here."""
    return report.device if report.device in this_machine().choices else "auto"


def why_not(report: WeightReport, key: str) -> QdashError | None:
    """Why the scheme `key` of the report cannot be measured layer by layer."""
    return untrained(report.model) or not_alone(key) or unavailable(find_scheme(key), this_machine().on(device_of(report)))


def by_damage(report: WeightReport, choice: Choice) -> bool:
    """Whether the map shows damage. Files that are compared with each other have schemes of nobody's, so theirs is not known."""
    return choice.by_damage and report.stored is None


def shown_map_html(report: WeightReport, choice: Choice, damage: SensitivityReport | None) -> Markup:
    """The map of what is chosen. Where no damage is known there is none, and its place says so to the style sheet."""
    if not by_damage(report, choice):
        return map_html(report, choice)
    found = {scheme.scheme: _found(scheme, damage, report) for scheme in report.schemes}
    shown = _shown(report, choice)
    wanted = [scheme.scheme for scheme in shown if why_not(report, scheme.scheme) is None]
    missing = any(not found[key] for key in wanted) or (damage is not None and not damage.complete)
    if not any(found[scheme.scheme] for scheme in shown):
        return _draw.by_damage(missing, "")
    between = _between([one for each in (shown if choice.own_scale else report.schemes) for one in found[each.scheme].values()])
    return _draw.by_damage(missing, _maps(report, choice, found, between))


def told_html(report: WeightReport, choice: Choice, damage: SensitivityReport | None) -> Markup:
    """How the figures came to be, the rank correlation with the error of the weights, and the layers that the two rank most differently."""
    if not by_damage(report, choice):
        return Markup()
    shown = [(scheme, _found(scheme, damage, report)) for scheme in _shown(report, choice)]
    lines = [line for scheme, found in shown for line in _unknown(report, scheme, found, alone=len(shown) == 1)]
    orders = [(scheme, found, layer_orders(scheme.layers, found.values())) for scheme, found in shown if found]
    lines += [line for scheme, found, both in orders for line in _correlation(scheme, found, both, alone=len(shown) == 1)]
    apart = orders[0][2].furthest_apart(MOST_APART) if len(shown) == 1 and orders else ()
    how = [*method(damage), *([] if damage.complete else [incomplete()])] if damage is not None and orders else []
    return _draw.told(lines, [_apart(layer, len(orders[0][2].layers)) for layer in apart], " ".join(how))


def _shown(report: WeightReport, choice: Choice) -> Sequence[SchemeWeights]:
    return report.schemes if choice.together else (chosen(report, choice)[0],)


def _found(scheme: SchemeWeights, damage: SensitivityReport | None, report: WeightReport) -> Found:
    """The damage of the layers of `scheme`; nothing if what was measured is of another model."""
    if damage is None or damage.model != report.model:
        return {}
    return matched(scheme.layers, [entry for entry in damage.layers if entry.scheme == scheme.scheme])


def _maps(report: WeightReport, choice: Choice, found: Mapping[str, Found], between: tuple[float, float]) -> Markup:
    scale = ends_html(*(_("{nats} nats", nats=little(10**-end)) for end in between))
    scheme, layer = chosen(report, choice)
    said = f"{spoken_name(layer)}: {_quantity(found[scheme.scheme]).said(layer)}" if layer else ""
    if not choice.together:
        drawn = _map(scheme, choice.layer, between, found, words=True)
        return drawn + legend_html(scale, choice, said, switch=len(report.schemes) > 1)
    maps = [(each.label, "", _map(each, choice.layer if each is scheme else "", between, found)) for each in report.schemes]
    return maps_html(maps) + legend_html(scale, choice, said)


def _map(scheme: SchemeWeights, picked: str, between: tuple[float, float], found: Mapping[str, Found], *, words: bool = False) -> Markup:
    return scheme_map_html(scheme.scheme, matrices(scheme), picked, between, words=words, of=_quantity(found[scheme.scheme]))


def _quantity(found: Found) -> Quantity:
    """The divergence of each layer, on a logarithmic scale: ten times less is one more."""

    def nats(layer: Measured) -> float | None:
        return found[layer.name].kl_mean_nats if layer.name in found else None

    def good(layer: Measured) -> float | None:
        value = nats(layer)
        return None if value is None or value <= 0 else -log10(value)

    def word(layer: Measured) -> str:
        return _short(nats(layer) or 0.0)

    def said(layer: Measured) -> str:
        if nats(layer) is not None:
            return _("{nats} nats", nats=damage_words(found[layer.name]))
        problem = found[layer.name].problem if layer.name in found else None
        return recorded(problem) if problem else _("no figure")

    return Quantity(_("Layers by damage to the answer"), good, word, said, lambda layer: nats(layer) is not None)


def _between(damages: Sequence[LayerDamage]) -> tuple[float, float]:
    """What the strongest and the palest colour stand for, as `_quantity` has it."""
    return spanned([-log10(one.kl_mean_nats) for one in damages if one.kl_mean_nats is not None and one.kl_mean_nats > 0], LEAST_SPAN)


def _short(nats: float) -> str:
    """A divergence for a cell: “0.012”, “3e-7”."""
    if nats >= 0.001:
        return f"{nats:.2g}"
    return "0" if nats <= 0 else f"{nats:.0e}".replace("e-0", "e-")


def _unknown(report: WeightReport, scheme: SchemeWeights, found: Found, *, alone: bool) -> Iterator[str]:
    """What is said of a scheme without figures."""
    if found:
        return
    problem = why_not(report, scheme.scheme)
    if problem is not None:
        yield recorded(problem.message)
    elif alone:
        yield _(text.DAMAGE_OFFER)
    else:
        yield _("{scheme}: not known yet.", scheme=recorded(scheme.label))


def _correlation(scheme: SchemeWeights, found: Found, orders: LayerOrders, *, alone: bool) -> Iterator[str]:
    number = len(orders.layers)
    label = "" if alone else f"{recorded(scheme.label)}: "
    if orders.rho is None:
        yield label + _("Error and damage put these layers in no order that could be compared.")
    else:
        yield label + ngettext(
            "Rank correlation of error and damage: ρ = {rho} over {number} layer.",
            "Rank correlation of error and damage: ρ = {rho} over {number} layers.",
            number, rho=decimal(orders.rho, 2).replace("-", "−"), number=decimal(number),
        )  # fmt: skip
    blank = len(scheme.layers) - number
    if blank:
        yield label + ngettext(
            "{number} layer has no figure and is left blank.", "{number} layers have no figure and are left blank.", blank,
            number=decimal(blank),
        )  # fmt: skip


def _apart(layer: RankedLayer, number: int) -> tuple[str, str]:
    ranks: dict[str, Any] = {"error": f"{layer.error_rank:g}", "damage": f"{layer.damage_rank:g}", "number": number}
    return spoken_name(layer.layer), _("error rank {error} of {number}, damage rank {damage}", **ranks)
