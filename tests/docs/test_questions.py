"""What docs/questions.md shows is read as it says."""

import re
from pathlib import Path

from qdash.records.evaluation import MAX_ITEMS
from qdash.settings import Settings
from qdash.tasks import read_custom
from qdash.tasks.custom import MAX_ANSWER_CHARS, MAX_ANSWERS, MAX_PICTURE_BYTES

TEXT = (Path(__file__).parents[2] / "docs" / "questions.md").read_text(encoding="utf-8")


def test_its_examples_are_read() -> None:
    csv, lines = (re.search(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL) for kind in ("csv", "json"))
    assert csv and lines
    sums, books, animals = read_custom(csv[1].encode(), "own.csv")
    assert (sums.question.prompt, sums.question.answer) == ("What is 2, doubled?", "4")
    assert (books.question.prompt, animals.question.answers) == ('Who wrote "Emma"?', ("8", "eight"))
    assert [item.question for item in read_custom(lines[1].encode(), "own.jsonl")] == [
        sums.question,
        animals.question.model_copy(update={"group": None}),
    ]


def test_its_limits_are_the_codes() -> None:
    defaults = Settings()
    limits = (
        f"{defaults.max_upload_bytes // 2**20} MiB per file, {MAX_ITEMS:,} questions, {defaults.max_prompt_chars:,} characters per "
        f"question, {MAX_ANSWER_CHARS:,} per answer, {MAX_ANSWERS} answers per question, {MAX_PICTURE_BYTES // 2**20} MiB of pictures"
    )
    assert limits in TEXT
