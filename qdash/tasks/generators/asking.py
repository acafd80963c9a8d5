"""What is asked about a drawing while training: how often each type of question, and which are too easy to be asked as often."""

from __future__ import annotations

import random

from qdash.tasks.generators.phrases import LANGUAGES
from qdash.tasks.generators.questions import Question, ask
from qdash.tasks.generators.world import Scene

SKIPPED_SIDEWAYS = 0.7
"""How many yes-or-no questions about left and right to skip: describing teaches that order already, but not up and down."""

TYPE_WEIGHTS: dict[str, float] = {
    "describe": 2.5,
    "count_all": 0.5,
    "count_kind": 1.5,
    "colour": 0.6,
    "which": 1.0,
    "where": 0.9,
    "exists": 1.0,
    "relation": 5.0,
    "background": 0.3,
    "outside": 0.7,
}
"""How often each type is asked in training; harder ones more often."""


def random_question(scene: Scene, rng: random.Random) -> Question | None:
    """A question about the scene; None where its type does not fit the scene, or it is one of those that are skipped."""
    question = ask(scene, rng.choices(list(TYPE_WEIGHTS), list(TYPE_WEIGHTS.values()))[0], rng.choice(LANGUAGES), rng)
    return None if question is None or (rng.random() < SKIPPED_SIDEWAYS and is_sideways(question)) else question


def is_sideways(question: Question) -> bool:
    """Whether it asks for yes or no about left and right."""
    if question.type != "relation" or question.answer not in {"Yes.", "No.", "是的。", "不是。"}:
        return False
    return not any(word in question.text for word in ("above", "below", "上面", "下面"))
