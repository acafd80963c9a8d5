"""The six cards of the Learn tab: each explains one thing in a few words and sets the picture to show it. Plain text, never markup. A test
checks what the words claim about the picture.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Lesson:
    """A card. `numbers` are those of `learn.distributions`, or "row" for a row of the model; `size` shares a scale, None is all of them.

    `weight` is the one that is followed: the share of all weights that are smaller. `against` is what the signal to noise is compared with:
    words, and the fields that are other there.
    """

    title: str
    teaser: str
    words: str
    numbers: str
    mapping: str
    bits: int
    size: int | None
    weight: float
    against: tuple[str, dict[str, Any]]

    def to_page(self) -> dict[str, Any]:
        """What the page's script wants to know, for JSON."""
        state = {"numbers": self.numbers, "mapping": self.mapping, "bits": self.bits, "size": self.size or 0, "weight": self.weight}
        label, other = self.against
        return {"words": self.words, "state": state, "against": {"label": label, "state": other}}


LESSONS = (
    Lesson(
        "Fewer bits, fewer levels", "Move the slider from 8 bits to 2.",
        "With b bits a number has at most 2ᵇ levels to choose from, and moves to the nearest: by half a step at most. "
        "Each bit less doubles the step, which costs about 6 dB.",
        "row", "symmetric", 4, None, 0.8, ("8 bits", {"bits": 8}),
    ),
    Lesson(
        "One outlier spoils the scale", "Four large numbers, and 2,044 suffer.",
        "The largest number sets the step S for all. Four outliers are enough, and most of the others have only a few levels left; "
        "many become zero.",
        "outliers", "symmetric", 4, None, 0.7, ("without them", {"numbers": "normal"}),
    ),
    Lesson(
        "A scale per group", "The same numbers, rescued.",
        "Give every 32 numbers a scale of their own, and an outlier spoils only its own group. "
        "The price: each scale is stored too, here one more bit for every number.",
        "outliers", "symmetric", 4, 32, 0.7, ("one scale for all", {"size": 0}),
    ),
    Lesson(
        "Symmetric or affine", "When numbers lie on one side.",
        "Symmetric levels reach as far below zero as above it. If the numbers do not, half of the levels are wasted. "
        "A zero point Z moves the levels to where the numbers are.",
        "skewed", "affine", 4, None, 0.5, ("symmetric", {"mapping": "symmetric"}),
    ),
    Lesson(
        "Levels where the weights are", "NF4: crowded near zero.",
        "Most weights lie close to zero. NF4 puts its 16 levels where a normal distribution has most numbers: close together in the "
        "middle, far apart outside. With even steps, the outer levels would hardly be used.",
        "normal", "nf4", 4, None, 0.6, ("even steps", {"mapping": "symmetric"}),
    ),
    Lesson(
        "What is a 4-bit float?", "A sign, an exponent, a fraction.",
        "One bit for the sign, two for the exponent, one for the fraction: 16 codes for 15 numbers, as +0 and −0 are the same. "
        "Each step of the exponent doubles the gaps: 0, ½, 1, 1½, 2, 3, 4, 6. A scale stretches them over the weights.",
        "row", "fp4-e2m1", 4, None, 0.93, ("INT4", {"mapping": "symmetric"}),
    ),
)  # fmt: skip
