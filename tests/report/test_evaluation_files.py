"""Evaluations as files: nothing is lost, every key is documented, and a spreadsheet runs nothing that a model said."""

import csv
import io
import json
import re
from pathlib import Path

from qdash.records import Evaluation, EvaluationRequest, TaskItem, Variant
from qdash.report import evaluation_items_to_csv, evaluation_to_csv, evaluation_to_json
from tests.support.scripted_evaluation import evaluation_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "json.md"
SCHEMES = ("original", "bnb-nf4", "int3-g64")
QUESTIONS = tuple(TaskItem(prompt=f"=1+{n}", answer=str(n), group="even" if n % 2 == 0 else "odd", language="en") for n in range(30))
EVALUATION = evaluation_of(
    EvaluationRequest(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in SCHEMES), task="own"), QUESTIONS
)


def test_an_evaluation_round_trips() -> None:
    assert Evaluation.model_validate_json(evaluation_to_json(EVALUATION)) == EVALUATION


def test_keys_come_in_the_documented_order() -> None:
    data = json.loads(evaluation_to_json(EVALUATION))
    variant = data["variants"][1]
    assert list(variant)[:7] == ["scheme", "kind", "accuracy", "drop", "total_s", "per_item_s", "speedup"]
    assert list(variant)[-1] == "items"
    assert list(variant["accuracy"])[:3] == ["value", "low", "high"]
    assert list(data)[-1] == "questions"


def test_every_key_is_documented() -> None:
    documented = set(re.findall(r"`([\w.]+)`", DOCUMENT.read_text(encoding="utf-8")))

    def keys(value: object, path: str) -> set[str]:
        if isinstance(value, list):
            return set().union(*(keys(item, path) for item in value))
        if not isinstance(value, dict) or path in ("versions", "groups"):
            return set()
        return set(value).union(*(keys(item, name) for name, item in value.items()))

    data = json.loads(evaluation_to_json(EVALUATION))
    data["variants"][0]["groups"] = data["variants"][0]["groups"]["even"]
    assert not keys(data, "") - documented


def test_a_row_a_variant() -> None:
    rows = list(csv.DictReader(io.StringIO(evaluation_to_csv(EVALUATION))))
    assert [row["scheme"] for row in rows] == list(SCHEMES)
    for row, result in zip(rows, EVALUATION.variants, strict=True):
        assert result.accuracy is not None
        assert float(row["accuracy_value"]) == result.accuracy.value
        assert float(row["accuracy_even"]) == result.groups["even"].value
        assert row["speedup"] == ("" if result.speedup is None else str(result.speedup))
        assert (row["task"], row["questions"], row["rule"]) == ("own", "30", "words")
    assert rows[0]["drop"] == rows[0]["mcnemar_p_value"] == "" and float(rows[1]["drop"]) == EVALUATION.variants[1].drop


def test_a_row_a_question_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(evaluation_items_to_csv(EVALUATION))))
    assert len(rows) == 30
    assert rows[3]["prompt"] == "'=1+3"
    for index, row in enumerate(rows):
        for result in EVALUATION.variants:
            assert row[f"{result.label}: answer"] == result.items[index].answer
            assert row[f"{result.label}: correct"] == str(result.items[index].correct)
    part = EVALUATION.variants[1].model_copy(update={"items": EVALUATION.variants[1].items[:2]})
    stopped = EVALUATION.model_copy(update={"variants": (EVALUATION.variants[0], part)})
    assert list(csv.DictReader(io.StringIO(evaluation_items_to_csv(stopped))))[2]["NF4 4-bit: answer"] == ""
