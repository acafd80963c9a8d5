"""An endless stream of training batches, drawn on the fly and a pure function of the step number.

Step n always draws the same scenes, so a resumed run goes on where it stopped without storing anything.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast

from qdash.tasks.generators.asking import random_question
from qdash.tasks.generators.drawing import draw_scene, roughen
from qdash.tasks.generators.phrases import LANGUAGES
from qdash.tasks.generators.questions import TYPES, Question
from qdash.tasks.generators.world import Scene, sample_scene
from training.architecture import IMAGE_SIZE
from training.dense import dense_targets
from training.packing import Packer
from training.prefetch import Batch, batches

MAX_SEGMENTS = 24
MAX_MISSES = 4
"""How many questions may fail to fit before a sequence counts as full; then it holds about a dozen."""


@dataclass(frozen=True)
class StreamOptions:
    """What to draw: `first_seed` keeps stages apart; without a tokenizer batches have pictures and dense targets only."""

    batch_size: int
    first_seed: int
    first_step: int = 0
    tokenizer: PreTrainedTokenizerFast | None = None


def scene_batches(options: StreamOptions) -> Iterator[Batch]:
    """The stream from `options.first_step` on, drawn by one worker process ahead of the training step."""
    return batches(partial(make_batch, options), options.first_step)


def make_batch(options: StreamOptions, step: int) -> Batch:
    """The batch of a step: "pixels" uint8 (batch, 3, 96, 96), dense targets, and the packed questions if asked for."""
    rows = []
    for index in range(options.batch_size):
        seed = options.first_seed + step * options.batch_size + index
        scene, rng = sample_scene(seed), random.Random(f"train {seed}")
        row = {"pixels": to_square(roughen(draw_scene(scene), rng)), **dense_targets(scene)}
        if options.tokenizer is not None:
            row |= packed_questions(scene, options.tokenizer, rng)
        rows.append(row)
    return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}


def to_square(picture: Image.Image) -> np.ndarray:
    """The processor's padding and scaling, in Pillow because it is faster: uint8 (3, 96, 96)."""
    side = max(picture.size)
    if picture.width != picture.height:
        square = Image.new("RGB", (side, side), (127, 127, 127))
        square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
        picture = square
    small = picture.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)
    return np.asarray(small).transpose(2, 0, 1).copy()


def packed_questions(scene: Scene, tokenizer: PreTrainedTokenizerFast, rng: random.Random) -> dict[str, np.ndarray]:
    """Random questions about a scene until they stop fitting; "types" holds each one's type × language index."""
    packer, types, misses = Packer(), [], 0
    while len(types) < MAX_SEGMENTS and misses < MAX_MISSES:
        question = random_question(scene, rng)
        if question is None:
            continue
        if packer.add((tokenizer.encode(question.text), tokenizer.encode(question.answer))):
            types.append(cell(question))
        else:
            misses += 1
    packed = packer.packed()
    padded_types = np.array(types + [-1] * (MAX_SEGMENTS - len(types)), np.int64)
    return {
        "tokens": packed.tokens,
        "positions": packed.positions,
        "segments": packed.segments,
        "answer": packed.answer,
        "types": padded_types,
    }


def cell(question: Question) -> int:
    """The index of a question's type and language."""
    return TYPES.index(question.type) * len(LANGUAGES) + LANGUAGES.index(question.language)
