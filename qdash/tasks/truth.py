"""The right answers to the questions that come with the sample pictures and stories, for the bundled models that were trained on them.

Those models learned one wording for each answer, so a rule that a person can check by hand decides; of any other model, picture or
question the right answer is not known here.
"""

import json
from dataclasses import dataclass
from functools import cache

from qdash.catalog.models import ASSETS
from qdash.catalog.presets import STORY
from qdash.inputs.pictures import read_picture
from qdash.records import Rule
from qdash.tasks.rules import GRADERS
from qdash.tasks.task import TASKS

STORY_ENDINGS = {
    STORY: "attic",
    "Ben had the key. Anna had the coin. Ben gave the key to Anna. Then Anna handed Ben the coin. The one who has the key is": "Anna",
    "There were five ducks in the garden. Then two ran away. The number of ducks that are still there is": "three",
    "Everybody said the soup was hot, but that was wrong. The soup was": "cold",
    "小明去了厨房。小红把书带到了花园。小明捡起了球，然后走到了阁楼。球在": "阁楼",
    "小龙跑到了城堡。小梅去了城堡。小梅捡起了勺子。开始下雨了。小梅松手放开了勺子。小龙跑到了商店。在商店可以见到": "小龙",
}
"""Beginnings of stories for the bundled model that finishes them, and the word that follows."""


@dataclass(frozen=True)
class Truth:
    """The right answer to a question, and the rule by which another text is right too."""

    answer: str
    rule: Rule

    def accepts(self, answer: str) -> bool:
        """Whether `answer` is right."""
        return GRADERS[self.rule](answer, self.answer)


def truth_of(model: str, prompt: str, picture_sha256: str | None) -> Truth | None:
    """The right answer to `prompt` about the picture with this SHA-256 (None: no picture), asked of `model`; None where it is not known."""
    task = next((task for task in TASKS.values() if task.made_for == model), None)
    if task is None:
        return None
    answer = _of_pictures().get((picture_sha256, prompt)) if task.sees else STORY_ENDINGS.get(prompt)
    return None if answer is None else Truth(answer, task.rule)


@cache
def _of_pictures() -> dict[tuple[str | None, str], str]:
    entries = json.loads((ASSETS / "samples" / "samples.json").read_text(encoding="utf-8"))
    digests = {entry["file"]: read_picture(ASSETS / "samples" / entry["file"])[0].sha256 for entry in entries}
    return {(digests[entry["file"]], prompt): answer for entry in entries for prompt, answer in entry["answers"].items()}
