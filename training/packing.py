"""Packs many questions about one picture into one sequence, and attends to it cheaply.

The picture's 64 tokens are by far the longest part of a prompt, so each is paid for once: all questions follow the same
prefix, hidden from each other, and every question's positions start right after the prefix, as if it were alone. Questions
sit in windows that none of them crosses, so attention is only computed from a window to the prefix and to itself, a
third of the full square. The packed loss equals the loss of the questions asked one by one (a test checks it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AttentionInterface

from training.architecture import ASSISTANT_ID, END_ID, IMAGE_ID, IMAGE_TOKENS, PAD_ID, USER_ID

PREFIX = (USER_ID, *([IMAGE_ID] * IMAGE_TOKENS))
PREFIX_LENGTH = len(PREFIX)

WINDOWS = 3
WINDOW_LENGTH = 64
SEQUENCE_LENGTH = PREFIX_LENGTH + WINDOWS * WINDOW_LENGTH
"""All packed sequences have this length, so that a compiled decoder sees one shape."""

PAD_SEGMENT = -1

Pair = tuple[list[int], list[int]]
"""The tokens of a question and of its answer."""


@dataclass(frozen=True)
class Packed:
    """One packed sequence: int64 arrays of the same length; `segments` counts questions from 1, `answer` marks targets."""

    tokens: np.ndarray
    positions: np.ndarray
    segments: np.ndarray
    answer: np.ndarray


class Packer:
    """Fills the windows of one sequence, question by question."""

    def __init__(self) -> None:
        """An empty sequence."""
        self.windows: list[list[tuple[int, Pair]]] = [[] for _ in range(WINDOWS)]
        self.room = [WINDOW_LENGTH] * WINDOWS
        self.count = 0

    def add(self, pair: Pair) -> bool:
        """Puts a pair into the first window that has room; False, and no change, when none has."""
        need = len(pair[0]) + len(pair[1]) + 2
        for index, room in enumerate(self.room):
            if need <= room:
                self.count += 1
                self.windows[index].append((self.count, pair))
                self.room[index] -= need
                return True
        return False

    def packed(self) -> Packed:
        """The sequence so far, padded."""
        columns = np.zeros((4, SEQUENCE_LENGTH), np.int64)
        columns[:, PREFIX_LENGTH:] = np.array([PAD_ID, 0, PAD_SEGMENT, 0])[:, None]
        columns[0, :PREFIX_LENGTH] = PREFIX
        columns[1, :PREFIX_LENGTH] = np.arange(PREFIX_LENGTH)
        for index, window in enumerate(self.windows):
            start = PREFIX_LENGTH + index * WINDOW_LENGTH
            for number, (question, reply) in window:
                body = [*question, ASSISTANT_ID, *reply, END_ID]
                end = start + len(body)
                columns[0, start:end] = body
                columns[1, start:end] = np.arange(PREFIX_LENGTH, PREFIX_LENGTH + len(body))
                columns[2, start:end] = number
                columns[3, start + len(question) + 1 : end] = 1
                start = end
        return Packed(*columns)


def window_mask(segments: Tensor, dtype: torch.dtype) -> Tensor:
    """The additive mask inside windows, (batch, windows, length, length): causal, and only within the own question."""
    windows = segments[:, PREFIX_LENGTH:].unflatten(1, (WINDOWS, WINDOW_LENGTH))
    causal = torch.ones(WINDOW_LENGTH, WINDOW_LENGTH, dtype=torch.bool).tril()
    allowed = (windows[..., :, None] == windows[..., None, :]) & causal
    return torch.zeros(allowed.shape, dtype=dtype).masked_fill_(~allowed, torch.finfo(dtype).min)


def packed_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor, scaling: float, **_: Any
) -> tuple[Tensor, None]:
    """Attention over a packed sequence; heads are (batch, heads, length, width), `attention_mask` is `window_mask`'s.

    The signature is that of transformers' attention interface; the result is (batch, length, heads, width).
    """
    query = query * scaling
    prefix_key, own_key = _split(key)
    prefix_value, own_value = _split(value)
    prefix_query, own_query = _split(query)
    prefix_scores = prefix_query @ prefix_key.transpose(-1, -2)
    future = torch.ones(PREFIX_LENGTH, PREFIX_LENGTH, dtype=torch.bool).triu(1)
    prefix_weights = prefix_scores.float().masked_fill(future, -torch.inf).softmax(-1).to(query.dtype)
    to_prefix = (query[:, :, PREFIX_LENGTH:] @ prefix_key.transpose(-1, -2)).unflatten(2, (WINDOWS, WINDOW_LENGTH))
    to_own = own_query @ own_key.transpose(-1, -2) + attention_mask[:, None]
    weights = torch.cat([to_prefix, to_own], dim=-1).float().softmax(-1).to(query.dtype)
    from_prefix = weights[..., :PREFIX_LENGTH].flatten(2, 3) @ prefix_value
    from_own = (weights[..., PREFIX_LENGTH:] @ own_value).flatten(2, 3)
    output = torch.cat([prefix_weights @ prefix_value, from_prefix + from_own], dim=2)
    return output.transpose(1, 2).contiguous(), None


def _split(heads: Tensor) -> tuple[Tensor, Tensor]:
    """The prefix's part, and the windows' as (batch, heads, windows, length, width)."""
    return heads[:, :, :PREFIX_LENGTH], heads[:, :, PREFIX_LENGTH:].unflatten(2, (WINDOWS, WINDOW_LENGTH))


AttentionInterface.register("packed", packed_attention)
