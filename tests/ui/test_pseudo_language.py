"""In a language of brackets, whatever the page shows outside of brackets was not translated."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from qdash.catalog.format_series import SERIES
from qdash.catalog.presets import PRESETS
from qdash.errors import QdashError
from qdash.history import Listing, Run, history
from qdash.history.kinds import KINDS, kind_of
from qdash.history.run_diff import difference
from qdash.machine import this_machine
from qdash.present.progressive import progressive_headings, progressive_rows
from qdash.records import (
    EVERYTHING,
    AddNoise,
    Comparison,
    Coverage,
    Evaluation,
    EvaluationRequest,
    PlayAnswer,
    Reformat,
    RemoveWeights,
    Request,
    Restore,
    Rounds,
    Skip,
    Variant,
    VariantResult,
)
from qdash.records.history import Entry, Share
from qdash.settings import settings
from qdash.tasks import TASKS
from qdash.ui.compare.earlier import earlier_html
from qdash.ui.compare.model_report import looked
from qdash.ui.compare.page import running_html as comparing_html
from qdash.ui.compare.saving import picked, saved_views
from qdash.ui.compare.stream import doing as comparing
from qdash.ui.compare.stream import run
from qdash.ui.components.comparison_tables import absolute_html, relative_html
from qdash.ui.components.markup import banner
from qdash.ui.components.tradeoff import trade_table_html
from qdash.ui.controls.busy import busy_html
from qdash.ui.controls.filling import preset_filled, question_filled
from qdash.ui.controls.preflight import estimate, preflight_line
from qdash.ui.controls.scheme_picker import picker_html, reasons_on
from qdash.ui.controls.sidebar import picture_note, unread_note, why_cpu
from qdash.ui.heal.check_panel import shown as shown_check
from qdash.ui.heal.check_stream import CheckForm, checked
from qdash.ui.heal.form import HealForm
from qdash.ui.heal.handlers import drawn as heal_drawn
from qdash.ui.heal.handlers import used as heal_used
from qdash.ui.heal.stream import planned, trained
from qdash.ui.heal.view import plan_html, training_html
from qdash.ui.history.view import difference_html, head_html, list_html, run_asked_html, run_head_html, share_html, undo_html
from qdash.ui.layout import build
from qdash.ui.learn.rows import offered
from qdash.ui.mix.form import MixForm
from qdash.ui.mix.handlers import drawn as mix_drawn
from qdash.ui.mix.handlers import used as mix_used
from qdash.ui.mix.progressive import told_html as steps_told_html
from qdash.ui.mix.stream import Known, measured, progressed, proved
from qdash.ui.mix.view import proof_html
from qdash.ui.play.view import answers_html, facts_html, histogram_html, place_choices, series_choices
from qdash.ui.play.view import empty_html as play_empty_html
from qdash.ui.play.view import told_html as told_of_play_html
from qdash.ui.quality.form import QualityForm
from qdash.ui.quality.question_file import file_note
from qdash.ui.quality.stream import evaluated
from qdash.ui.quality.task_notes import about_html, limit_hint
from qdash.ui.results.answers import Browse, items_html
from qdash.ui.results.cards import announcement, cards_html
from qdash.ui.results.compare_state import finished_state, ready_state
from qdash.ui.results.conditions import conditions_html
from qdash.ui.results.evaluation_progress import doing as evaluating
from qdash.ui.results.evaluation_view import conditions_html as quality_conditions_html
from qdash.ui.results.evaluation_view import kinds_html, rows_html, running_rows_html
from qdash.ui.results.evaluation_view import running_html as evaluating_html
from qdash.ui.results.question import asked_html
from qdash.ui.results.snippets import snippets_html
from qdash.ui.run_again import again
from qdash.ui.server.run_errors import by_button, internal_error
from qdash.ui.server.run_queue import Ahead, Line, Place, waiting
from qdash.ui.weights.damage_stream import damage_measured
from qdash.ui.weights.damage_view import shown_map_html, told_html
from qdash.ui.weights.handlers import running_html as reading_html
from qdash.ui.weights.layer import head_html as layer_head_html
from qdash.ui.weights.layer import scale_html
from qdash.ui.weights.selection import Choice, chosen, first_choice
from qdash.ui.weights.stream import WeightsView
from qdash.ui.weights.view import headline_html, map_html, ranking_html, scope_html, table_html, types_html
from tests.history.examples import comparison, evaluation, slowed
from tests.support.pseudo_language import untranslated, use_pseudo_language
from tests.support.scripted import (
    OUT_OF_MEMORY,
    ScriptedBackend,
    answered_result,
    comparison_of,
    failed_result,
    variant_result,
)
from tests.support.scripted_damage import damage_report, layer_damages
from tests.support.scripted_evaluation import evaluation_of
from tests.support.scripted_heal import FAILING_MINUTES
from tests.support.scripted_mix import costs_of, progressive_of, proof_of
from tests.support.scripted_play import LAYERS as PLAY_LAYERS
from tests.support.scripted_play import played
from tests.support.scripted_weights import files_report, layer_detail, measured_layers, report_of
from tests.ui.controls.test_form import FORM

SHOWN = ("label", "info", "placeholder", "value", "html_template", "choices", "original", "reasons")
"""Properties of components that people read."""
DATA = ("original says", "weights share", "img src", "Found no", "NVIDIA driver on your system", "What is in this picture")
"""What the script answers and explains, what examples are called, what PyTorch says of this machine, and what a model is asked first."""
KEYS = ["original", "bnb-int8", "bnb-nf4", "fp6-e2m3"]
REPORT = report_of("bnb-int8", "bnb-nf4")
DAMAGE = damage_report(layer_damages(["bnb-int8", "bnb-nf4"]))


@pytest.fixture(autouse=True)
def _pseudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("QDASH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("QDASH_HISTORY", str(tmp_path / "history.sqlite3"))
    settings.cache_clear()
    history.cache_clear()
    use_pseudo_language(tmp_path, monkeypatch)
    yield
    settings.cache_clear()
    history.cache_clear()


def texts(value: Any) -> Iterator[str]:
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for one in value.values() for text in texts(one))
    elif isinstance(value, list | tuple):
        yield from (text for one in value for text in texts(one))


def left(*shown: Any) -> list[str]:
    """What is English in all texts of `shown`, but for what a model was asked and answered."""
    return [words for text in texts(shown) for words in untranslated(text) if words not in DATA]


def _request(*keys: str) -> Request:
    return Request(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in keys), prompt="?")


def _comparisons() -> list[Comparison]:
    """One that was timed, one that was not, one in which nearly everything went wrong."""
    timed = [variant_result(key, "A.", slowdown=slowdown) for key, slowdown in zip(KEYS, (1, 0.5, 2.0, 1.0), strict=True)]
    untimed = [answered_result(key, "A.") for key in KEYS]
    failed = [timed[0], failed_result("bnb-int8", OUT_OF_MEMORY), failed_result("bnb-nf4", OUT_OF_MEMORY, "skipped"), _odd(timed[3])]
    rounds = Rounds(taken=5, repeated=1, busy=0.12, busy_before=0.1)
    results = [(timed, rounds), (timed, None), (untimed, None), (failed, rounds)]
    return [comparison_of(_request(*KEYS), *found, rounds=measured) for found, measured in results]


def _odd(result: VariantResult) -> VariantResult:
    """One whose answer is cut, and whose layers were partly left."""
    skipped = (Skip(name="lm_head", reason="output head", parameters=60),)
    coverage = Coverage(quantized=6, total=9, quantized_parameters=40, parameters=100, skipped=skipped)
    return result.model_copy(update={"answer": "", "answer_complete": False, "coverage": coverage})


def _evaluated(record: Evaluation) -> Evaluation:
    """The same with questions and answers in figures."""
    questions = tuple(item.model_copy(update={"prompt": "1 + 1", "answer": "2", "alternatives": ()}) for item in record.questions)
    variants = tuple(
        result.model_copy(update={"items": tuple(item.model_copy(update={"answer": "2"}) for item in result.items)})
        for result in record.variants
    )
    return record.model_copy(update={"questions": questions, "variants": variants})


def _evaluations() -> list[Evaluation]:
    variants = tuple(Variant(model="tiny-vlm", scheme=key) for key in KEYS)
    invented = evaluation_of(EvaluationRequest(variants=variants, task="drawings", limit=40))
    return [_evaluated(record) for record in (invented, evaluation(), evaluation(30, task="own"))]


def _entry(record: Comparison | Evaluation, **changes: Any) -> Entry:
    kind = kind_of(record)
    summary = KINDS[kind].summary(record)
    known = {"created_at": record.created_at, "model": summary.model, "labels": summary.labels, "headline": summary.headline}
    return Entry(key="a", kind=kind, **{**known, "asked": "" if kind == "comparison" else summary.asked, **changes})


def test_nothing_of_the_page_is_left_in_english(event_loops_closed: None) -> None:
    page = build(ScriptedBackend())
    found = {}
    for component in page.config["components"]:
        props = component["props"]
        words = left([props.get(name) for name in SHOWN])
        if words:
            found[props.get("elem_id") or component["type"]] = words
    assert found == {}, json.dumps(found, indent=1)


def test_what_the_sidebar_says() -> None:
    backend, machine = ScriptedBackend(), this_machine()
    plan = backend.plan(_request(*KEYS))
    large = {"needed_bytes": 9 * 10**9, "largest_bytes": 9 * 10**9, "download_bytes": 10**9, "made_bytes": 10**9}
    plans = [plan, plan.model_copy(update={"parameters": 5 * 10**9, **large})]
    for available in (10**9, 10**11):
        plans += [plan.model_copy(update={**large, "available_bytes": available, "rough": rough}) for rough in (False, True)]
    assert left([preflight_line(one) for one in plans]) == []
    assert left([estimate(replace(FORM, model=model), backend)[:2] for model in ("tiny-vlm", "random:qwen3-4b", "")]) == []
    without = machine.model_copy(update={"packages": {}})
    assert left(busy_html("cpu", 0.5), busy_html("cuda:0", 0.5), reasons_on("auto"), picker_html(machine), picker_html(without)) == []
    assert left(unread_note("tiny-vlm", "ひらがな"), picture_note({"upload": "/nowhere"})[0], why_cpu(machine)) == []


def test_what_the_sidebar_fills_in() -> None:
    values = ["tiny-lm", "What?", 1, 1, "float16", {"sample": "x"}, ["original"]]
    told = [preset_filled(preset.key, ["fp16"], values)[-2] for preset in PRESETS]
    values[1] = "How many things are there?"
    told += [question_filled(what, *values)[1] for what in ("model", "picture")]
    assert left(told) == [] and all(told)


def test_what_a_comparison_says_while_it_runs() -> None:
    aheads = [Ahead(answers, timings, wait) for answers in (0, 1, 2) for timings in (0, 1) for wait in (None, 9.0)]
    for view in run(replace(FORM, schemes=KEYS[:3], question="? fail"), ScriptedBackend(), Line(longest=2), Event()):
        assert left(view.status, comparing_html(view), banner(view.error)) == []
        if view.state is not None:
            assert left(cards_html(view.state), announcement(view.state)) == []
            assert left([comparing(view.state, ahead, to_go) for ahead in aheads for to_go in ("", "⟦soon⟧")]) == []
    assert left([waiting(Place(position, 9, wait)) for position in (1, 2, 3, 4, 11) for wait in (None, 200.0)]) == []


@pytest.mark.parametrize("record", _comparisons())
def test_results_of_a_comparison(record: Comparison) -> None:
    assert left(cards_html(finished_state(record)), conditions_html(record), snippets_html(record), asked_html(record, None)) == []
    assert left(absolute_html(record), relative_html(record), trade_table_html(record)) == []


def test_before_a_comparison_and_what_is_inside() -> None:
    assert left(cards_html(ready_state(_request(*KEYS).variants)), earlier_html(comparison(), FORM, ScriptedBackend())) == []
    shown = [*looked(_comparisons()[0], 1, ScriptedBackend(), Line(longest=2), Event())]
    assert left(shown, [*looked(None, 1, ScriptedBackend(), Line(longest=2), Event())]) == []


def test_what_saving_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDASH_SAVE_DIR", str(tmp_path / "saved"))
    settings.cache_clear()
    record = comparison_of(_request("original", "sim-w8a8"), variant_result("original", "A."), variant_result("sim-w8a8", "A."))
    shown = [said for said, _folder in saved_views(record, 0, ("mine", False), ScriptedBackend(), Line(longest=2), Event())]
    again = [said for said, _folder in saved_views(record, 0, ("mine", False), ScriptedBackend(), Line(longest=2), Event())]
    assert left(shown, again, picked(record, 1)[2], picked(record, 0)[2], picked(None, 0)[2]) == []


@pytest.mark.parametrize("limit", [16, "nonsense"])
def test_what_an_evaluation_says_while_it_runs(limit: Any) -> None:
    form = QualityForm("tiny-vlm", KEYS[:3], "", "auto", "drawings", limit, None)
    for view in evaluated(form, ScriptedBackend(pause_s=0), Line(4), Event()):
        assert left(view.status, banner(view.error), evaluating_html(view.state, view.status)) == []
        if view.state is not None:
            assert left(running_rows_html(view.state), evaluating(view.state)) == []


@pytest.mark.parametrize("record", _evaluations())
def test_results_of_an_evaluation(record: Evaluation) -> None:
    assert left(rows_html(record), kinds_html(record), quality_conditions_html(record)) == []
    assert left([items_html(record, Browse(only=only)) for only in ("all", "differ", "lost", "wrong")]) == []


def test_what_is_said_of_a_mix() -> None:
    known = Known(costs_of("tiny-vlm", ["bnb-int8", "int3-g64"], 32), "drawings", 32)
    for budget in ("4bits", "1bits", "nonsense", "40bits"):
        assert left(mix_drawn(known, None, budget), mix_used(known, budget, "tiny-vlm", [])) == []
        assert left([(view.status, banner(view.error)) for view in proved(known, budget, ScriptedBackend(), Line(2), Event())]) == []
    assert (
        left(mix_drawn(None, None, ""), mix_used(known, "4bits", "other", []), proof_html(proof_of(known.report, "4bits", "drawings")))
        == []
    )
    for report in progressive_of(known.report, "int3-g64", "drawings")[1::7]:
        assert left(steps_told_html(report), progressive_headings(report), list(progressive_rows(report))) == []
    assert left(steps_told_html(None), [view.status for view in progressed(known, "x", ScriptedBackend(), Line(2), Event())]) == []
    for limit in (32, None):
        form = MixForm("tiny-vlm", KEYS, "", "auto", "drawings", limit)
        assert left([(view.status, banner(view.error)) for view in measured(form, ScriptedBackend(), Line(2), Event())]) == []


@pytest.mark.parametrize(
    ("healed", "minutes"), [("qat-int2", 5), ("qat-int2", FAILING_MINUTES), ("qat-int2", None), ("prune-iterative-80", 5)]
)
def test_what_is_said_of_healing(healed: str, minutes: Any) -> None:
    backend = ScriptedBackend(pause_s=0)
    views = [*trained(HealForm("tiny-lm", "auto", healed, "stories", None, minutes), backend, Line(2), Event())]
    last = views[-1].training
    for view in views:
        assert left(view.status, banner(view.error), training_html(view.training) if view.training and view.training.points else "") == []
    for view in checked(CheckForm("tiny-lm", "auto", healed, "cloze", None, 16), backend, Line(2), Event()):
        assert left(shown_check(view)) == []
    for scheme in (healed, "qat-int3", "nonsense"):
        plan = planned("tiny-lm", scheme, "auto", backend)
        verdict, _curve, scores, check = heal_drawn(plan, last, "tiny-lm", scheme, dark=False)
        said = (str(plan_html(plan, 9)), str(plan_html(plan, 1)), verdict, scores, check, heal_used(plan, "tiny-lm", [])[1:])
        assert left(said) == []


@pytest.mark.parametrize("where", [EVERYTHING, "vision", PLAY_LAYERS[3].name])
def test_what_is_said_of_a_game(where: str) -> None:
    removals = [RemoveWeights(where=where, which=which, count=count) for which in ("largest", "random") for count in (1, 10)]
    formats = [Reformat(where=where, series=series, bits=bits) for series in SERIES for bits in (1, 3, 8)]
    for action in (None, *removals, *formats, AddNoise(where=where, share=0.1), Restore(where=where)):
        found = played(() if action is None else (action,))
        assert left(told_of_play_html(found, action), histogram_html(found.histogram)) == []
        silent = {"original": PlayAnswer(pieces=()), "answer": PlayAnswer(pieces=())}
        assert left(answers_html(found.model_copy(update=silent))) == []
        assert left(facts_html(found), told_of_play_html(found.model_copy(update={"seconds": 3.0}), action)) == []
    assert left(play_empty_html(), [label for label, _ in place_choices(PLAY_LAYERS)], [label for label, _ in series_choices()]) == []


def test_tasks_and_their_files() -> None:
    assert left([(about_html(task), limit_hint(task)) for task in (None, *TASKS.values())]) == []
    assert left(file_note("own", [{"upload": "/nowhere", "name": "x"}])) == []


def test_what_is_said_of_damage() -> None:
    stopped = DAMAGE.model_copy(update={"complete": False, "method": "estimated", "spearman": 0.9, "checked": 12})
    for choice in (Choice("bnb-nf4", by_damage=True), Choice("bnb-nf4", together=True, by_damage=True)):
        for damage in (None, DAMAGE, stopped):
            assert left(shown_map_html(REPORT, choice, damage), told_html(REPORT, choice, damage)) == []
    gguf = REPORT.model_copy(update={"schemes": (REPORT.schemes[0].model_copy(update={"scheme": "gguf"}),)})
    assert left(told_html(gguf, Choice("gguf", by_damage=True), None)) == []
    views = [view for report in (REPORT, None) for view in damage_measured(report, ScriptedBackend(pause_s=0), Line(2), Event())]
    assert left([view.status for view in views], banner(views[-1].error)) == []


def test_what_is_said_of_weights() -> None:
    first = first_choice(REPORT)
    for choice in (first, replace(first, together=True), Choice("bnb-nf4")):
        scheme, layer = chosen(REPORT, choice)
        assert left(map_html(REPORT, choice), ranking_html(REPORT, choice), layer_head_html(scheme, layer, None, "")) == []
    files, picked = files_report("a", "b"), first_choice(files_report("a", "b"))
    drawn = (headline_html(files), scope_html(files), table_html(files), types_html(files), map_html(files, picked))
    assert left(drawn, layer_head_html(*chosen(files, picked), None, "", files.stored)) == []
    cached = REPORT.model_copy(update={"cached": True})
    assert left(headline_html(REPORT), scope_html(REPORT), scope_html(cached), table_html(REPORT)) == []
    layers = tuple(measured_layers(["bnb-nf4"]))[:3]
    stopped = QdashError("Stopped before anything ran.", "", "cancelled")
    views = [WeightsView("", share, known, error=error) for share in (None, 0.5) for known in ((), layers) for error in (None, stopped)]
    assert left([reading_html(view) for view in views]) == []


@pytest.mark.parametrize("changes", [{}, {"scale": None}, {"codes": ()}, *({"shares": name} for name in ("row", "group", "tensor"))])
def test_what_is_said_of_one_layer(changes: dict[str, Any]) -> None:
    detail = layer_detail("bnb-nf4", REPORT.schemes[0].layers[0].name, 3, 5).model_copy(update=changes)
    assert left(scale_html(detail), layer_head_html(REPORT.schemes[0], detail.layer, detail, "")) == []


def test_the_list_of_the_history() -> None:
    memory = QdashError("The history is busy with something else.", "Try again in a moment.", "unavailable")
    for record in (comparison(), evaluation(), evaluation(30, task="own")):
        listing = Listing((_entry(record), _entry(record, share=Share(key="x"), pinned=True, headline="")), 100)
        assert left(list_html(listing), undo_html(2), head_html(listing, "x", None), head_html(listing, "", memory)) == []
    assert left(head_html(Listing((), 0), "x", None), head_html(Listing((), 0), "", None)) == []


@pytest.mark.parametrize("record", [comparison(prompt="?"), evaluation(task="own")])
@pytest.mark.parametrize("own", [False, True])
def test_a_run_of_the_history(record: Comparison | Evaluation, own: bool) -> None:
    opened = Run(_entry(record, share=Share(key="x")), record, b"x", own)
    assert left(run_head_html(opened), run_asked_html(opened), share_html(opened)) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (comparison(prompt="?"), slowed(comparison(1, prompt="!"), 2.0)),
        (comparison(prompt="?"), comparison(1, prompt="?")),
        (comparison(prompt="?", noise=None), comparison(1, prompt="?", noise=None)),
        (evaluation(), evaluation(30)),
        (evaluation(), evaluation(30, per_item_s=3.0)),
    ],
)
def test_what_changed_between_two_runs(before: Any, after: Any) -> None:
    assert left(difference_html(difference(before, after), _entry(before), _entry(after))) == []


@pytest.mark.parametrize("record", [comparison(), evaluation(task="own"), evaluation()])
def test_run_again(record: Comparison | Evaluation) -> None:
    here = dict.fromkeys(("task", "limit", "question", "runs", "warmup", "tokens", "baseline_dtype", "reference_text"), "")
    variants = (Variant(model="/nowhere/mine", scheme="original"), Variant(model="/nowhere/mine", scheme="new"))
    gone = {"device": "cuda:7", "prompt": "", "variants": variants}
    known = {name: value for name, value in gone.items() if name in type(record.request).model_fields}
    asked = record.model_copy(update={"request": record.request.model_copy(update=known)})
    made = again(Run(_entry(record), asked, None, own=True), {**here, "picture": {}, "schemes": []}, ScriptedBackend())
    assert made.left and left(made.words) == []


def test_errors_and_notes() -> None:
    assert left([banner(error) for error in (internal_error(), by_button(QdashError("Stopped.", "", "cancelled"), "Compare"))]) == []
    assert left([offered(model)["note"] for model in ("Qwen/Qwen3-4B", "/nowhere", "")]) == []
