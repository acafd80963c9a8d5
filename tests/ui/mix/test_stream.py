"""What the Mix tab shows while it measures, solves and proves, and what it makes of values that no page sends."""

from dataclasses import replace
from threading import Event
from time import perf_counter
from typing import Any

import gradio as gr
import pytest

from qdash.errors import QdashError
from qdash.records import Mix
from qdash.settings import settings
from qdash.tasks import bundled_set
from qdash.ui.controls.bundled_tasks import tasks_for
from qdash.ui.mix.form import MixForm, requested
from qdash.ui.mix.handlers import drawn, shown, used
from qdash.ui.mix.page import build_mix_page
from qdash.ui.mix.stream import Known, MixView, measured, progressed, proved, solved
from qdash.ui.mix.view import map_html, proof_html
from qdash.ui.server.limited_backend import LimitedBackend
from qdash.ui.server.page_runs import Follower
from qdash.ui.server.run_queue import Line
from tests.support.damages import damages, layer_names
from tests.support.scripted import ScriptedBackend
from tests.support.scripted_mix import costs_of

FORM = MixForm("tiny-vlm", ["original", "bnb-int8", "bnb-nf4", "int3-g64"], "", "auto", "drawings", 32)
SCHEMES = ["bnb-int8", "bnb-nf4", "int3-g64"]
KNOWN = Known(costs_of("tiny-vlm", SCHEMES, 32), "drawings", 32)


def best(budget: str, known: Known = KNOWN) -> Mix:
    found = solved(known, budget)
    assert isinstance(found, Mix)
    return found


def measuring(form: MixForm, stop: Event | None = None) -> list[MixView]:
    return [*measured(form, ScriptedBackend(), Line(longest=4), stop or Event())]


def proving(known: Known | None, budget: Any, stop: Event | None = None) -> list[MixView]:
    return [*proved(known, budget, ScriptedBackend(), Line(longest=4), stop or Event())]


def test_measuring_ends_with_what_every_layer_costs() -> None:
    *before, last = measuring(FORM)
    assert [view.status for view in before] == ["Loading the model.", "loading weights"]
    assert last.known is not None and {layer.scheme for layer in last.known.report.layers} == set(SCHEMES)
    assert (last.known.task, last.known.limit) == ("drawings", 32)


def test_a_mix_is_solved_for_at_once() -> None:
    """Hundreds of layers under three schemes, as a slider moves."""
    costs = {name: {key: (1 + place % 13) * 4.0**-bits for key, bits in zip(SCHEMES, (8, 4, 3), strict=True)}
             for place, name in enumerate(layer_names(48))}  # fmt: skip
    known = Known(damages(costs, [2**20 * (1 + place % 3) for place in range(len(costs))]), "cloze", 32)
    began = perf_counter()
    mix = best("4.2bits", known)
    assert perf_counter() - began < 3  # far below on an idle machine
    assert 4.0 < mix.bits <= 4.2


def test_a_smaller_budget_costs_more() -> None:
    small, large = best("3.2bits"), best("6bits")
    assert small.weights_bytes < large.weights_bytes and small.predicted_kl_nats > large.predicted_kl_nats
    assert best("4x").weights_bytes <= small.original_bytes / 4


def test_a_budget_that_is_too_small_names_the_smallest_size() -> None:
    headline, map_, proof = drawn(KNOWN, None, "1bits")
    assert "No mix keeps to this budget." in headline and "the smallest possible size is" in headline
    assert not map_ and not proof


@pytest.mark.parametrize("budget", [None, 4, ["4bits"], "", "4 apples", "9" * 1000])
def test_a_budget_that_no_page_sends(budget: Any) -> None:
    assert isinstance(solved(KNOWN, budget), QdashError)
    (refused,) = proving(KNOWN, budget)
    assert refused.error is not None and "not a budget" in refused.error.message


def test_before_anything_is_measured_the_page_says_what_to_do() -> None:
    assert "press Measure layers" in drawn(None, None, "4bits")[0]
    refused = proving(None, "4bits")[-1].error
    assert refused is not None and str(refused) == "Nothing is measured yet. Press Measure layers first."


def test_the_map_shows_each_layer_in_its_scheme() -> None:
    mix = best("4bits")
    page = map_html(KNOWN.report, mix)
    assert page.count('role="img"') == len(mix.layers)
    assert f"<code>{mix.recipe}</code>" in page
    chosen = {layer.scheme for layer in mix.layers}
    for key, label in (("bnb-int8", "INT8"), ("int3-g64", "INT3")):
        assert (label in page.partition("type-legend")[2].partition("</ul>")[0]) == (key in chosen)
    headline = drawn(KNOWN, None, "4bits")[0]
    assert "MiB instead of" in headline and "4.0" in headline
    assert "Measured on tiny-vlm" in page and "16 other questions are held out" in page


def test_a_proof_stands_with_its_mix_alone() -> None:
    *before, last = proving(KNOWN, "4bits")
    assert "50% done · about 1 s to go" in before[-1].status
    assert last.proof is not None and last.known == KNOWN
    page = proof_html(last.proof)
    assert "Better: the mix" in page and "by chance" in page and "<code>model = …" in page
    assert drawn(KNOWN, last.proof, "4bits")[2] == page
    assert drawn(KNOWN, last.proof, "6bits")[2] == ""
    assert drawn(replace(KNOWN, report=costs_of("tiny-vlm", ["bnb-nf4"], 32)), last.proof, "4bits")[2] == ""


def test_a_proof_has_other_questions_than_the_search() -> None:
    """Both are told the same task and number, and split the same questions."""
    calibration = bundled_set(KNOWN.task, KNOWN.limit)
    search, proof = calibration.search.followed, calibration.held_out.followed
    assert len(search) == len(proof) == 16 and not {item.id for item in search} & {item.id for item in proof}


@pytest.mark.parametrize("button", ["Measure layers", "Prove it"])
def test_a_stop_names_the_button(button: str) -> None:
    stop = Event()
    stop.set()
    last = (measuring(replace(FORM, limit=333), stop) if button == "Measure layers" else proving(KNOWN, "6.66bits", stop))[-1]
    assert last.error is not None and last.error.remedy == f"Press {button} to start again."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"limit": None}, "None questions cannot be asked"),
        ({"limit": float("nan")}, "nan questions cannot be asked"),
        ({"limit": 1}, "1 questions cannot be asked"),
        ({"limit": True}, "True questions cannot be asked"),
        ({"task": "own"}, "no task for this model"),
        ({"task": ["cloze"]}, "no task for this model"),
        ({"baseline_dtype": "float8"}, "“baseline_dtype” has a value"),
        ({"device": "abacus"}, "“device” has a value"),
        ({"model": ""}, "No model is chosen"),
        ({"schemes": None}, "choice of schemes could not be read"),
        ({"schemes": ["original", "vision=bnb-nf4"]}, "No quantization scheme is chosen"),
        ({"schemes": ["original", {"model": "tiny-lm", "scheme": "bnb-nf4"}]}, "No quantization scheme is chosen"),
        ({"model": "random:smolvlm-256m"}, "random weights"),
    ],
)
def test_values_that_no_page_sends(changes: dict[str, Any], words: str) -> None:
    (refused,) = measuring(replace(FORM, **changes))
    assert refused.error is not None and words in str(refused.error)


def test_a_mix_among_the_schemes_does_not_keep_others_from_being_measured() -> None:
    assert requested(replace(FORM, schemes=[*FORM.schemes, best("4bits").recipe])).schemes == tuple(SCHEMES)


def test_a_model_is_asked_what_it_can_read() -> None:
    def keys(model: str, reads: Any) -> list[str]:
        return [task.key for task in tasks_for(model, reads)]

    assert keys("tiny-vlm", "image-text-to-text") == ["drawings"] and keys("tiny-lm", "text-generation") == ["cloze"]
    assert keys("some/model", "image-text-to-text") == ["cloze", "drawings"] and keys("some/model", "text-generation") == ["cloze"]
    assert keys("random:smolvlm-256m", "image-text-to-text") == []


def test_a_public_server_follows_few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    public = settings().model_copy(update={"public": True})
    monkeypatch.setattr("qdash.offer.settings", lambda: public)
    (refused,) = measuring(replace(FORM, limit=65))
    assert refused.error is not None and "this server allows 64" in str(refused.error)
    assert measuring(replace(FORM, limit=64))[-1].known is not None


def test_the_mix_joins_the_schemes_at_the_side() -> None:
    recipe = best("4bits").recipe
    schemes, said, before, banner = used(KNOWN, "4bits", "tiny-vlm", ["original", "bnb-nf4"])
    assert schemes == ["original", "bnb-nf4", recipe] and before == {"schemes": ["original", "bnb-nf4"]}
    assert "The mix was added: schemes." in said and "among the schemes at the side" in banner
    again = used(KNOWN, "4bits", "tiny-vlm", schemes)
    assert again[0] == schemes


@pytest.mark.parametrize(
    ("budget", "model", "words"),
    [
        ("4bits", "tiny-lm", "which is not the model at the side"),
        ("40bits", "tiny-vlm", "leaves every layer"),
        ("1bits", "tiny-vlm", "smallest"),
    ],
)
def test_a_mix_that_cannot_be_used(budget: str, model: str, words: str) -> None:
    *unchanged, banner = used(KNOWN, budget, model, ["original"])
    assert words in banner and all("__type__" in value for value in unchanged)


def test_a_reloaded_page_gets_the_budget_of_its_proof_back(event_loops_closed: None) -> None:
    with gr.Blocks():
        page = build_mix_page("tiny-vlm")
    last = proving(KNOWN, "4.4bits")[-1]
    reloaded, same = (shown(page, last, Follower("", False, before)) for before in (None, KNOWN))
    assert reloaded[page.budget] == "4.4bits" and page.budget not in same  # which may have been changed since
    assert all(updates[page.known] is KNOWN and updates[page.report] is last.proof for updates in (reloaded, same))
    assert shown(page, MixView(status="…"), Follower("", False, KNOWN)).keys() == {page.banner}


def test_the_first_budget_is_met_by_a_mix_and_one_scheme_for_all_is_said_to_be_one(event_loops_closed: None) -> None:
    with gr.Blocks():
        page = build_mix_page("tiny-vlm")
    for schemes, expected in ((SCHEMES, "3.5bits"), (["bnb-int8", "bnb-nf4"], "6bits"), (["bnb-nf4"], "16bits")):
        known = Known(costs_of("tiny-vlm", schemes, 32), "drawings", 32)
        updates = shown(page, MixView(known=known), Follower("", False, KNOWN if schemes != SCHEMES else None))
        assert updates[page.budget] == expected and updates[page.report] is None
        assert [key for _, key in updates[page.progressive.scheme]["choices"]] == schemes[::-1]
        assert len({layer.scheme for layer in best(expected, known).layers}) > 1
        assert "one scheme" not in drawn(known, None, expected)[0]
    assert page.budget not in shown(page, MixView(known=KNOWN), Follower("", False, KNOWN))  # another one may be chosen by now
    uniform = drawn(KNOWN, None, "3bits")[0]
    assert "This is one scheme for all layers, INT3" in uniform and "A budget such as 3.5bits gives layers different schemes." in uniform
    assert "Every layer stays as it is" in drawn(KNOWN, None, "1x")[0]


def test_steps_come_as_they_are_measured(event_loops_closed: None) -> None:
    with gr.Blocks():
        page = build_mix_page("tiny-vlm")
    *before, last = progressed(KNOWN, "bnb-nf4", ScriptedBackend(pause_s=0), Line(longest=4), Event())
    growing = [view for view in before if view.progressive is not None]
    assert last.progressive is not None and last.progressive.complete and growing[0].status == "Mix: loading weights · 0% done"
    assert [len(view.progressive.progressions[1].steps) for view in growing if view.progressive] == list(range(1, len(growing) + 1))
    panel, updates = page.progressive, shown(page, last, Follower("", True, KNOWN))
    assert "progressed" in updates[panel.told] and "with least damage first; part by part" in updates[panel.told]
    assert "closer to the original than random order, outside the noise" in updates[panel.told]
    assert updates[panel.steps].count("<tr>") == 1 + 1 + sum(len(one.steps) - 1 for one in last.progressive.progressions)
    assert panel.report in updates and page.report not in updates
    part = shown(page, growing[2], Follower("", False, KNOWN))
    assert "Not all steps are measured." in part[panel.told]
    cleared = shown(page, MixView(known=replace(KNOWN, report=costs_of("tiny-vlm", ["bnb-nf4"], 32))), Follower("", False, KNOWN))
    assert cleared[panel.report] is None and "progressed" not in cleared[panel.told]


@pytest.mark.parametrize(
    ("known", "scheme", "words"),
    [(None, "bnb-nf4", "Nothing is measured yet."), (KNOWN, "q4_0", "This scheme was not measured."), (KNOWN, ["x"], "not measured")],
)
def test_steps_that_cannot_be_measured(known: Known | None, scheme: Any, words: str) -> None:
    (refused,) = progressed(known, scheme, ScriptedBackend(), Line(longest=4), Event())
    assert refused.error is not None and words in str(refused.error)


def test_a_server_ends_what_takes_too_long() -> None:
    backend = LimitedBackend(ScriptedBackend(), 0.2)
    measuring_too_long = measured(replace(FORM, limit=333), backend, Line(longest=4), Event())
    for views in (measuring_too_long, proved(KNOWN, "6.66bits", backend, Line(longest=4), Event())):
        last = [*views][-1]
        assert last.error is not None and "This server ends a run after" in last.error.message
