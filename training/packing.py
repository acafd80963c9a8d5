"""Packs many questions about one picture into one sequence.

The picture's 64 tokens are by far the longest part of a prompt, so each is paid for once: all questions follow the same
prefix, a block mask hides them from each other, and every question's positions start right after the prefix, as if it
were alone. The packed loss equals the loss of the questions asked one by one (a test checks it).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.architecture import ASSISTANT_ID, END_ID, IMAGE_ID, IMAGE_TOKENS, PAD_ID, USER_ID

PREFIX = (USER_ID, *([IMAGE_ID] * IMAGE_TOKENS))
PREFIX_LENGTH = len(PREFIX)

PAD_SEGMENT = -1
PREFIX_SEGMENT = 0


@dataclass(frozen=True)
class Packed:
    """One packed sequence: int64 arrays of the same length; `segments` counts questions from 1, `answer` marks targets."""

    tokens: np.ndarray
    positions: np.ndarray
    segments: np.ndarray
    answer: np.ndarray


def pack(pairs: list[tuple[list[int], list[int]]], length: int) -> Packed:
    """Packs (question tokens, answer tokens) pairs behind the picture into `length` tokens.

    Raises ValueError when they do not fit.
    """
    tokens, positions = list(PREFIX), list(range(PREFIX_LENGTH))
    segments, answer = [PREFIX_SEGMENT] * PREFIX_LENGTH, [0] * PREFIX_LENGTH
    for number, (question, reply) in enumerate(pairs, start=1):
        body = [*question, ASSISTANT_ID, *reply, END_ID]
        tokens += body
        positions += range(PREFIX_LENGTH, PREFIX_LENGTH + len(body))
        segments += [number] * len(body)
        answer += [0] * (len(question) + 1) + [1] * (len(reply) + 1)
    spare = length - len(tokens)
    if spare < 0:
        raise ValueError(f"{len(tokens)} tokens do not fit into {length}: pack fewer questions")
    padding = ([PAD_ID], [0], [PAD_SEGMENT], [0])
    columns = (tokens, positions, segments, answer)
    return Packed(*(np.array(column + fill * spare, np.int64) for column, fill in zip(columns, padding, strict=True)))


def segment_length(question: list[int], reply: list[int]) -> int:
    """How many tokens a pair takes in a packed sequence."""
    return len(question) + len(reply) + 2


def block_mask(segments: Tensor, dtype: torch.dtype) -> Tensor:
    """The additive attention mask (batch, 1, length, length): causal, and only to the prefix or the own question."""
    length = segments.shape[1]
    own = segments[:, :, None] == segments[:, None, :]
    prefix = (segments == PREFIX_SEGMENT)[:, None, :]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    allowed = (own | prefix) & causal
    mask = torch.zeros(allowed.shape, dtype=dtype).masked_fill_(~allowed, torch.finfo(dtype).min)
    return mask[:, None]
