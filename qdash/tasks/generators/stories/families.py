"""The families of stories by name, how often training tells each, and the one way to tell a story from a seed.

Stories are told apart by a hash of their text: one in fifty is kept for measuring, and training skips it wherever it turns up. So
no text of the held-out set is ever trained on, whatever the seeds.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

from qdash.tasks.generators.phrases import Language
from qdash.tasks.generators.stories.counting import adding, aloud, collecting, listing, visiting
from qdash.tasks.generators.stories.having import giving, presents
from qdash.tasks.generators.stories.knowing import choosing, describing, using
from qdash.tasks.generators.stories.moving import following, putting, returning, walking
from qdash.tasks.generators.stories.opposites import believing, changing, contrasting, denying, dividing, teaching
from qdash.tasks.generators.stories.ranking import comparing, racing, relating
from qdash.tasks.generators.stories.telling import Story, Teller

FAMILIES: dict[str, tuple[Callable[[Teller], None], float]] = {
    "walking": (walking, 3.0),
    "putting": (putting, 2.0),
    "following": (following, 2.0),
    "returning": (returning, 1.0),
    "giving": (giving, 2.5),
    "presents": (presents, 0.7),
    "describing": (describing, 1.0),
    "choosing": (choosing, 0.7),
    "using": (using, 0.7),
    "comparing": (comparing, 1.5),
    "racing": (racing, 1.0),
    "relating": (relating, 1.2),
    "collecting": (collecting, 2.0),
    "visiting": (visiting, 1.5),
    "adding": (adding, 1.2),
    "listing": (listing, 0.8),
    "aloud": (aloud, 0.5),
    "contrasting": (contrasting, 0.8),
    "dividing": (dividing, 0.8),
    "believing": (believing, 0.8),
    "changing": (changing, 0.8),
    "denying": (denying, 0.8),
    "teaching": (teaching, 0.3),
}
"""What tells a family's story, and its weight in training."""

HELD_OUT_ONE_IN = 50


def tell(family: str, language: Language, rng: random.Random) -> Story:
    """A story of the family, with at least one conclusion."""
    while True:
        teller = Teller(language, rng)
        FAMILIES[family][0](teller)
        if teller.conclusions:
            return teller.story(family)


def is_held_out(story: Story) -> bool:
    """Whether the story's text belongs to the part that training skips: a fixed fiftieth of all texts."""
    return int.from_bytes(hashlib.blake2b(story.body.encode(), digest_size=4).digest(), "big") % HELD_OUT_ONE_IN == 0
