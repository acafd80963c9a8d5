"""What the drawer Inside shows, and that it never raises."""

from threading import Event

from qdash.records import Request, Variant
from qdash.ui.compare.model_report import choices, looked
from qdash.ui.compare.model_report_view import inside_html
from qdash.ui.server.run_queue import Line
from tests.support.scripted import CANCELLED, ScriptedBackend, comparison_of, failed_result, inspector_report, variant_result

REQUEST = Request(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in ("original", "bnb-int8", "bnb-nf4")), prompt="What?")
COMPARISON = comparison_of(REQUEST, variant_result("original", "A."), failed_result("bnb-int8", CANCELLED), variant_result("bnb-nf4", "A."))


def test_only_variants_that_ran_are_offered_the_first_quantized_one_chosen() -> None:
    offered = choices(COMPARISON)
    assert offered["choices"] == [("Original", 0), ("NF4 4-bit", 2)] and offered["value"] == 2
    assert choices(comparison_of(REQUEST, failed_result("original", CANCELLED)))["value"] is None


def test_answers_come_before_figures_and_everything_is_escaped() -> None:
    html = inside_html(inspector_report("bnb-nf4"))
    assert html.index("parameter count fall") < html.index("Part by part") < html.index("model.safetensors")
    assert "&lt;4-bit&gt;" in html and "&lt;vision&gt;" in html and "<script" not in html
    assert "1,900 bytes" in html and "uint8 0.0 MiB" in html


def test_what_was_not_saved_says_why() -> None:
    report = inspector_report("torch-int8dyn").model_copy(update={"saved": None, "saved_as": None, "not_saved": "PyTorch <cannot>."})
    html = inside_html(report)
    assert "not written" in html and "PyTorch &lt;cannot&gt;." in html and "model.safetensors" not in html


def test_a_look_shows_progress_then_the_report() -> None:
    views = list(looked(COMPARISON, 2, ScriptedBackend(), Line(2), Event()))
    assert "saving · 50%" in views[-3] and 'class="inside"' in views[-1]


def test_nothing_to_look_into_is_said() -> None:
    for comparison, index in ((None, 1), (COMPARISON, None), (COMPARISON, 99), (COMPARISON, "1")):
        (view,) = looked(comparison, index, ScriptedBackend(), Line(2), Event())
        assert "Press Compare first" in view


def test_stop_is_heard() -> None:
    stop = Event()
    views = looked(COMPARISON, 2, ScriptedBackend(), Line(2), stop)
    next(views)
    stop.set()
    assert "Stopped" in list(views)[-1]
