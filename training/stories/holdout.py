"""The fixed cloze set: the beginnings of 1,000 stories that training never reads, and the last word of each.

    python -m training.stories.holdout        # writes qdash/assets/tasks/cloze.jsonl

Its stories come from the part of all texts that training skips (`families.is_held_out`), so none is shared. Kinds and languages are
equally many, and within a kind so are the families of stories that end in it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from qdash.tasks.generators.phrases import LANGUAGES, Language
from qdash.tasks.generators.stories.families import is_held_out, tell
from qdash.tasks.generators.stories.telling import KINDS

CLOZE_FILE = Path(__file__).parents[2] / "qdash" / "assets" / "tasks" / "cloze.jsonl"
PER_CELL = 100

FAMILIES_OF_KIND: dict[str, tuple[str, ...]] = {
    "places": ("walking", "putting", "following", "returning"),
    "names": ("walking", "following", "giving", "describing", "comparing", "racing", "relating"),
    "objects": ("walking", "putting", "giving", "presents", "describing", "choosing", "using"),
    "counting": ("collecting", "visiting", "adding", "listing", "aloud"),
    "opposites": ("contrasting", "dividing", "believing", "changing", "denying"),
}
"""Families that may end in each kind; `teaching` is left out, because its stories say nothing about the answer."""

Item = dict[str, str]
"""One line of the file: prompt, answer, kind, language."""


def main() -> None:
    """Writes the file."""
    CLOZE_FILE.parent.mkdir(parents=True, exist_ok=True)
    CLOZE_FILE.write_text(as_lines(cloze_items()), encoding="utf-8")


def as_lines(items: list[Item]) -> str:
    """The items as JSON lines."""
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)


def cloze_items(per_cell: int = PER_CELL) -> list[Item]:
    """The fixed set: `per_cell` items of each kind in each language, every prompt another one."""
    items: list[Item] = []
    for kind in KINDS:
        for language in LANGUAGES:
            seen: set[str] = set()
            for item in _candidates(kind, language):
                if item["prompt"] not in seen:
                    seen.add(item["prompt"])
                    items.append(item)
                if len(seen) == per_cell:
                    break
    return items


def _candidates(kind: str, language: Language) -> Iterator[Item]:
    """Endings of held-out stories, the families of the kind in turn, one of each story."""
    for number in count():
        for family in FAMILIES_OF_KIND[kind]:
            rng = random.Random(f"held-out {kind} {language} {family} {number}")
            while True:
                story = tell(family, language, rng)
                endings = [conclusion for conclusion in story.conclusions if conclusion.kind == kind]
                if endings and is_held_out(story):
                    break
            yield {"prompt": story.prompt(endings[0]), "answer": endings[0].answer, "kind": kind, "language": language}


if __name__ == "__main__":
    main()
