"""The Quality tab's words, rows and pages of answers, from an evaluation."""

import re
from threading import Event
from typing import Any

import pytest

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
from qdash.ui.results.answers import Browse, items_html
from qdash.ui.results.evaluation_view import conditions_html, headline_html, kinds_html, rows_html, running_rows_html
from qdash.ui.results.quality_state import queued_state, reduce
from tests.report.examples import HOSTILE
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


def test_it_is_told_how_many_questions_changed_at_a_close_call() -> None:
    original, nf4 = EVALUATION.variants[0], EVALUATION.variants[2]
    right = {item.index for item in original.items if item.correct}
    margins = [item.margin_original for item in nf4.items if item.correct != (item.index in right) and item.margin_original is not None]
    close = sum(margin < 0.1 for margin in margins)
    assert 0 < close < len(margins) and f"<small>{close} of {len(margins)} close calls</small>" in rows_html(EVALUATION)
    lost = items_html(EVALUATION, Browse("lost"))
    assert "no close call, " in lost and ">close call, " in lost
    older = [
        result.model_copy(update={"items": tuple(item.model_copy(update={"margin_original": None}) for item in result.items)})
        for result in EVALUATION.variants
    ]
    assert "close call" not in rows_html(EVALUATION.model_copy(update={"variants": tuple(older)})).replace("A close call: where", "")


def test_every_row_has_the_figures_of_its_variant() -> None:
    html = rows_html(EVALUATION)
    rows = re.findall(r'<tr data-variant="(\d)">(.*?)</tr>', html)
    assert [int(place) for place, _ in rows] == [0, 1, 2, 3]
    for (_, row), result in zip(rows, EVALUATION.variants, strict=True):
        share = result.accuracy
        assert share is not None
        assert f"<b>{share.value * 100:.1f}%</b>" in row and f"{share.low * 100:.1f}–{share.high * 100:.1f}%" in row
        if result.paired is not None:
            assert f"<td>{result.paired.only_original} · {result.paired.only_variant}" in row
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
    state = queued_state(asked)
    assert running_rows_html(state).count("Queued") == 2
    items = tuple(invented_answer("original", place, EVALUATION.questions[place]) for place in range(8))
    share = {"value": 0.75, "low": 0.4, "high": 0.93, "successes": 6, "total": 8}
    state = reduce(state, ItemsAnswered.model_validate({"index": 0, "items": items, "accuracy": share}))
    state = reduce(state, EvaluationProgress(index=0, stage="answering", fraction=0.08, done=8, total=100, eta_s=42.0))
    html = running_rows_html(state)
    assert "75.0%" in html and "8 of 100" in html and "about 42 s left" in html
    assert "--v:75.0%;--l:40.0%;--h:93.0%" in html and 'aria-valuenow="8"' in html
    state = reduce(state, EvaluatedVariantDone(index=0, result=EVALUATION.variants[0]))
    assert state.rows[0].state == "done" and state.rows[0].accuracy == EVALUATION.variants[0].accuracy


@pytest.mark.parametrize("draw", [rows_html, kinds_html, conditions_html, headline_html, lambda found: items_html(found, Browse())])
def test_what_files_and_models_say_is_no_markup(draw: Any) -> None:
    html = draw(hostile())
    assert "<script" not in html and "<img src=x" not in html and "onerror=alert(1)>" not in html


def test_conditions_say_what_was_asked() -> None:
    said = conditions_html(EVALUATION)
    for words in ("Questions about drawings: 100 questions", "32 at a time", "greedy, at most 64 tokens", "noise ±4%", "float32 baseline"):
        assert words in said


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


def test_answers_to_a_task_of_another_version_are_shown_without_pictures() -> None:
    unknown = EVALUATION.model_copy(update={"request": EVALUATION.request.model_copy(update={"task": "riddles"})})
    assert "<img" in items_html(EVALUATION, Browse()) and "<img" not in items_html(unknown, Browse())
    assert EVALUATION.questions[0].prompt in items_html(unknown, Browse())
