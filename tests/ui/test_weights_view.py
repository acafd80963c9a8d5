"""The Weights tab's words and table, from a report."""

from threading import Event

import pytest

from qdash.errors import QdashError
from qdash.records import WeightReport
from qdash.ui.line import Line
from qdash.ui.weights_page import looked
from qdash.ui.weights_view import ALL_LAYERS, chosen, headline_html, layer_choices, layers_html, scope_html, short_name, worst_scheme
from tests.ui.scripted import ScriptedBackend, scheme_weights

REPORT = WeightReport(model="tiny-vlm", schemes=(scheme_weights("bnb-int8"), scheme_weights("bnb-nf4")))


def test_the_headline_compares_worst_and_best() -> None:
    html = headline_html(REPORT)
    assert "NF4 4-bit disturbs the weights <em>15.8× more</em>" in html  # 24 dB apart
    assert "48.0 dB" in html and "24.0 dB" in html
    assert worst_scheme(REPORT) == "bnb-nf4"


def test_no_error_at_all_is_not_an_infinite_one() -> None:
    perfect = scheme_weights("bnb-int8").model_copy(update={"sqnr_db": None})
    html = headline_html(REPORT.model_copy(update={"schemes": (perfect, scheme_weights("bnb-nf4"))}))
    assert "changes nothing" in html and "inf" not in html


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        ("model.language_model.layers.3.mlp.down_proj", "language model · layer 3 · down projection"),
        ("transformer.h.0.self_attention.query_key_value", "layer 0 · query key value"),
        ("model", "model"),
    ],
)
def test_layers_have_speakable_names(name: str, spoken: str) -> None:
    assert short_name(name) == spoken


def test_a_choice_that_is_not_in_the_report_falls_back() -> None:
    scheme, part = chosen(REPORT, "nonsense", "nonsense")
    assert scheme is REPORT.schemes[0] and part is scheme
    name = REPORT.schemes[1].layers[1].name
    assert chosen(REPORT, "bnb-nf4", name)[1] is REPORT.schemes[1].layers[1]
    assert [value for _, value in layer_choices(REPORT)] == [ALL_LAYERS, *(layer.name for layer in REPORT.schemes[0].layers)]


def test_the_worst_layer_comes_first_and_names_are_escaped() -> None:
    evil = scheme_weights("bnb-nf4").layers[0].model_copy(update={"name": "<script>.x", "sqnr_db": 1.0})
    scheme = scheme_weights("bnb-nf4")
    report = REPORT.model_copy(update={"schemes": (scheme.model_copy(update={"layers": (*scheme.layers, evil)}),)})
    html = layers_html(report, "bnb-nf4")
    assert "<script" not in html and html.index("&lt;script") < html.index("layer 1")
    assert "4\u202f096 weights" in scope_html(REPORT)


def test_looking_ends_with_a_report_or_an_error() -> None:
    line = Line(longest=2)
    *steps, last = looked("tiny-vlm", ["original", "bnb-int8"], ScriptedBackend(), line, Event())
    assert last.report is not None and any(view.fraction for view in steps)
    *_, last = looked("tiny-vlm", ["original"], ScriptedBackend(), line, Event())
    assert isinstance(last.error, QdashError) and "No quantization scheme" in last.error.message
    *_, last = looked("tiny-vlm", ["nonsense"], ScriptedBackend(), line, Event())
    assert last.error is not None
