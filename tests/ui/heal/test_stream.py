"""What the Heal tab shows before, while and after it trains, and what it makes of values that no page sends."""

from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr
import pytest

from qdash.errors import QdashError
from qdash.runs.heal import HealPlan
from qdash.runs.healing_passages import Lessons
from qdash.settings import settings
from qdash.ui.heal.form import HealForm, requested, sources_for
from qdash.ui.heal.handlers import another_model, drawn, shown, used, with_form
from qdash.ui.heal.page import build_heal_page
from qdash.ui.heal.stream import HealView, planned, trained
from qdash.ui.heal.view import plan_html, training_html
from qdash.ui.server.limited_backend import LimitedBackend
from qdash.ui.server.run_queue import Line
from tests.support.figures import traces
from tests.support.scripted import ScriptedBackend
from tests.support.scripted_heal import ENDLESS_MINUTES, FAILING_MINUTES

FORM = HealForm("tiny-lm", "auto", "qat-int2", "stories", None, 5)


def training(form: HealForm, backend: Any = None, stop: Event | None = None) -> list[HealView]:
    return [*trained(form, backend or ScriptedBackend(pause_s=0), Line(longest=4), stop or Event())]


def plan_of(backend: ScriptedBackend, scheme: str = "qat-int2") -> HealPlan:
    plan = planned("tiny-lm", scheme, "auto", backend)
    assert isinstance(plan, HealPlan)
    return plan


def lessons_of(form: HealForm) -> Lessons:
    made = requested(form).lessons
    assert made is not None
    return made()


@pytest.fixture
def upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Hands in a file as the page does."""
    monkeypatch.setenv("QDASH_CACHE_DIR", str(tmp_path))
    settings.cache_clear()

    def handed(name: str, content: str) -> list[dict[str, str]]:
        settings().uploads.mkdir(parents=True, exist_ok=True)
        (settings().uploads / name).write_text(content)
        return [{"upload": str(settings().uploads / name), "name": name}]

    yield handed
    settings.cache_clear()


def test_a_training_is_watched_and_kept() -> None:
    backend = ScriptedBackend(pause_s=0)
    *before, last = training(FORM, backend)
    assert [len(view.training.points) for view in before if view.training] == [0, 1, 2, 3, 4, 5, 6]
    assert "Step 60 · training at 0.12 nats · about 3 min to go" in [view.status for view in before]
    assert last.error is None and last.report is not None and plan_of(backend).kept == last.report
    verdict, curve, scores, _check = drawn(plan_of(backend), last.training, "tiny-lm", "qat-int2", dark=False)
    assert "fell from 0.55 to 0.050 nats per token" in verdict and "12,000 passages of stories" in scores
    assert list(traces(curve)[-1].y) == [point.held_out_kl for point in last.report.points]


def test_what_is_known_before() -> None:
    backend = ScriptedBackend(pause_s=0)
    plan = plan_of(backend)
    assert "5 min of training, about 420 MiB of memory" in plan_html(plan, 5) and "behind" not in plan_html(plan, 5)
    assert "How much of what rounding cost" in drawn(plan, None, "tiny-lm", "qat-int2", dark=False)[0]
    training(FORM, backend)
    after = plan_of(backend)
    assert "goes on there" in plan_html(after, 8) and "choose more to go on there" in plan_html(after, 5)
    large = replace(plan, estimate=plan.estimate.model_copy(update={"available_bytes": 1}))
    assert "Does not fit" in plan_html(large, 5)


def test_a_stop_keeps_the_best_so_far() -> None:
    backend, stop = ScriptedBackend(pause_s=0), Event()
    views = []
    for view in trained(replace(FORM, minutes=ENDLESS_MINUTES), backend, Line(longest=4), stop):
        views.append(view)
        if view.training is not None and len(view.training.points) == 3:
            stop.set()
    assert views[-1].report is not None and views[-1].report.stopped
    assert "It was stopped; Heal goes on from there." in drawn(plan_of(backend), None, "tiny-lm", "qat-int2", dark=True)[2]


def test_a_model_is_pruned_in_steps() -> None:
    """The curve holds them all; of those with fewer zeros than in the end none is kept."""
    backend = ScriptedBackend(pause_s=0)
    views = training(replace(FORM, scheme="prune-iterative-80"), backend)
    assert "48% of the weights are zero; in the end 80% are." in training_html(views[4].training)  # type: ignore[arg-type]
    kept = plan_of(backend, "prune-iterative-80").kept
    assert kept is not None and kept.best == kept.points[-1] and kept.unhealed == "prune-global-80"
    early = kept.model_copy(update={"points": kept.points[:5]})
    assert early.best == kept.points[0]
    assert "<td>28%</td>" in drawn(plan_of(backend, "prune-iterative-80"), None, "tiny-lm", "prune-iterative-80", dark=False)[2]


def test_an_error_keeps_the_curve() -> None:
    backend = ScriptedBackend(pause_s=0)
    last = training(replace(FORM, minutes=FAILING_MINUTES), backend)[-1]
    assert last.error is not None and "diverged" in last.error.message and last.report is None
    verdict, curve, _scores, _check = drawn(plan_of(backend), last.training, "tiny-lm", "qat-int2", dark=False)
    assert "is not healed" in verdict and len(traces(curve)[-1].y) == 6
    assert drawn(plan_of(backend, "qat-int3"), last.training, "tiny-lm", "qat-int3", dark=False)[1] is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": None}, "No model is chosen"),
        ({"device": "abacus"}, "“device” has a value"),
        ({"scheme": "int2-g64"}, "No scheme to heal is chosen"),
        ({"scheme": ["qat-int2"]}, "No scheme to heal is chosen"),
        ({"source": "drawings"}, "What to learn from is not chosen"),
        ({"source": {}}, "What to learn from is not chosen"),
        ({"source": "text"}, "There is no file to learn from yet"),
        ({"source": "questions", "file": [{"upload": "/etc/passwd", "name": "x"}]}, "is no longer here"),
        ({"minutes": None}, "None minutes of training"),
        ({"minutes": True}, "True minutes of training"),
        ({"minutes": float("nan")}, "nan minutes of training"),
        ({"minutes": 1e9}, "minutes of training are not possible"),
    ],
)
def test_values_that_no_page_sends(changes: dict[str, Any], words: str) -> None:
    last = training(replace(FORM, **changes))[-1]
    assert last.error is not None and words in str(last.error)


def test_a_model_learns_from_what_there_is(upload: Any) -> None:
    assert sources_for("tiny-lm") == ["stories", "questions", "text"] and sources_for("tiny-vlm")[0] == "drawings"
    assert sources_for("some/model") == ["answers", "questions", "text"] == sources_for(None)
    assert another_model("tiny-vlm", "stories")["value"] == "drawings" and another_model("some/model", "text")["value"] == "text"
    assert requested(replace(FORM, model="some/model", source="answers")).lessons is None
    rows = "prompt,answer\n" + "".join(f"{number}+1=?,{number + 1}\n" for number in range(30))
    questions = lessons_of(replace(FORM, source="questions", file=upload("mine.csv", rows)))
    assert (questions.source, len(questions.passages), len(questions.held_out)) == ("mine.csv", 27, 3)
    text = lessons_of(replace(FORM, source="text", file=upload("book.txt", "All that is said.\n\n" * 2000)))
    assert text.source == "book.txt" and len(text.passages) > 20
    short = training(replace(FORM, source="text", file=upload("note.txt", "Short.")))[-1]
    assert short.error is not None and "note.txt has 1 passages" in short.error.message


def test_a_public_server_trains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    public = settings().model_copy(update={"public": True})
    monkeypatch.setattr("qdash.offer.settings", lambda: public)
    refused = training(FORM)[-1]
    assert refused.error is not None and "does not train models" in refused.error.message
    with pytest.raises(QdashError, match="does not train models"):
        LimitedBackend(ScriptedBackend(), 60).heal("tiny-lm", "qat-int2", requested, 5, Event(), device="auto")  # type: ignore[arg-type]


def test_the_healed_version_joins_the_schemes_at_the_side() -> None:
    backend = ScriptedBackend(pause_s=0)
    assert "Press Heal first." in used(plan_of(backend), "tiny-lm", ["original"])[-1]
    training(FORM, backend)
    update, said, before, words = used(plan_of(backend), "tiny-lm", ["original", "int2-g64"])
    assert update["value"] == ["original", "int2-g64", "qat-int2"] and before == {"schemes": ["original", "int2-g64"]}
    assert "schemes." in said and "among the schemes at the side" in words


def test_a_reloaded_page_gets_its_form_back_once(event_loops_closed: None) -> None:
    with gr.Blocks():
        page = build_heal_page("tiny-lm")
    views = training(replace(FORM, scheme="qat-int3", minutes=9))
    first, *others = [updates for updates in with_form(page, (shown(page, view, dark=False) for view in views)) if page.training in updates]
    assert (first[page.scheme], first[page.source], first[page.minutes]) == ("qat-int3", "stories", 9)
    assert not any(page.scheme in updates for updates in others) and page.curve in others[0]
    assert "The healed version is kept" in others[-1][page.banner]
