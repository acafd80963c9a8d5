"""The chart, page, executor, task and model of docs/extending.md are found on the page and in the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from qdash.records import Coverage
from tests.docs.walks import additions
from tests.report.examples import COMPARISON
from tests.support.edited import ROOT, edited_package, edited_process, run_edited

WALKS = {
    "A chart on the Compare page": ["qdash/charts/on_compare.py", "qdash/charts/quantized.py"],
    "A page": ["qdash/ui/models/__init__.py", "qdash/ui/models/page.py", "qdash/ui/pages.py"],
    "An executor": ["qdash/execution/__init__.py", "qdash/execution/logged.py"],
    "A task": ["qdash/assets/tasks/capitals.jsonl", "qdash/tasks/task.py"],
    "A model": ["qdash/catalog/models.py"],
}
NONE_JUDGED = 4
MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"

LOOK = """
import json
from pathlib import Path
from qdash import execution
from qdash.catalog.models import MODELS
from qdash.records import Comparison
from qdash.report import to_html
from qdash.settings import settings
from qdash.ui.layout import build
from qdash.ui.models.page import about
from qdash.ui.quality.form import tasks_for
from qdash.ui.quality.task_notes import about_html, limit_hint
from qdash.ui.results.comparison import redrawn
from qdash.ui.server.backend import EngineBackend
from qdash.tasks import TASKS

executor = execution.create(settings())
config = build(EngineBackend(executor)).get_config_file()
executor.close()
named = {part["props"].get("elem_id"): part for part in config["components"]}
page, model = named["models"], named["model"]
comparison = Comparison.model_validate_json(Path("comparison.json").read_text())
figure = redrawn(True, "size", comparison)[2]
print(json.dumps({
    "executor": type(executor).__name__,
    "tabs": [part["props"]["label"] for part in config["components"] if part["type"] == "tabitem"],
    "first": page["props"]["value"], "then": about("tiny-lm"), "hostile": about("<b>"), "nonsense": about(["x"]),
    "connected": any(
        event["outputs"] == [page["id"]] and (model["id"], "change") in map(tuple, event["targets"]) for event in config["dependencies"]
    ),
    "plots": [name for name in ("latency", "memory", "quantized", "tradeoff", "history-quantized") if name in named],
    "drawn": [bar.x[0] for bar in figure.data], "words": [note.text for note in figure.layout.annotations],
    "saved": figure.layout.meta["file"],
    "in_report": "Share of the weights in fewer bits, or rounded." in to_html(comparison),
    "offered": [task.key for task in tasks_for("Qwen/Qwen3-4B", "text-generation")],
    "told": about_html(TASKS["capitals"]), "limit": limit_hint(TASKS["capitals"]),
    "choices": [value for _, value in model["props"]["choices"]],
}))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = edited_package(tmp_path_factory.mktemp("edited"), additions(*WALKS))
    shares = [Coverage(quantized=share, total=100, quantized_parameters=share, parameters=100) for share in (0, 94)]
    original, second, *others = COMPARISON.variants
    known = [variant.model_copy(update={"coverage": share}) for variant, share in zip((original, second), shares, strict=True)]
    unknown = [variant.model_copy(update={"coverage": None}) for variant in others]
    comparison = COMPARISON.model_copy(update={"variants": (*known, *unknown)})
    (folder / "comparison.json").write_text(comparison.model_dump_json(), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def seen(package: Path) -> dict[str, Any]:
    """What a process finds that has imported the edited package."""
    return json.loads(edited_process(package, "-c", LOOK, QDASH_EXECUTION="logged").stdout)


@pytest.mark.parametrize("title", WALKS)
def test_a_walk_touches_these_files_only(title: str) -> None:
    assert sorted(additions(title)) == WALKS[title]
    assert sum((ROOT / path).exists() for path in WALKS[title]) == 1, "the file with the table; the others are new"


def test_a_chart_stands_below_the_cards_and_in_the_report(seen: dict[str, Any]) -> None:
    assert seen["plots"] == ["latency", "memory", "quantized", "tradeoff", "history-quantized"]
    unknown = len(COMPARISON.variants) - 2
    assert seen["drawn"] == [0, 94] and seen["words"] == ["<b>0%</b>", "<b>94%</b>", *["not known"] * unknown]
    assert seen["saved"].startswith("qdash-quantized-") and seen["in_report"]


def test_a_page_has_a_tab_and_follows_the_model(seen: dict[str, Any]) -> None:
    assert seen["tabs"] == ["Compare", "Weights", "Quality", "Fit", "Mix", "Heal", "Play", "History", "Learn", "Models"]
    assert "Bundled drawing reader" in seen["first"] and "Bundled story finisher" in seen["then"] and seen["connected"]
    assert "not in the catalogue" in seen["hostile"] and "not in the catalogue" in seen["nonsense"]


def test_a_task_is_offered_with_its_questions(package: Path, seen: dict[str, Any]) -> None:
    assert seen["offered"] == ["cloze", "lambada", "own", "capitals"]
    assert "Capitals of countries; offline." in seen["told"] and seen["limit"] == "Questions, of 4"
    assert "capitals" in run_edited(package, "-m", "qdash", "eval", "--help")


def test_a_model_is_a_choice_on_the_page_and_in_the_lists(package: Path, seen: dict[str, Any]) -> None:
    assert MODEL in seen["choices"]
    (listed,) = [row for row in json.loads(run_edited(package, "-m", "qdash", "models", "--json")) if row["model"] == MODEL]
    assert (listed["label"], listed["parameters"], listed["kind"]) == ("SmolLM2 135M", 134_515_008, "hub")
    assert f"[`{MODEL}`](https://huggingface.co/{MODEL})" in run_edited(package, "-m", "qdash", "models", "--markdown")


def test_an_executor_runs_a_task(package: Path, seen: dict[str, Any], checkpoint: Any) -> None:
    assert seen["executor"] == "LoggedExecutor"
    ask = ["eval", "--model", str(checkpoint("qwen3")), "--schemes", "original", "--task", "capitals", "--device", "cpu", "--json", "-"]
    # A model with random weights, whose answers cannot be right.
    done = edited_process(package, "-m", "qdash", *ask, status=NONE_JUDGED, QDASH_EXECUTION="logged")
    evaluation = json.loads(done.stdout)
    assert [question["answer"] for question in evaluation["questions"]] == ["Paris", "Rome", "Tokyo", "Bangkok"]
    assert evaluation["task_label"] == "Capitals" and len(evaluation["variants"][0]["items"]) == 4
    assert "load of original: " in done.stderr
