"""One layer in detail: finer histograms, one scale with the weights around it, and a patch of single weights."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from qdash.catalog.schemes import Scheme
from qdash.engine.layers import convertible_layers
from qdash.engine.schemes import RowDequantizer
from qdash.engine.stored import stored_layers
from qdash.engine.weights import Restore, group_size, place_of, refuse_quantized
from qdash.engine.weights.layer import ROWS, LayerError, measure_layer
from qdash.engine.weights.scales import Scale, scale_of
from qdash.engine.weights.sharing import sharing_of
from qdash.errors import QdashError
from qdash.records import LayerDetail, LayerWeights

FINE_BINS = 300  # on either side of zero
FINE_ROWS = 512
PATCH = 64
DIGITS = 4
Patch = tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class WeightPosition:
    """A weight of a layer; `row` None is the row with the lowest SQNR."""

    layer: str
    row: int | None = None
    column: int = 0


@torch.no_grad()
def layer_detail(
    folder: Path,
    skeleton: PreTrainedModel,
    scheme: Scheme,
    restore: Restore,
    position: WeightPosition,
    go_on: Callable[[], None],
    device: str = "cpu",
) -> LayerDetail:
    """The layer at `position` under `scheme`. Raises QdashError as `measure_weight_error` does, and for a layer that is missing or that
    `scheme` leaves unchanged.
    """
    refuse_quantized(folder, skeleton)
    with stored_layers(folder, skeleton, convertible_layers(skeleton)) as layers:
        layer = next((layer for layer in layers if layer.name == position.layer), None)
        if layer is None:
            raise QdashError(f"There is no layer “{position.layer[:200]}”.", "Choose one that the report lists.")
        weight = layer.read().to(device)
        row_dequantizer = restore(layer.module, weight)
        if row_dequantizer is None:
            raise QdashError(f"{scheme.label} leaves {layer.name} unchanged.", "Choose another scheme or layer.")
        group_sizes = {"": group_size(scheme, layer.module, row_dequantizer, weight.shape[1])}
        layer_error = measure_layer(weight, {"": row_dequantizer}, group_sizes, go_on)[""]
        record = layer_error.record(place_of(layer, tuple(weight.shape)), FINE_BINS, FINE_ROWS)
    row = min(max(record.worst_row or 0 if position.row is None else position.row, 0), len(weight) - 1)
    return _QuantizedLayer(scheme, layer.module, weight, row_dequantizer, layer_error).at(row, position.column, record)


@dataclass(frozen=True)
class _QuantizedLayer:
    scheme: Scheme
    module: str
    weight: Tensor
    row_dequantizer: RowDequantizer
    layer_error: LayerError

    def at(self, row: int, column: int, record: LayerWeights) -> LayerDetail:
        """What is to be seen around a weight."""
        columns = self.weight.shape[1]
        size = self.layer_error.group_size or columns
        column = min(max(column, 0), columns - 1)
        first = column // size * size
        last = min(first + size, columns)
        sharing = sharing_of(self.scheme, self.module, self.row_dequantizer)
        top, left = (_corner(place, extent) for place, extent in ((row, len(self.weight)), (column, columns)))
        patches = self._patches(top, left)
        scale = Scale(None, None, ()) if sharing is None else self._scale(row, first, last)
        return LayerDetail(
            scheme=self.scheme.key, label=self.scheme.label, kind=self.scheme.kind, layer=record, row=row, first=first, last=last,
            shares="row" if sharing is None else sharing.shares, scale=scale.scale, zero_point=scale.zero_point,
            codes=sharing.codes if sharing is not None else (), levels=scale.levels, patch_row=top, patch_column=left, **patches,
        )  # fmt: skip

    def _scale(self, row: int, first: int, last: int) -> Scale:
        sharing = sharing_of(self.scheme, self.module, self.row_dequantizer)
        assert sharing is not None
        w, r = (values[0, first:last] for values in self._pair(row, row + 1))
        ends = _ends(self.weight) if sharing.shares == "tensor" else _ends(torch.from_numpy(w))
        return scale_of(w, r, sharing, ends)

    def _patches(self, top: int, left: int) -> dict[str, Patch]:
        w, r = (values[:, left : left + PATCH] for values in self._pair(top, min(top + PATCH, len(self.weight))))
        return {"original": _patch(w), "dequantized": _patch(r), "error": _patch(np.abs(r - w))}

    def _pair(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """W and Ŵ of some rows, float64. Kernels want whole tiles of rows, so a few more are restored."""
        begin, end = start // ROWS * ROWS, min(-(-stop // ROWS) * ROWS, len(self.weight))
        restored = self.row_dequantizer(self.weight[begin:end], begin)[start - begin : stop - begin]
        return self.weight[start:stop].cpu().double().numpy(), restored.cpu().double().numpy()


def _ends(weight: Tensor) -> tuple[float, float]:
    low, high = torch.aminmax(weight)
    return float(low), float(high)


def _corner(place: int, extent: int) -> int:
    """Where a patch with `place` in its middle begins, or as near as the layer allows."""
    return max(0, min(place - PATCH // 2, extent - PATCH))


def _patch(values: np.ndarray) -> Patch:
    return tuple(tuple(_rounded(value) for value in row) for row in values.tolist())


def _rounded(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
