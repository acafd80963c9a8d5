"""Invented damage of the layers of `scripted_weights`, under the names that their modules would have."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from qdash.records import LayerDamage, LayerPlace, SensitivityReport
from tests.support.scripted_weights import decibels, places

WITHOUT = "model.vision_tower.encoder.layers.11.mlp.fc2"
"""The layer that has no figure."""


def module(name: str) -> str:
    """The module's path of a layer that the checkpoint calls `name`."""
    return name.replace("model.language_model.layers.", "language_model.model.layers.")


def layer_damage(key: str, place: LayerPlace) -> LayerDamage:
    """Larger where the error is, but for chance; the first block of the language model is worth more than its error says."""
    random = np.random.default_rng(crc32(f"{place.name} costs".encode()))
    first = 2.0 if (place.part, place.block) == ("language", 0) else 0.0
    nats = 10 ** (-decibels(key, place) / 10 + float(random.normal(0, 0.25)) + first)
    broken = place.name == WITHOUT
    return LayerDamage(
        name=module(place.name), part=place.part, scheme=key, kl_mean_nats=None if broken else nats, kl_se=None if broken else nats / 5,
        bytes=1000, original_bytes=4000, problem="its scores are NaN or infinite" if broken else None,
    )  # fmt: skip


def layer_damages(keys: Sequence[str]) -> list[LayerDamage]:
    """Of every layer under every scheme."""
    return [layer_damage(key, place) for place in places() for key in keys]


def damage_report(layers: Sequence[LayerDamage], *, model: str = "tiny-vlm", complete: bool = True, **changes: object) -> SensitivityReport:
    """A report of these layers."""
    found = SensitivityReport(
        model=model, revision="r", device="cpu", dtype="float32", method="measured", items=tuple("12345678"), tokens=128, spearman=None,
        checked=0, held_out=8, complete=complete, fixed_bytes=1000, layers=tuple(layers),
    )  # fmt: skip
    return found.model_copy(update=changes)
