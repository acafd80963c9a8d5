"""Whether an answer is right, in words that need no knowledge of quantization: “right”, “wrong: there is no bus”.

Only where the right answer is known (see `qdash.tasks.truth`): the bundled models' own pictures and stories, with the questions that come
with them. Unlike a grade it says nothing of the original, so it is there as soon as an answer is.
"""

from dataclasses import dataclass
from typing import Literal

from qdash.present.language import N_, _
from qdash.records import Request, VariantResult
from qdash.tasks.mistakes import Mistake, mistake_in
from qdash.verdict.evidence import known_truth

_WRONG: dict[str, str] = {
    "not there": N_("wrong: there is no {said}"),
    "left out": N_("wrong: it leaves out {right}"),
    "another": N_("wrong: {right}, not {said}"),
    "answer": N_("wrong: the right answer is “{right}”"),
}


@dataclass(frozen=True)
class Mark:
    """What stands beside an answer."""

    right: bool
    words: str

    @property
    def icon(self) -> str:
        """A character with the same meaning as the colour."""
        return "✓" if self.right else "✕"

    @property
    def tone(self) -> Literal["good", "bad"]:
        """The class that colours it."""
        return "good" if self.right else "bad"


def mark_of(result: VariantResult, asked: Request | None) -> Mark | None:
    """The mark of a variant's answer to what was `asked`; None where the right one is not known, or there is no answer."""
    truth = known_truth(result.model, asked)
    if truth is None or result.answer is None:
        return None
    if truth.accepts(result.answer):
        return Mark(True, _("right"))
    return Mark(False, _wrong(mistake_in(result.answer.strip(), truth.answer)))


def _wrong(mistake: Mistake) -> str:
    return _(_WRONG[mistake.how], said=mistake.said, right=mistake.right)
