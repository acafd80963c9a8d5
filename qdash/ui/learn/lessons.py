"""The six cards of the Learn tab: each explains one thing in a few words and sets the picture to show it. Plain text, never markup. A test
checks what the words claim about the picture.
"""

from dataclasses import dataclass
from typing import Any

from qdash.present.language import N_, _


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
        return {"words": _(self.words), "state": state, "against": {"label": _(label), "state": other}}


LESSONS = (
    Lesson(
        N_("Fewer bits, fewer levels"), N_("Move the slider from 8 bits to 2."),
        N_(
            "With b bits a number has at most 2ᵇ levels to choose from, and moves to the nearest: by half a step at most. "
            "Each bit less doubles the step, which costs about 6 dB."
        ),
        "row", "symmetric", 4, None, 0.8, (N_("8 bits"), {"bits": 8}),
    ),
    Lesson(
        N_("One outlier spoils the scale"), N_("Four large numbers, and 2,044 suffer."),
        N_(
            "The largest number sets the step S for all. Four outliers are enough, and most of the others have only a few levels left; "
            "many become zero."
        ),
        "outliers", "symmetric", 4, None, 0.7, (N_("without them"), {"numbers": "normal"}),
    ),
    Lesson(
        N_("A scale per group"), N_("The same numbers, rescued."),
        N_(
            "Give every 32 numbers a scale of their own, and an outlier spoils only its own group. "
            "The price: each scale is stored too, here one more bit for every number."
        ),
        "outliers", "symmetric", 4, 32, 0.7, (N_("one scale for all"), {"size": 0}),
    ),
    Lesson(
        N_("Symmetric or affine"), N_("When numbers lie on one side."),
        N_(
            "Symmetric levels reach as far below zero as above it. If the numbers do not, half of the levels are wasted. "
            "A zero point Z moves the levels to where the numbers are."
        ),
        "skewed", "affine", 4, None, 0.5, (N_("symmetric"), {"mapping": "symmetric"}),
    ),
    Lesson(
        N_("Levels where the weights are"), N_("NF4: crowded near zero."),
        N_(
            "Most weights lie close to zero. NF4 puts its 16 levels where a normal distribution has most numbers: close together in the "
            "middle, far apart outside. With even steps, the outer levels would hardly be used."
        ),
        "normal", "nf4", 4, None, 0.6, (N_("even steps"), {"mapping": "symmetric"}),
    ),
    Lesson(
        N_("What is a 4-bit float?"), N_("A sign, an exponent, a fraction."),
        N_(
            "One bit for the sign, two for the exponent, one for the fraction: 16 codes for 15 numbers, as +0 and −0 are the same. "
            "Each step of the exponent doubles the gaps: 0, ½, 1, 1½, 2, 3, 4, 6. A scale stretches them over the weights."
        ),
        "row", "fp4-e2m1", 4, None, 0.93, (N_("INT4"), {"mapping": "symmetric"}),
    ),
)  # fmt: skip
