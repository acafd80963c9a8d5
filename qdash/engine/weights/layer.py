"""One layer against what schemes make of it: its rows in chunks, every scheme on each chunk while it is at hand.

A chunk is small enough that its scratch does not count beside a large layer, and large enough that threads are worth their start.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from qdash.engine.kernels import MARGIN, Rounder, Rounding, kernels_for
from qdash.engine.schemes import RowDequantizer
from qdash.engine.weights.stats import Counts, ErrorSums, common_exponent, pooled_sqnr_db, worst_row
from qdash.records import LayerHistograms, LayerPlace, LayerWeights

CHUNK = 1 << 23  # weights
PIECE = 1 << 19
GPU_CHUNK = 1 << 26
ROWS = 32  # some kernels take rows in multiples of 32 only
CODED = (torch.bfloat16, torch.float16)

MOST_BINS = 100  # on either side of zero
MOST_ROWS = 128


@dataclass
class Shapes:
    """The three histograms of a layer or of a model under a scheme."""

    original: Counts = field(default_factory=Counts)
    dequantized: Counts = field(default_factory=Counts)
    error: Counts = field(default_factory=Counts)

    def __iadd__(self, other: "Shapes") -> "Shapes":
        self.original += other.original
        self.dequantized += other.dequantized
        self.error += other.error
        return self

    def record(self, sums: ErrorSums, most: int = MOST_BINS) -> LayerHistograms:
        """With at most `most` bins on either side of zero; weights on common ones."""
        weights, errors = sums.limits()
        common = common_exponent(weights, most, self.original, self.dequantized)
        return LayerHistograms(
            original=self.original.histogram(weights, common),
            dequantized=self.dequantized.histogram(weights, common),
            error=self.error.histogram(errors, common_exponent(errors, most, self.error)),
        )


@dataclass
class LayerError:
    """What is known of a layer under one scheme. `group_size`: how many neighbours share a scale, 0 if all do, None if there is none."""

    group_size: int | None
    rows: np.ndarray
    sums: ErrorSums = field(default_factory=ErrorSums)
    shapes: Shapes = field(default_factory=Shapes)

    def add(self, start: int, weight: Tensor, restored: Tensor | Rounding) -> None:
        """Count some rows in, which begin at `start`; `restored`: what they became, or how to round them."""
        kernels = kernels_for(weight, *([restored] if isinstance(restored, Tensor) else []))
        dequantized, error = self.shapes.dequantized, self.shapes.error
        found = kernels.pairs(weight, restored, self.group_size or 0, dequantized.per, error.per)
        if dequantized.make_room(found.largest[1]) | error.make_room(found.largest[2]):
            found = kernels.pairs(weight, restored, self.group_size or 0, dequantized.per, error.per)
        self.rows[start : start + len(weight)] = found.rows
        self.sums += ErrorSums.of(found, weight.shape[1])
        dequantized.counts += found.restored_counts
        error.counts += found.error_counts

    def finish(self, original: Counts) -> None:
        """All rows are in; `original` is the histogram of the layer's weights."""
        self.shapes.original = original
        if self.group_size == 0:
            self.sums.clipped = original.beyond(MARGIN * float(self.sums.largest[1]))

    def record(self, place: LayerPlace, most_bins: int = MOST_BINS, most_rows: int = MOST_ROWS) -> LayerWeights:
        """The layer's figures."""
        return LayerWeights(
            **place.model_dump(),
            **self.sums.summary().model_dump(),
            parameters=self.sums.parameters,
            nonfinite=self.sums.nonfinite,
            row_sqnr_db=pooled_sqnr_db(self.rows, most_rows),
            worst_row=worst_row(self.rows),
            histograms=self.shapes.record(self.sums, most_bins),
        )


def measure_layer(
    weight: Tensor, row_dequantizers: Mapping[str, RowDequantizer], group_sizes: Mapping[str, int | None], go_on: Callable[[], None]
) -> dict[str, LayerError]:
    """Figures of a layer (out, in) under each scheme's key. `go_on` is called between chunks, and may raise."""
    layer_errors = {key: LayerError(group_sizes[key], np.zeros((len(weight), 4))) for key in row_dequantizers}
    original = _counts_of_codes(weight) if weight.dtype in CODED else Counts()
    for start, chunk in chunks(weight):
        if weight.dtype not in CODED:
            _count(original, chunk)
        for key, restore in row_dequantizers.items():
            fused = restore.fused(chunk) if isinstance(restore, Rounder) else None
            for begin, piece in [(0, chunk)] if fused else pieces(chunk):
                go_on()
                layer_errors[key].add(start + begin, piece, fused or restore(piece, start + begin))
    for layer_error in layer_errors.values():
        layer_error.finish(original)
    return layer_errors


def chunks(weight: Tensor) -> Iterator[tuple[int, Tensor]]:
    """The rows of a layer, some at a time, with the number of the first. Few come first: they tell how wide bins have to be."""
    yield 0, weight[:ROWS]
    yield from ((ROWS + start, rows) for start, rows in _split(weight[ROWS:], CHUNK))


def pieces(chunk: Tensor) -> Iterator[tuple[int, Tensor]]:
    """The same of a chunk, for packages that make several copies to quantize."""
    yield from _split(chunk, PIECE)


def _split(weight: Tensor, size: int) -> Iterator[tuple[int, Tensor]]:
    size = size if weight.device.type == "cpu" else GPU_CHUNK
    rows = max(ROWS, size // max(weight.shape[1], 1) // ROWS * ROWS)
    for start in range(0, len(weight), rows):
        yield start, weight[start : start + rows]


def _counts_of_codes(weight: Tensor) -> Counts:
    """The histogram of weights of 16 bits, from how often each of 65 536 codes occurs."""
    occurring = kernels_for(weight).code_counts(weight.view(torch.int16))
    codes = np.flatnonzero(occurring)
    values = torch.from_numpy(codes.astype(np.uint16).view(np.int16)).view(weight.dtype).double().numpy()
    fine = np.isfinite(values)
    counts = Counts()
    counts.make_room(float(np.abs(values[fine]).max(initial=0.0)))
    counts.add_values(values[fine], occurring[codes][fine])
    return counts


def _count(counts: Counts, chunk: Tensor) -> None:
    kernels = kernels_for(chunk)
    found = kernels.pairs(chunk, chunk, 0, counts.per, 1.0)
    if counts.make_room(found.largest[1]):
        found = kernels.pairs(chunk, chunk, 0, counts.per, 1.0)
    counts.counts += found.restored_counts
