"""Invented weight statistics of a vision-language model of 24 + 12 blocks: shapes as in life, errors worse with fewer bits."""

import math
from collections.abc import Iterator
from functools import cache
from zlib import crc32

import numpy as np

from qdash.catalog.elements import NF4
from qdash.catalog.schemes import find_scheme
from qdash.records import (
    Histogram,
    LayerDetail,
    LayerHistograms,
    LayerPlace,
    LayerWeights,
    MeasuredLayer,
    SchemeWeights,
    StoredModel,
    StoredType,
    WeightReport,
)

HIDDEN, WIDE = 896, 4864
ATTENTION, SEEING = ("q_proj", "k_proj", "v_proj"), ("out_proj", "fc1", "fc2")
SHAPES = {
    "down_proj": (HIDDEN, WIDE), "gate_proj": (WIDE, HIDDEN), "up_proj": (WIDE, HIDDEN), "k_proj": (128, HIDDEN), "v_proj": (128, HIDDEN),
}  # fmt: skip


def places(blocks: int = 24, seeing: int = 12) -> Iterator[LayerPlace]:
    """Every layer, in the order of a checkpoint."""
    for block in range(blocks):
        for name in (*ATTENTION, "o_proj", "gate_proj", "up_proj", "down_proj"):
            path = f"model.language_model.layers.{block}.{'mlp' if name in SHAPES and name[0] not in 'kv' else 'self_attn'}.{name}"
            yield LayerPlace(name=path, part="language", block=block, projection=name, shape=SHAPES.get(name, (HIDDEN, HIDDEN)))
    for name in ("linear_1", "linear_2"):
        path = f"model.multi_modal_projector.{name}"
        yield LayerPlace(name=path, part="projector", block=None, projection=name, shape=(HIDDEN, HIDDEN))
    for block in range(seeing):
        for name in (*ATTENTION, *SEEING):
            path = f"model.vision_tower.encoder.layers.{block}.{'mlp' if name[:2] == 'fc' else 'self_attn'}.{name}"
            yield LayerPlace(name=path, part="vision", block=block, projection=name, shape=(HIDDEN, HIDDEN))


def decibels(key: str, place: LayerPlace) -> float:
    """6 dB a bit, less what this layer has against being quantized: layer 3's down projection is the worst."""
    random = np.random.default_rng(crc32(place.name.encode()))
    worse = 5.0 if (place.part, place.block, place.projection) == ("language", 3, "down_proj") else 0.0
    return round(5.02 * (find_scheme(key).bits or 16) - float(random.gamma(2.0, 0.35)) - worse, 2)


def measured_layers(keys: list[str]) -> Iterator[MeasuredLayer]:
    """What is told while a report is made."""
    for place in places():
        yield MeasuredLayer(**place.model_dump(), sqnr_db={key: decibels(key, place) for key in keys})


def layer_weights(key: str, place: LayerPlace, bins: int = 65, entries: int = 128) -> LayerWeights:
    """The statistics of one layer."""
    sqnr_db, rows = decibels(key, place), place.shape[0]
    spread = 0.04
    error = spread * 10 ** (-sqnr_db / 20)
    ripple = np.random.default_rng(5).normal(sqnr_db + 0.6, 0.7, min(entries, rows)).round(2)
    ripple[len(ripple) // 3] -= 6
    return LayerWeights(
        **place.model_dump(), sqnr_db=sqnr_db, mse=error**2, max_abs_error=error * 3.1, cosine=1 - error**2 / spread**2 / 2,
        clipped=0.001, zeroed=0.6 / 2 ** (find_scheme(key).bits or 16), parameters=math.prod(place.shape), row_sqnr_db=tuple(ripple),
        worst_row=rows // 3, histograms=histograms(key, math.prod(place.shape), spread, error, bins),
    )  # fmt: skip


@cache
def scheme_report(key: str) -> SchemeWeights:
    """A scheme over all layers."""
    scheme = find_scheme(key)
    layers = tuple(layer_weights(key, place) for place in places())
    count = sum(layer.parameters for layer in layers)
    signal = sum(layer.parameters for layer in layers) * 0.04**2
    noise = sum(layer.parameters * layer.mse for layer in layers)
    sqnr_db = 10 * math.log10(signal / noise)
    return SchemeWeights(
        scheme=key, label=scheme.label, kind=scheme.kind, bits_per_weight=scheme.stored_bits or scheme.bits, parameters=count,
        sqnr_db=sqnr_db, mse=noise / count, max_abs_error=max(layer.max_abs_error for layer in layers), cosine=0.99, zeroed=0.01,
        clipped=0.002, layers=layers, histograms=histograms(key, count, 0.04, 0.04 * 10 ** (-sqnr_db / 20), 65),
    )  # fmt: skip


def report_of(*keys: str) -> WeightReport:
    """A report of these schemes."""
    return WeightReport(model="tiny-vlm", seconds=0.4, schemes=tuple(map(scheme_report, keys)))


def files_report(model: str, other: str) -> WeightReport:
    """Two files of one model: in the other some layers have more bits, and every third is the same."""
    types = {"down_proj": StoredType(type="Q6_K", bits=6.5625), "v_proj": StoredType(type="Q5_K", bits=5.5)}
    layers = []
    for at, layer in enumerate(scheme_report("bnb-nf4").layers):
        stored = types.get(layer.projection, StoredType(type="Q4_K" if layer.part == "language" else "Q4_0", bits=4.5))
        better = StoredType(type="Q8_0", bits=8.5) if layer.block == 3 else StoredType(type="IQ4_NL", bits=4.5)
        same = {"sqnr_db": None, "mse": 0.0, "max_abs_error": 0.0, "cosine": 1.0} if at % 3 == 0 else {}
        layers.append(layer.model_copy(update={"stored": stored, "other": stored if same else better, **same}))
    known = {"parameters": 500_000_000, "tensor_bytes": 280_000_000, "file_bytes": 290_000_000, "types": {"Q4_K": 500_000_000}}
    own, theirs = (
        StoredModel(model=name, label="/".join(name.split("/")[-2:]), bits_per_weight=bits, **known)
        for name, bits in ((model, 4.85), (other, 4.91))
    )
    found = scheme_report("bnb-nf4").model_copy(
        update={"scheme": other, "label": theirs.label, "layers": tuple(layers), "other": theirs, "bits_per_weight": 4.91}
    )
    return WeightReport(model=model, seconds=0.4, schemes=(found,), stored=own)


def histograms(key: str, count: int, spread: float, error: float, bins: int) -> LayerHistograms:
    """A bell; what became of it, heaped on the format's levels; the error."""
    limit = spread * 5
    bell, heaped = bell_and_heaped(key, spread, bins)
    reach = np.linspace(-4, 4, bins)
    return LayerHistograms(
        original=counted(bell, limit, count), dequantized=counted(heaped, limit, count),
        error=counted(np.exp(-np.abs(reach) ** 3 / 6), error * 4, count),
    )  # fmt: skip


@cache
def bell_and_heaped(key: str, spread: float, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """The heights of the first two, which are those of every layer."""
    limit = spread * 5
    centres = np.linspace(-limit, limit, bins)
    bell = np.exp(-((centres / spread) ** 2) / 2)
    nearest = np.abs(centres[:, None] - levels(key, limit)[None, :]).argmin(1)
    heaped = np.zeros(bins)
    for at, level in enumerate(levels(key, limit)):
        heaped[np.abs(centres - level).argmin()] += bell[nearest == at].sum()
    return bell, heaped


def counted(heights: np.ndarray, limit: float, count: int) -> Histogram:
    """`count` weights, distributed like `heights` between ±limit."""
    return Histogram(low=-limit, high=limit, counts=tuple((heights / heights.sum() * count).astype(int).tolist()))


def levels(key: str, largest: float) -> np.ndarray:
    """NF4's, else equal steps."""
    bits = find_scheme(key).bits or 16
    return largest * (np.array(NF4.values) if "nf4" in key else np.linspace(-1, 1, 2 ** min(bits, 8) - 1))


def layer_detail(key: str, name: str, row: int | None, column: int) -> LayerDetail:
    """A layer of real random numbers, really rounded."""
    scheme, place = find_scheme(key), next((place for place in places() if place.name == name), next(places()))
    random = np.random.default_rng(3)
    weights = random.normal(0, 0.04, (64, 64))
    ladder = levels(key, 0.16)
    restored = ladder[np.abs(weights[..., None] - ladder).argmin(-1)]
    rows, columns = place.shape
    at, first = min(rows // 3 if row is None else row, rows - 1), min(column, columns - 1) // 64 * 64
    return LayerDetail(
        scheme=key, label=scheme.label, kind=scheme.kind, layer=layer_weights(key, place, bins=321, entries=512), row=at, first=first,
        last=min(first + 64, columns), shares="block", scale=0.16, zero_point=0.0, codes=tuple(ladder / 0.16), levels=tuple(ladder),
        patch_row=min(at // 64 * 64, rows - 64), patch_column=min(first, columns - 64), original=rounded(weights),
        dequantized=rounded(restored), error=rounded(np.abs(restored - weights)),
    )  # fmt: skip


def rounded(values: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """To four digits, as records have them."""
    return tuple(tuple(float(f"{value:.4g}") for value in row) for row in values)
