"""The held-out set: questions about pictures that training never draws, the same number of each type and language.

Training draws from seeds below `HELD_OUT_SEED`, this set from seeds above it, so no picture is shared.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

from qdash.tasks.generators.phrases import LANGUAGES
from qdash.tasks.generators.questions import TYPES, Question, ask
from qdash.tasks.generators.world import Scene, sample_scene

HELD_OUT_SEED = 10_000_000_000
"""The first seed of held-out scenes; training never reaches it."""


@dataclass(frozen=True)
class HeldOutItem:
    """One picture (as its scene) and one question about it."""

    scene: Scene
    question: Question


def held_out_items(per_cell: int = 110) -> list[HeldOutItem]:
    """The fixed set: `per_cell` questions for each of the ten types in each language, a new picture for each."""
    items: list[HeldOutItem] = []
    seed = HELD_OUT_SEED
    for _ in range(per_cell):
        for type_ in TYPES:
            for language in LANGUAGES:
                while True:
                    seed += 1
                    scene, rng = sample_scene(seed), random.Random(f"held-out {seed}")
                    if question := ask(scene, type_, language, rng, held_out=True):
                        items.append(HeldOutItem(scene, question))
                        break
    return items


def digest(items: list[HeldOutItem]) -> str:
    """A fingerprint of the set's pictures and texts; a changed one means old accuracies no longer compare."""
    text = "\n".join(f"{i.scene.seed}|{i.question.type}|{i.question.text}|{i.question.answer}" for i in items)
    return hashlib.sha256(text.encode()).hexdigest()
