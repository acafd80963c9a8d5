"""The Weights tab's words, tables and streams, from a report."""

import re
from threading import Event

import pytest

from qdash.errors import QdashError
from qdash.records import WeightReport
from qdash.ui.server.run_queue import Line
from qdash.ui.server.tab_sessions import Sessions
from qdash.ui.weights.layer import head_html, layer_drawn, patch_value, scale_html
from qdash.ui.weights.selection import (
    ALL_LAYERS,
    SIDE_BY_SIDE,
    Choice,
    chosen,
    first_choice,
    with_cell,
    with_scale,
    with_scheme,
    with_weight,
)
from qdash.ui.weights.stream import known_layers, looked, looked_at_files, stream_detail
from qdash.ui.weights.view import (
    headline_html,
    map_html,
    partial_map_html,
    partial_ranking_html,
    ranking_html,
    scheme_choices,
    scope_html,
    table_html,
    types_html,
)
from tests.support.scripted import ScriptedBackend
from tests.support.scripted_weights import files_report, layer_detail, measured_layers, report_of

REPORT = report_of("bnb-int8", "bnb-nf4")
DOWN = "model.language_model.layers.3.mlp.down_proj"


def changed(scheme: int = 0, **changes: object) -> WeightReport:
    schemes = list(REPORT.schemes)
    schemes[scheme] = schemes[scheme].model_copy(update=changes)
    return REPORT.model_copy(update={"schemes": tuple(schemes)})


def hostile() -> WeightReport:
    """A scheme and a layer of a checkpoint that means ill."""
    evil = REPORT.schemes[1].layers[0].model_copy(update={"name": "<script>.x", "part": "<b>", "projection": '"><script>', "sqnr_db": 1.0})
    return changed(1, label="<script>alert(1)</script>", layers=(evil, *REPORT.schemes[1].layers))


def test_the_headline_compares_worst_and_best() -> None:
    worse = REPORT.schemes[1].sqnr_db
    assert worse is not None
    html = headline_html(changed(0, sqnr_db=worse + 12.0))
    assert "With NF4 4-bit, the rounding error is <em>4.0× larger</em> than with INT8" in html
    assert "Most affected: layer 3’s <em>down projection</em>." in html
    assert "417 M quantized weights" in html
    assert first_choice(REPORT) == Choice("bnb-nf4", DOWN)


def test_one_scheme_is_compared_with_nothing() -> None:
    html = headline_html(report_of("bnb-nf4"))
    assert "With NF4 4-bit, the weights are <em>19.3 dB</em> above the rounding error" in html
    assert SIDE_BY_SIDE not in [key for _, key in scheme_choices(report_of("bnb-nf4"))]


def test_no_error_at_all_is_not_an_infinite_one() -> None:
    html = headline_html(changed(0, sqnr_db=None))
    assert "changes nothing" in html and "inf" not in html


def test_a_pick_that_is_not_in_the_report_falls_back() -> None:
    scheme, layer = chosen(REPORT, Choice("nonsense", "nonsense"))
    assert scheme is REPORT.schemes[0] and layer is None
    before = Choice("bnb-nf4", DOWN)
    for scheme_key, at in (("nonsense", 0), ("bnb-nf4", 10**6), ("bnb-nf4", -2), ("bnb-nf4", None), (None, None)):
        assert with_cell(REPORT, before, scheme_key, at) == before
    assert with_weight(before, 1, None) == before


def test_picks_follow_each_other() -> None:
    choice = with_cell(REPORT, first_choice(REPORT), "bnb-int8", 2)
    assert (choice.scheme, choice.layer) == ("bnb-int8", REPORT.schemes[0].layers[2].name)
    choice = with_weight(choice, 7, 130)
    assert (choice.row, choice.column) == (7, 130)
    assert with_scheme(choice, "bnb-nf4") == Choice("bnb-nf4", choice.layer)
    together = with_scheme(choice, SIDE_BY_SIDE)
    assert together.together and with_cell(REPORT, together, "bnb-nf4", -1) == Choice("bnb-nf4", ALL_LAYERS, together=True)


def test_the_map_marks_the_layer_picked() -> None:
    html = map_html(REPORT, Choice("bnb-nf4", DOWN))
    assert html.count('aria-pressed="true"') == 1 and 'data-scheme="bnb-nf4"' in html
    assert "language · layer 3 · down projection: 14" in html
    both = map_html(REPORT, Choice("bnb-nf4", DOWN, together=True))
    assert both.count('class="heat-of') == 2 and both.count('aria-pressed="true"') == 1
    assert 'class="heat-of b4"' in both and 'class="heat-of b8"' in both
    assert 'class="heat-of b6 sim"' in map_html(report_of("fp6-e2m3"), Choice("fp6-e2m3"))


def test_the_ranking_starts_with_the_worst() -> None:
    html = ranking_html(REPORT, Choice("bnb-nf4", DOWN))
    assert html.index("down projection") < html.index("vision · layer 11")
    assert "<td>14.3</td>" in html or "<td>14.2</td>" in html
    assert "4.4 M" in html and "896 × 4864" in html
    assert html.count("<tr>") == 41 and "202 more" in html


def test_layers_show_up_as_they_are_known() -> None:
    first = tuple(measured_layers(["bnb-int8", "bnb-nf4"]))[:30]
    key, known = known_layers(first)
    assert key == "bnb-nf4" and len(known) == 30
    assert partial_map_html(key, known).count("<button") == 30
    ranking = partial_ranking_html(key, known)
    assert ranking.index("layer 3 · down") < ranking.index("layer 0")
    assert known_layers(()) == ("", [])


def test_names_are_text_everywhere() -> None:
    report, choice = hostile(), Choice("bnb-nf4", "<script>.x")
    scheme, layer = chosen(report, choice)
    assert layer is not None
    pieces = [headline_html(report), map_html(report, choice), map_html(report, Choice("bnb-nf4", "<script>.x", together=True))]
    pieces += [ranking_html(report, choice), table_html(report), scope_html(report), head_html(scheme, layer, None, "<script>")]
    assert all("<script" not in piece and "<b>·" not in piece for piece in pieces)


def test_the_conditions_are_said() -> None:
    html = scope_html(REPORT)
    assert "all 417\u202f234\u202f944 weights, in 0.4 s on CPU" in html and "△" not in html
    assert "computed earlier" in scope_html(REPORT.model_copy(update={"cached": True}))
    assert "△ 12 weights are NaN or infinite" in scope_html(changed(1, nonfinite=12))
    assert "FP6 E2M3: simulated" in scope_html(report_of("fp6-e2m3"))


def test_the_table_has_every_layer_under_every_scheme() -> None:
    html = table_html(REPORT)
    assert html.count("<tr>") == 2 + len(REPORT.schemes) + len(REPORT.schemes[0].layers)
    some = changed(1, layers=REPORT.schemes[1].layers[1:])
    assert table_html(some).count("<td>–</td>") == 1


def test_a_layer_is_drawn_from_the_report_until_the_detail_comes() -> None:
    choice = Choice("bnb-nf4", DOWN)
    head, weights, errors, rows, scale, patch = layer_drawn(False, REPORT, choice, None, "Reading this layer.")
    assert "Reading this layer." in head and "whole" not in head
    assert len(weights.data) == 2 and errors.data and rows.data and scale == "" and patch is None
    detail = layer_detail("bnb-nf4", DOWN, None, 0)
    head, weights, _, rows, scale, patch = layer_drawn(True, REPORT, choice, detail)
    assert "16 values" in head and len(weights.data) == 3 and rows.layout.annotations[0].text == "▼ row 298"
    assert "<b>0.16</b>" in scale and patch["colour"] == "b4"
    stale = layer_drawn(False, REPORT, Choice("bnb-int8", DOWN), detail)
    assert stale[4] == "" and stale[5] is None, "a detail of another scheme is not shown"


def test_all_layers_together_have_no_rows() -> None:
    head, weights, errors, rows, scale, patch = layer_drawn(False, REPORT, Choice("bnb-nf4"), None)
    assert "All layers together" in head and "whole" in head
    assert weights is not None and errors is not None and (rows, scale, patch) == (None, "", None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"zero_point": 7.0, "shares": "group"}, "ŵ = 0.16 · (code − 7)"),
        ({"shares": "row"}, "One scale for this row"),
        ({"shares": "tensor"}, "the whole layer"),
        ({"scale": None, "zero_point": None, "codes": ()}, "this format has no scale"),
    ],
)
def test_a_scale_is_said_with_its_formula(changes: dict, words: str) -> None:
    assert words in scale_html(layer_detail("bnb-nf4", DOWN, 5, 100).model_copy(update=changes))


def test_the_picture_knows_where_it_lies() -> None:
    value = patch_value(layer_detail("bnb-nf4", DOWN, 5, 100))
    assert value is not None
    assert (value["row"], value["first"], value["last"], value["top"], value["left"]) == (5, 64, 128, 0, 64)
    assert (value["rows"], value["columns"], value["column"]) == (896, 4864, 64)
    near = patch_value(layer_detail("bnb-nf4", DOWN, 5, 100), 100)
    assert near is not None and near["column"] == 100


def test_looking_ends_with_a_report_or_an_error() -> None:
    line, backend = Line(longest=2), ScriptedBackend(pause_s=0.003)
    *steps, last = looked("tiny-vlm", ["original", "bnb-int8"], "auto", backend, line, Event())
    assert last.report is not None and any(view.fraction for view in steps) and any(view.layers for view in steps)
    *_, last = looked("tiny-vlm", ["original"], "auto", backend, line, Event())
    assert isinstance(last.error, QdashError) and "No quantization scheme" in last.error.message
    *_, last = looked("tiny-vlm", ["original", "bnb-int8"], "gpu", backend, line, Event())
    assert last.error is not None and "device" in last.error.message
    *_, last = looked("tiny-vlm", ["nonsense"], "auto", backend, line, Event())
    assert last.error is not None


def test_a_look_that_is_stopped_says_so_and_one_into_a_layer_is_silent() -> None:
    line, stop = Line(longest=2), Event()
    stop.set()
    *_, last = looked("tiny-vlm", ["original", "bnb-int8"], "auto", ScriptedBackend(), line, stop)
    assert last.error is not None and last.error.kind == "cancelled"
    with line.join():
        views = list(stream_detail(REPORT, Choice("bnb-nf4", DOWN), ScriptedBackend(), line, stop))
    assert all(view.error is None and view.detail is None for view in views)
    assert list(stream_detail(REPORT, Choice("bnb-nf4", ALL_LAYERS), ScriptedBackend(), line, Event())) == []


def test_a_look_into_a_layer_ends_with_its_detail() -> None:
    *_, last = stream_detail(REPORT, Choice("bnb-nf4", DOWN, row=3), ScriptedBackend(), Line(longest=2), Event())
    assert last.detail is not None and last.detail.row == 3


def test_the_next_pick_ends_the_one_before_in_its_own_tab_only() -> None:
    sessions = Sessions()
    first, other, inside = sessions.start("mine", "layer"), sessions.start("yours", "layer"), sessions.start("mine", "inside")
    second = sessions.start("mine", "layer")
    assert first.is_set() and not any(flag.is_set() for flag in (second, other, inside))
    sessions.close("mine")
    assert second.is_set() and inside.is_set() and not other.is_set()


def test_colours_and_axes_are_common_unless_a_scale_of_its_own_is_chosen() -> None:
    """The better of two schemes is pale beside the worse one, and its error narrow."""

    def strengths(html: str) -> list[int]:
        return [int(found) for found in re.findall(r"--q:(\d+)%", html)]

    def reach(choice: Choice, at: int, axis: str) -> tuple[float, float] | None:
        found = layer_drawn(False, REPORT, choice, None)[at].layout[axis].range
        return None if found is None else tuple(found)

    better, worse = Choice("bnb-int8", DOWN), Choice("bnb-nf4", DOWN)
    assert max(strengths(map_html(REPORT, better))) < max(strengths(map_html(REPORT, worse))) == 100
    assert max(strengths(map_html(REPORT, with_scale(better, True)))) == 100
    for at, axis in ((1, "xaxis"), (2, "xaxis"), (3, "yaxis")):
        assert reach(better, at, axis) == reach(worse, at, axis) is not None
    assert reach(with_scale(better, True), 2, "xaxis") is None
    assert 'data-own aria-pressed="false"' in map_html(REPORT, better) and 'data-own aria-pressed="true"' in map_html(
        REPORT, with_scale(better, True)
    )
    patches = [layer_drawn(False, REPORT, choice, layer_detail(choice.scheme, DOWN, 5, 100))[5]["error_most"] for choice in (better, worse)]
    assert patches[0] == patches[1] is not None
    own = layer_drawn(False, REPORT, with_scale(better, True), layer_detail("bnb-int8", DOWN, 5, 100))[5]
    assert own["error_most"] is None


FILES = files_report("/data/ann/<m>.gguf", "/data/bob/<m>.gguf")


def test_two_files_have_words_of_their_own() -> None:
    html = headline_html(FILES)
    assert (
        "The weights of bob/&lt;m&gt;.gguf differ from those of ann/&lt;m&gt;.gguf by <em>" in html
        and "81 of 242 layers are the same" in html
    )
    assert "ann/&lt;m&gt;.gguf: 4.850 bits per weight, 277 MiB · bob/&lt;m&gt;.gguf: 4.910 bits per weight" in html
    assert "embeddings, norms and biases too" in scope_html(FILES) and "not quantized" not in scope_html(FILES)
    table = table_html(FILES)
    assert "Q6_K, 6.56 bits" in table and "IQ4_NL, 4.50 bits" in table and "<m>" not in table
    assert types_html(FILES).count('role="group"') == 2 and "<m>" not in types_html(FILES)
    assert types_html(REPORT) == ""


def test_a_layer_of_two_files_has_types_and_no_scale() -> None:
    layer = next(layer for layer in FILES.schemes[0].layers if layer.block == 3 and not layer.identical)
    choice = Choice(FILES.schemes[0].scheme, layer.name)
    head = layer_drawn(False, FILES, choice, None)[0]
    assert "→ Q8_0, 8.50 bits" in head and "cut off" not in head
    assert "Grey: ann/&lt;m&gt;.gguf. Colour: bob/&lt;m&gt;.gguf." in head
    stop = Event()
    assert list(stream_detail(FILES, choice, ScriptedBackend(), Line(longest=2), stop)) == []


def test_vectors_are_listed_and_not_drawn() -> None:
    scheme = FILES.schemes[0]
    norm = scheme.layers[0].model_copy(update={"name": "model.norm", "projection": "norm", "block": None, "shape": (8,)})
    report = FILES.model_copy(update={"schemes": (scheme.model_copy(update={"layers": (*scheme.layers, norm)}),)})
    assert "norm" not in map_html(report, first_choice(report))
    assert 'title="model.norm"' in table_html(report)


@pytest.mark.parametrize("other", ["", "  ", None, 3])
def test_no_other_file_is_an_error(other: object) -> None:
    views = list(looked_at_files("tiny-lm", other, ScriptedBackend(), Line(longest=2), Event()))
    assert [view.error and view.error.message for view in views] == ["No other file is chosen."]


def test_files_are_compared_by_the_backend() -> None:
    *_others, last = looked_at_files("tiny-lm", " /data/bob/m.gguf ", ScriptedBackend(), Line(longest=2), Event())
    assert last.report is not None and last.report.schemes[0].scheme == "/data/bob/m.gguf"
    [refused] = [view.error for view in looked_at_files("tiny-lm", "other", ScriptedBackend(), Line(longest=2), Event()) if view.error]
    assert "are not files of one model" in refused.message
