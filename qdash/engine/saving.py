"""Saving a model that is in use, without changing it.

bitsandbytes (0.50.2) repacks 4-bit layers for its fused CPU kernel at their first forward pass, and whoever asks such a model for its
state dict gets them packed back: in place, and wrongly, as block scales that were not doubly quantized stay transposed and in bfloat16.
The next pass repacks them once more, and from then on the layers multiply with other weights. So while its state dict is taken a model
is lent layers that were put back correctly; for as long as it is held, that takes the memory of its 4-bit weights once more.
"""

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import logging

TILE_ROWS = 32  # of the fused kernel's layout


def save(model: PreTrainedModel, folder: Path) -> None:
    """`model.save_pretrained(folder)`; the model computes afterwards what it did before. Raises whatever that raises."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with packed_back(model), warnings.catch_warnings():
            # On a CPU transformers takes every model with a device map for one that is kept on disk in part.
            warnings.filterwarnings("ignore", message="Attempting to save a model with offloaded modules")
            try:
                model.save_pretrained(folder)
            except NotImplementedError:
                # A checkpoint that was quantized already: transformers 5.23 cannot rename its tensors back, and need not.
                model.save_pretrained(folder, save_original_format=False)
    finally:
        if shown:
            logging.enable_progress_bar()


@contextmanager
@torch.no_grad()
def packed_back(model: nn.Module) -> Iterator[None]:
    """Within this, the state dict of `model` holds 4-bit layers as bitsandbytes quantized them, and taking it changes nothing."""
    repacked = [(weight, weight.data, weight.quant_state) for weight in _repacked(model)]
    try:
        for weight, data, state in repacked:
            weight.data, weight.quant_state = _as_quantized(data, state)
        yield
    finally:
        for weight, data, state in repacked:
            weight.data, weight.quant_state = data, state


def _repacked(model: nn.Module) -> Iterator[Any]:
    for weight in model.parameters():
        if getattr(getattr(weight, "quant_state", None), "packing_format_for_cpu", False):
            yield weight


def _as_quantized(data: Tensor, state: Any) -> tuple[Tensor, Any]:
    """What `quantize_4bit` returned, but for the block scales' rounding to bfloat16, which cannot be undone."""
    # Only where there are such layers: bitsandbytes need not be installed.
    functional: Any = importlib.import_module("bitsandbytes.functional")
    outputs, inputs = state.shape
    # Tiles of 32 rows; in 32 bytes the low halves hold the first 32 codes, the high halves the next.
    halves = data.view(-1, TILE_ROWS)
    tiles = torch.cat([halves & 15, halves >> 4], dim=1).view(outputs // TILE_ROWS, inputs // 2, TILE_ROWS, 2)
    codes = tiles.transpose(1, 2).reshape(-1)
    packed = ((codes[::2] << 4) | codes[1::2]).view(state.original_qshape)
    absmax, offset, nested = state.absmax.T.float().reshape(-1), None, None
    if state.original_nested:
        offset = absmax.mean()
        absmax, nested = functional.quantize_blockwise(absmax - offset, blocksize=256)
    return packed, functional.QuantState(
        absmax, state.shape, state.code, state.blocksize, state.quant_type, state.original_dtype, offset, nested
    )
