"""The Quality tab's words, rows and pages of answers, from an evaluation."""

import re
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from qdash.charts import comparison_trades
from qdash.records import (
    ErrorRecord,
    EvaluatedVariantDone,
    Evaluation,
    EvaluationProgress,
    EvaluationRequest,
    ItemsAnswered,
    TaskItem,
    Variant,
)
from qdash.settings import Settings
from qdash.tasks import bundled_items, find_task
from qdash.ui.components.exports import write_evaluation_exports
from qdash.ui.components.tradeoff import note_html, trade_table_html
from qdash.ui.quality.task_notes import about_html, limit_hint
from qdash.ui.results.answers import PER_PAGE, Browse, browsed, found, items_html, thumbnails
from qdash.ui.results.evaluation_view import conditions_html, headline_html, kinds_html, rows_html, running_rows_html
from qdash.ui.results.quality_state import marked, queued_marks
from tests.report.examples import COMPARISON, HOSTILE
from tests.support.scripted_evaluation import evaluation_of, invented_answer, play_evaluation

KEYS = ("original", "bnb-int8", "bnb-nf4", "fp6-e2m3")


def request(*keys: str, limit: int | None = 100, task: str = "drawings") -> EvaluationRequest:
    variants = [{"model": "tiny-vlm", "scheme": key} for key in keys or KEYS]
    return EvaluationRequest.model_validate({"variants": variants, "task": task, "limit": limit})


EVALUATION = evaluation_of(request())


def changed(place: int, **changes: Any) -> Evaluation:
    variants = list(EVALUATION.variants)
    variants[place] = variants[place].model_copy(update=changes)
    return EVALUATION.model_copy(update={"variants": tuple(variants)})


def hostile() -> Evaluation:
    """A file of questions and a model that mean ill."""
    questions = [TaskItem(prompt=f"{HOSTILE} {place}", answer=HOSTILE, group=HOSTILE) for place in range(30)]
    evaluation = evaluation_of(request(), questions)
    variants = []
    for result in evaluation.variants:
        items = tuple(item.model_copy(update={"answer": HOSTILE}) for item in result.items)
        variants.append(result.model_copy(update={"items": items, "label": HOSTILE, "model": HOSTILE}))
    renamed = evaluation.request.model_copy(update={"source": HOSTILE})
    return evaluation.model_copy(update={"variants": tuple(variants), "task_label": HOSTILE, "request": renamed})


def test_every_row_has_the_figures_of_its_variant() -> None:
    html = rows_html(EVALUATION)
    rows = re.findall(r'<tr data-variant="(\d)">(.*?)</tr>', html)
    assert [int(place) for place, _ in rows] == [0, 1, 2, 3]
    for (_, row), result in zip(rows, EVALUATION.variants, strict=True):
        share = result.accuracy
        assert share is not None
        assert f"<b>{share.value * 100:.1f}%</b>" in row and f"{share.low * 100:.1f}–{share.high * 100:.1f}%" in row
        if result.paired is not None:
            assert f"<td>{result.paired.only_original} · {result.paired.only_variant}</td>" in row
    assert "reference" in rows[0][1] and "clearly worse" in rows[2][1] and "no clear difference" in rows[1][1]
    assert "projected" in rows[3][1] and "stand-in" in rows[3][1] and "0.77×" in rows[1][1]


def test_a_variant_without_answers_says_why() -> None:
    error = ErrorRecord(kind="out_of_memory", message="Memory ran out <here>.", remedy="Choose fewer bits.")
    failed = changed(1, status="failed", accuracy=None, paired=None, drop=None, items=(), groups={}, error=error)
    html = rows_html(failed)
    assert "Memory ran out &lt;here&gt;." in html and "Choose fewer bits." in html
    assert kinds_html(failed).count("<th") < kinds_html(EVALUATION).count("<th")


def test_partial_results_are_marked_as_such() -> None:
    part = EVALUATION.variants[1].items[:16]
    html = rows_html(changed(1, status="skipped", items=part, error=ErrorRecord(kind="cancelled", message="Stopped.", remedy="")))
    assert "after 16 of 100" in html


def test_rows_while_it_runs_show_how_far_and_how_good() -> None:
    asked = request("original", "bnb-nf4")
    board = queued_marks(asked)
    assert running_rows_html(board).count("Queued") == 2
    items = tuple(invented_answer("original", place, EVALUATION.questions[place]) for place in range(8))
    share = {"value": 0.75, "low": 0.4, "high": 0.93, "successes": 6, "total": 8}
    board = marked(board, ItemsAnswered.model_validate({"index": 0, "items": items, "accuracy": share}))
    board = marked(board, EvaluationProgress(index=0, stage="answering", fraction=0.08, done=8, total=100, eta_s=42.0))
    html = running_rows_html(board)
    assert "75.0%" in html and "8 of 100" in html and "about 42 s left" in html
    assert "--v:75.0%;--l:40.0%;--h:93.0%" in html and 'aria-valuenow="8"' in html
    board = marked(board, EvaluatedVariantDone(index=0, result=EVALUATION.variants[0]))
    assert board.rows[0].state == "done" and board.rows[0].accuracy == EVALUATION.variants[0].accuracy


def test_only_where_they_differ_is_what_a_plain_loop_finds() -> None:
    answers = [{item.index: item.answer for item in result.items} for result in EVALUATION.variants]
    expected = [place for place in range(100) if len({mine[place] for mine in answers}) > 1]
    assert found(EVALUATION, Browse("differ")) == expected and 0 < len(expected) < 100
    right = [{item.index: item.correct for item in result.items} for result in EVALUATION.variants]
    assert found(EVALUATION, Browse("lost")) == [p for p in range(100) if right[0][p] and not all(mine[p] for mine in right)]
    assert found(EVALUATION, Browse("wrong")) == [p for p in range(100) if not all(mine[p] for mine in right)]
    kind = EVALUATION.questions[0].group or ""
    assert found(EVALUATION, Browse("all", kind)) == [p for p in range(100) if EVALUATION.questions[p].group == kind]


def test_pages_hold_all_questions_once() -> None:
    seen = []
    for page in range(5):
        html = items_html(EVALUATION, Browse(page=page))
        seen += [int(value) - 1 for value in re.findall(r'<li value="(\d+)">', html)]
        assert f"{page * PER_PAGE + 1}–{(page + 1) * PER_PAGE} of 100" in html
    assert seen == list(range(100))
    beyond = items_html(EVALUATION, Browse(page=10**9))
    assert "81–100 of 100" in beyond


def test_a_thousand_questions_are_a_small_page() -> None:
    html = items_html(evaluation_of(request(task="cloze", limit=1000)), Browse())
    assert "of 1,000" in html and len(html) < 60_000


def test_nonsense_from_a_browser_changes_nothing() -> None:
    before = Browse("differ", "colour", 2)
    for only, kind, page in ((None, None, None), ("everything", None, -1), ("", None, None)):
        assert browsed(before, only, kind, page) == before
    assert browsed(before, None, None, 4) == Browse("differ", "colour", 4)
    assert browsed(before, "all", None, 4) == Browse("all", "colour", 0)
    assert browsed(before, None, "", None) == Browse("differ", "", 0)


def test_equal_answers_are_told_once_with_all_who_gave_them() -> None:
    place = found(EVALUATION, Browse("differ"))[0]
    questions = (EVALUATION.questions[place],)
    items = [tuple(item.model_copy(update={"index": 0}) for item in result.items if item.index == place) for result in EVALUATION.variants]
    variants = [result.model_copy(update={"items": mine}) for result, mine in zip(EVALUATION.variants, items, strict=True)]
    html = items_html(EVALUATION.model_copy(update={"variants": tuple(variants), "questions": questions}), Browse())
    assert html.count('class="givers"') == len({mine[0].answer for mine in items})
    for result in EVALUATION.variants:
        assert html.count(result.label) == 1
    unasked = EVALUATION.model_copy(
        update={"variants": (variants[0], variants[1].model_copy(update={"items": ()})), "questions": questions}
    )
    assert "not asked" in items_html(unasked, Browse())


def test_pictures_of_drawings_are_shown_and_others_as_far_as_they_are_there() -> None:
    html = items_html(EVALUATION, Browse())
    assert html.count("data:image/png;base64,") == PER_PAGE
    own = EVALUATION.model_copy(update={"request": request(task="own")})
    assert "data:image" not in items_html(own, Browse()) and "224 × 224" in items_html(own, Browse())
    asked = [item for item in bundled_items("drawings") or () if item.question in EVALUATION.questions[:3]]
    small = thumbnails(asked)
    assert items_html(own, Browse(), small).count("data:image/png;base64,") == len(small) > 0


@pytest.mark.parametrize("draw", [rows_html, kinds_html, conditions_html, headline_html, lambda found: items_html(found, Browse())])
def test_what_files_and_models_say_is_no_markup(draw: Any) -> None:
    html = draw(hostile())
    assert "<script" not in html and "<img src=x" not in html and "onerror=alert(1)>" not in html


def test_very_long_text_is_cut() -> None:
    long = [TaskItem(prompt="p" * 100_000, answer="a")] * 3
    html = items_html(evaluation_of(request(task="own"), long), Browse())
    assert len(html) < 30_000 and "…" in html


def test_conditions_and_tasks_say_what_was_asked() -> None:
    said = conditions_html(EVALUATION)
    for words in ("Questions about drawings: 100 questions", "32 at a time", "greedy, at most 64 tokens", "noise ±4%", "float32 baseline"):
        assert words in said
    assert "exactly the expected" in about_html(find_task("drawings")) and limit_hint(find_task("cloze")) == "Questions, of 1,000"
    assert "prompt" in about_html(find_task("own")) and "Random weights" in about_html(None)


def test_files_to_take_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdash.ui.components.exports.settings", lambda: Settings(cache_dir=tmp_path))
    paths = {suffix: Path(str(path)) for suffix, path in write_evaluation_exports(EVALUATION, lambda: tmp_path).paths.items()}
    assert sorted(path.name.split(".", 1)[1] for path in paths.values()) == ["csv", "html", "items.csv", "json"]
    again = Evaluation.model_validate_json(paths["json"].read_text(encoding="utf-8"))
    assert again == EVALUATION
    assert len(paths["items.csv"].read_text(encoding="utf-8").splitlines()) == 101


def test_the_trade_off_has_a_table_twin_that_leads_to_the_cards() -> None:
    html = trade_table_html(COMPARISON)
    assert re.findall(r'data-jump="(\d)"', html) == ["0", "1", "2", "3", "4"]
    assert "0.21 ± 0.1" in html and "size, peak, time" in html
    assert "FP4 4-bit (not run)" in note_html(comparison_trades(COMPARISON))


def test_a_stop_keeps_what_there_is() -> None:
    stop = Event()
    events = []
    for event in play_evaluation(request(limit=100), stop, pause_s=0):
        events.append(event)
        if len(events) == 40:
            stop.set()
    evaluation = events[-1].evaluation  # type: ignore[union-attr]
    statuses = [result.status for result in evaluation.variants]
    assert statuses[0] == "ok" and "skipped" in statuses
    assert "Stopped" in rows_html(evaluation) and "Stopped early" in headline_html(evaluation)
    assert items_html(evaluation, Browse("differ"))
    assert Variant(model="tiny-vlm", scheme="original") in evaluation.request.variants
