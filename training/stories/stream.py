"""An endless stream of training batches: documents packed into rows of one length, hidden from each other.

Every document starts at position zero behind a block mask, so packed or alone it is the same text to the model (a test checks
it), and a compiled decoder sees one shape. Step n always has the same documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from qdash.tasks.generators.stories.documents import TOLD, document
from training.prefetch import Batch

ROW_LENGTH = 160
"""Tokens of a row; a document that is longer (one in two thousand) is skipped."""

MOST_WORDS = 24
"""Last words of a row; a row that has them is full."""

TOLD_WEIGHT = 0.05
"""Weight of what is told by chance, beside 1 for a last word and the full stop after it."""

_PATIENCE = 24
"""A batch counts as full when so many documents in a row did not fit."""

_COLUMNS = ("tokens", "positions", "documents", "words")


@dataclass(frozen=True)
class StreamOptions:
    """`name` keeps streams apart: training, validation."""

    name: str
    rows: int
    tokenizer: PreTrainedTokenizerFast


def make_batch(options: StreamOptions, step: int) -> Batch:
    """The batch of a step, int64 (rows, `ROW_LENGTH`) unless said otherwise.

    "tokens"; "positions" in the document; "documents" numbered from 1 in their row, 0 for padding; "words" numbers the last words of a row
    from 1, 0 for other tokens; "weights" float32; "cells" (rows, `MOST_WORDS`) the kind and language of each last word, −1 for none.
    """
    rows = np.zeros((len(_COLUMNS), options.rows, ROW_LENGTH), np.int64)
    cells = np.full((options.rows, MOST_WORDS), -1, np.int64)
    weights = np.zeros((options.rows, ROW_LENGTH), np.float32)
    used, count, words = (np.zeros(options.rows, np.int64) for _ in range(3))
    for pieces in _fitting(options, step, used, words):
        row, length = pieces.row, len(pieces.tokens)
        count[row] += 1
        here = slice(used[row], used[row] + length)
        numbers = np.where(pieces.words > 0, pieces.words + words[row], 0)
        rows[:, row, here] = pieces.tokens, np.arange(length), np.full(length, count[row]), numbers
        weights[row, here] = np.where(numbers > 0, 1.0, TOLD_WEIGHT)
        cells[row, words[row] : words[row] + len(pieces.cells)] = pieces.cells
        used[row] += length
        words[row] += len(pieces.cells)
    batch = {name: torch.from_numpy(column) for name, column in zip(_COLUMNS, rows, strict=True)}
    return batch | {"weights": torch.from_numpy(weights), "cells": torch.from_numpy(cells)}


@dataclass
class _Tokens:
    """One document as tokens, its last words numbered from 1, and the row it goes to."""

    tokens: np.ndarray
    words: np.ndarray
    cells: list[int]
    row: int = -1


def _fitting(options: StreamOptions, step: int, used: np.ndarray, words: np.ndarray) -> Iterator[_Tokens]:
    """Documents, each with the first row that has room for it, until several in a row have none."""
    index = misses = 0
    while misses < _PATIENCE:
        found = _encode(options.tokenizer, f"{options.name} {step} {index}")
        index += 1
        room = (used + len(found.tokens) <= ROW_LENGTH) & (words + len(found.cells) <= MOST_WORDS)
        if room.any():
            found.row, misses = int(room.argmax()), 0
            yield found
        else:
            misses += 1


def _encode(tokenizer: PreTrainedTokenizerFast, seed: str) -> _Tokens:
    tokens: list[int] = []
    words: list[int] = []
    cells: list[int] = []
    for text, cell in document(seed).pieces:
        ids = tokenizer.encode(text)
        tokens += ids
        if cell != TOLD:
            cells.append(cell)
        words += [len(cells) if cell != TOLD else 0] * len(ids)
    return _Tokens(np.array([*tokens, tokenizer.eos_token_id]), np.array([*words, 0]), cells)


def block_mask(documents: Tensor, dtype: torch.dtype) -> Tensor:
    """The additive attention mask (rows, 1, length, length): causal, and only within the own document."""
    length = documents.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    allowed = (documents[:, None, :, None] == documents[:, None, None, :]) & causal
    return torch.zeros(allowed.shape, dtype=dtype).masked_fill_(~allowed, torch.finfo(dtype).min)
