"""What each layer costs: a line a scheme, then the layers that cost most."""

import math
from collections.abc import Iterator

from qdash.catalog.schemes import find_scheme
from qdash.cli.display.blocks import Block, Paragraph, Table
from qdash.present.formatting import mib
from qdash.present.sensitivity import conditions, damage, layer_name, little
from qdash.records import LayerDamage, SensitivityReport

_SHOWN = 10


def sensitivity_blocks(report: SensitivityReport) -> Iterator[Block]:
    """Everything that `qdash sensitivity` says."""
    schemes = list(dict.fromkeys(layer.scheme for layer in report.layers))
    yield Table(("scheme", "layers", "weights", "sum of KL", "worst layer"), tuple(_scheme(key, report) for key in schemes), 1)
    worst = sorted(report.layers, key=_nats, reverse=True)[:_SHOWN]
    yield Paragraph("\nThe layers that cost most:")
    yield Table(("layer", "scheme", "KL", "weights"), tuple(map(_layer, worst)), numbers_from=2)
    yield Paragraph("\n" + "\n".join(conditions(report)), "remark")


def _scheme(key: str, report: SensitivityReport) -> tuple[str, ...]:
    own = [layer for layer in report.layers if layer.scheme == key]
    total = sum(layer.kl_mean_nats or 0.0 for layer in own)
    return (find_scheme(key).label, str(len(own)), mib(sum(layer.bytes for layer in own)), little(total), layer_name(max(own, key=_nats)))


def _layer(layer: LayerDamage) -> tuple[str, ...]:
    return (layer_name(layer), find_scheme(layer.scheme).label, damage(layer), f"{layer.bytes / 1024:,.0f} KiB")


def _nats(layer: LayerDamage) -> float:
    return -math.inf if layer.kl_mean_nats is None else layer.kl_mean_nats
