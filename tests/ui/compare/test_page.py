"""What the page draws while a comparison runs and when it is stopped, component by component."""

import json
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import plotly.graph_objects as go
import pytest

from qdash.charts.on_compare import COMPARE_CHARTS
from qdash.history import history
from qdash.records import Comparison, Request, Rounds, Variant
from qdash.settings import Settings
from qdash.ui.compare.model_report import Inside
from qdash.ui.compare.page import ComparePage, shown
from qdash.ui.compare.saving import Saving
from qdash.ui.compare.stream import CompareView, run
from qdash.ui.components.exports import comparison_export, write_export
from qdash.ui.components.tradeoff import TradeOff
from qdash.ui.results.compare_state import finished_state
from qdash.ui.results.comparison import Charts, Drawers, Results
from qdash.ui.results.conditions import conditions_html
from qdash.ui.results.export_buttons import ExportButtons
from qdash.ui.server.autosave import keep
from qdash.ui.server.run_queue import Line
from tests.support.scripted import ScriptedBackend, answered_result, comparison_of, variant_result
from tests.ui.controls.test_form import FORM
from tests.ui.results.test_cards import speed_words


def _named(kind: type[Any], **parts: Any) -> Any:
    """A group of components with their names in their places: what is drawn are updates by component, whatever that is."""
    return kind(**{name: parts.get(name, name) for name in kind.__dataclass_fields__})


PLOTS = tuple(chart.key for chart in COMPARE_CHARTS)


@pytest.fixture
def page() -> ComparePage:
    drawers = _named(Drawers, exports=_named(ExportButtons))
    results = _named(Results, charts=_named(Charts, plots=PLOTS, trade=_named(TradeOff)), drawers=drawers)
    return _named(ComparePage, results=results, inside=_named(Inside), saving=_named(Saving))


def _request(*keys: str) -> Request:
    return Request(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in keys), prompt="What?")


def _words(value: Any) -> str:
    """All that an update shows, as one text."""
    if isinstance(value, go.Figure):
        return value.to_json() or ""
    return value if isinstance(value, str) else json.dumps(value, default=str)


@pytest.mark.parametrize("slowdown", [1 / 13.1, 0.8, 1.0, 2.5])
def test_the_page_says_nothing_of_speed_before_the_run_is_over(page: ComparePage, slowdown: float) -> None:
    backend = ScriptedBackend(slowdowns={"fp32": slowdown})
    views = list(run(replace(FORM, schemes=["original", "fp32", "bnb-nf4"]), backend, Line(longest=2), Event()))
    states = {state for view in views if view.state is not None for state in view.state.states}
    assert {"answered", "measuring", "timed"} <= states
    for view in views:
        if view.state is None or view.state.comparison is None:
            drawn = {component: _words(value) for component, value in shown(page, view, dark=False).items()}
            assert not any(map(speed_words, drawn.values())), (view, drawn)
    assert any(speed_words(_words(value)) for value in shown(page, views[-1], dark=False).values())


def test_a_run_stopped_in_its_rounds_draws_sizes_and_says_what_is_missing(page: ComparePage) -> None:
    results = [answered_result(key, "A.") for key in ("original", "bnb-int8", "fp6-e2m3")]
    comparison = comparison_of(_request("original", "bnb-int8", "fp6-e2m3"), *results, noise=None)
    updates = shown(page, CompareView(state=finished_state(comparison), over=True), dark=False)
    latency = updates["latency"]
    assert "Nothing was timed: the run ended too early." in _words(latency)
    assert [note.text for note in latency.layout.annotations] == ["not timed"] * 3
    memory = updates["memory"]
    assert "9.6 MiB" in _words(memory) and "peak not known: it was not timed" in _words(memory)
    assert "not timed" in updates[page.results.conditions] and "noise" not in updates[page.results.conditions]
    table = updates[page.results.drawers.table]
    assert "9.6 MiB" in table and " ms" not in table


def test_a_run_stopped_in_its_rounds_is_kept_and_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdash.ui.components.exports.settings", lambda: Settings(cache_dir=tmp_path))
    results = [answered_result(key, "A black square.") for key in ("original", "bnb-int8")]
    comparison = comparison_of(_request("original", "bnb-int8"), *results, noise=None)
    assert keep(comparison, "somebody") is None
    listing = history().listing("somebody")
    assert len(listing.entries) == 1
    export = comparison_export(comparison)
    paths = {suffix: Path(write_export(export, suffix, lambda: tmp_path)) for suffix in export.contents}
    assert Comparison.model_validate_json(paths["json"].read_text()) == comparison
    assert "A black square." in paths["html"].read_text() and "A black square." in paths["csv"].read_text()


def test_the_conditions_say_how_the_rounds_went() -> None:
    done = comparison_of(_request("original", "bnb-int8"), variant_result("original", "A."), variant_result("bnb-int8", "A."))
    assert "50 tokens × 5 runs after 1 warm-up run" in conditions_html(done) and "other programs" not in conditions_html(done)
    rounds = done.model_copy(update={"rounds": Rounds(taken=4, repeated=1, busy=0.62)})
    line = conditions_html(rounds)
    assert "50 tokens × 4 of at most 5 rounds after 1 warm-up run" in line and "1 round repeated" in line
    assert "other programs used 62% of the processor" in line
