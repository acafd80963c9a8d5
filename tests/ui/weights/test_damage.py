"""The map of the damage to the answer: what is drawn and said, where nothing is known, and the stream that measures it."""

import re
from collections.abc import Generator
from dataclasses import replace
from threading import Event
from typing import Any

import pytest
from scipy import stats

from qdash.errors import QdashError
from qdash.present.layer_names import spoken_name
from qdash.records import LayerDamage
from qdash.ui.server.limited_backend import LimitedBackend
from qdash.ui.server.run_queue import Line
from qdash.ui.weights.damage_stream import damage_measured
from qdash.ui.weights.damage_view import shown_map_html, told_html
from qdash.ui.weights.selection import SIDE_BY_SIDE, Choice, with_quantity, with_scale, with_scheme
from qdash.ui.weights.view import map_html
from tests.support.scripted import ENDLESS, ScriptedBackend
from tests.support.scripted_damage import WITHOUT, damage_report, layer_damage, layer_damages, module
from tests.support.scripted_weights import files_report, places, report_of

KEYS = ["bnb-int8", "bnb-nf4"]
REPORT = report_of(*KEYS)
DAMAGE = damage_report(layer_damages(KEYS))
DOWN = "model.language_model.layers.3.mlp.down_proj"
CHOICE = Choice("bnb-nf4", DOWN, by_damage=True)


def strengths(html: str) -> list[int]:
    return [int(found) for found in re.findall(r"--q:(\d+)%", html)]


def labels(html: str) -> list[str]:
    return [label.rpartition(": ")[0] for label in re.findall(r'class="cell[^>]*aria-label="([^"]*)"', html)]


def test_the_switch_turns_to_damage_and_back() -> None:
    assert with_quantity(replace(CHOICE, by_damage=False), "damage") == CHOICE
    assert not with_quantity(CHOICE, "error").by_damage and not with_quantity(CHOICE, None).by_damage
    plain = replace(CHOICE, by_damage=False)
    assert shown_map_html(REPORT, plain, DAMAGE) == map_html(REPORT, plain) and told_html(REPORT, plain, DAMAGE) == ""


def test_the_map_has_the_same_cells_and_the_most_damage_is_strongest() -> None:
    html = shown_map_html(REPORT, CHOICE, DAMAGE)
    assert labels(html) == labels(map_html(REPORT, CHOICE)) and "lacks-damage" not in html
    assert html.count('aria-pressed="true"') == 1 and 'aria-label="Layers by damage to the answer"' in html
    nats = [layer_damage("bnb-nf4", place).kl_mean_nats for place in places()]
    worst = max(places(), key=lambda place: layer_damage("bnb-nf4", place).kl_mean_nats or 0.0)
    own = shown_map_html(REPORT, with_scale(CHOICE, True), DAMAGE)
    found = dict(zip(labels(own), strengths(own), strict=True))
    assert found[spoken_name(worst)] == 100 and min(found.values()) == 0
    figure = layer_damage("bnb-nf4", worst)
    assert f"{spoken_name(worst)}: {figure.kl_mean_nats:.2g} ± {figure.kl_se:.2g} nats" in html
    assert f"<span>{max(filter(None, nats)):.2g} nats</span>" in own


def test_the_scale_is_logarithmic() -> None:
    three = [place for place in places() if place.block == 5 and place.part == "language"][:3]
    layers = [
        layer_damage("bnb-nf4", place).model_copy(update={"kl_mean_nats": nats})
        for place, nats in zip(three, (1e-2, 1e-4, 1e-3), strict=True)
    ]
    html = shown_map_html(REPORT, with_scale(CHOICE, True), damage_report(layers))
    found = dict(zip(labels(html), strengths(html), strict=True))
    assert [found[spoken_name(place)] for place in three] == [100, 0, 50]


def test_a_layer_without_a_figure_is_blank_and_says_why() -> None:
    html = shown_map_html(REPORT, CHOICE, DAMAGE)
    assert html.count("cell blank") == 1 and "vision · layer 11 · fc2: its scores are NaN or infinite" in html
    assert "1 layer has no figure and is left blank." in told_html(REPORT, CHOICE, DAMAGE)
    some = damage_report([entry for entry in DAMAGE.layers if "vision" not in entry.name], complete=False)
    html = shown_map_html(REPORT, CHOICE, some)
    assert html.count("cell blank") == 72 and "vision · layer 0 · fc1: no figure" in html and "lacks-damage" in html
    assert "72 layers have no figure" in told_html(REPORT, CHOICE, some) and "It was stopped" in told_html(REPORT, CHOICE, some)


def test_no_damage_is_the_palest() -> None:
    layers = [layer_damage("bnb-nf4", place).model_copy(update={"kl_mean_nats": 0.0}) for place in places()]
    html = shown_map_html(REPORT, CHOICE, damage_report(layers))
    assert set(strengths(html)) == {0} and "blank" not in html
    assert "no order that could be compared" in told_html(REPORT, CHOICE, damage_report(layers))


def test_the_rank_correlation_and_the_layers_ranked_most_differently_are_told() -> None:
    html = told_html(REPORT, CHOICE, DAMAGE)
    layers = [layer for layer in REPORT.schemes[1].layers if layer.name != WITHOUT]
    nats = {entry.name: entry.kl_mean_nats for entry in DAMAGE.layers if entry.scheme == "bnb-nf4"}
    errors, harm = [-(layer.sqnr_db or 0.0) for layer in layers], [nats[module(layer.name)] or 0.0 for layer in layers]
    assert f"ρ = {stats.spearmanr(errors, harm)[0]:.2f} over 241 layers." in html
    ranks = [stats.rankdata([-value for value in values]) for values in (errors, harm)]
    apart = sorted(zip(abs(ranks[0] - ranks[1]), layers, *ranks, strict=True), key=lambda entry: -entry[0])[:3]
    told = re.findall(r"<li><b>(.*?)</b>: (.*?)</li>", html)
    assert told == [
        (spoken_name(layer), f"error rank {error:g} of 241, damage rank {damage:g}") for _difference, layer, error, damage in apart
    ]
    assert "along its own 8 answers, 128 tokens" in html and "Estimated" not in html
    estimated = told_html(REPORT, CHOICE, DAMAGE.model_copy(update={"method": "estimated", "spearman": 0.91, "checked": 12}))
    assert "12 layers were measured as well: rank correlation 0.91." in estimated


def test_side_by_side_each_scheme_has_its_correlation() -> None:
    together = with_scheme(CHOICE, SIDE_BY_SIDE)
    html = shown_map_html(REPORT, together, DAMAGE)
    assert html.count('class="heat-of') == 2 and html.count('aria-pressed="true"') == 1
    told = told_html(REPORT, together, DAMAGE)
    assert "INT8 (LLM.int8): Rank correlation" in told and "NF4 4-bit: Rank correlation" in told and "<li>" not in told
    one = damage_report(layer_damages(["bnb-nf4"]))
    assert "INT8 (LLM.int8): not known yet." in told_html(REPORT, together, one) and "lacks-damage" in shown_map_html(REPORT, together, one)


@pytest.mark.parametrize(
    "damage", [None, damage_report(layer_damages(["bnb-int8"])), damage_report(layer_damages(KEYS), model="another model")]
)
def test_where_nothing_is_known_there_is_an_offer_and_no_map(damage: Any) -> None:
    html = shown_map_html(REPORT, CHOICE, damage)
    assert "lacks-damage" in html and "<button" not in html
    told = told_html(REPORT, CHOICE, damage)
    assert told.count("<p>") == 1 and "Not known yet" in told and "ρ" not in told


def test_a_scheme_that_is_not_for_one_layer_says_so_and_offers_nothing() -> None:
    report = REPORT.model_copy(update={"schemes": (REPORT.schemes[0].model_copy(update={"scheme": "gguf", "label": "GGUF"}),)})
    choice = Choice("gguf", DOWN, by_damage=True)
    html = shown_map_html(report, choice, None)
    assert "by-damage" in html and "lacks-damage" not in html
    assert "“gguf” cannot be given to one layer alone." in told_html(report, choice, None)
    [view] = [view for view in damage_measured(report, _Refusing(), Line(2), Event()) if view.error]
    assert view.error is not None and view.error.message == "Refused: gguf"


def test_the_answers_of_random_weights_are_not_followed() -> None:
    report = REPORT.model_copy(update={"model": "random:qwen3-4b"})
    assert "lacks-damage" not in shown_map_html(report, CHOICE, None)
    assert "has random weights: what it answers means nothing." in told_html(report, CHOICE, None)


class _Refusing(ScriptedBackend):
    def measure_sensitivity(self, model: str, schemes: Any, *others: Any, **options: Any) -> Generator[Any, None, Any]:
        raise QdashError(f"Refused: {', '.join(schemes)}", "Choose others.")
        yield


def test_files_have_no_damage() -> None:
    files = files_report("/data/ann/m.gguf", "/data/bob/m.gguf")
    choice = Choice(files.schemes[0].scheme, by_damage=True)
    assert shown_map_html(files, choice, None) == map_html(files, choice) and told_html(files, choice, None) == ""
    for report in (files, None):
        [view] = damage_measured(report, ScriptedBackend(), Line(2), Event())
        assert view.error is not None and view.error.message == "There are no schemes whose damage could be measured."


def test_names_are_text() -> None:
    evil = REPORT.schemes[1].layers[0].model_copy(update={"name": "<script>.x", "part": "<b>", "projection": '"><script>', "block": None})
    scheme = REPORT.schemes[1].model_copy(update={"label": "<script>", "layers": (evil, *REPORT.schemes[1].layers)})
    report = REPORT.model_copy(update={"schemes": (REPORT.schemes[0], scheme)})
    entry = LayerDamage(
        name="<script>.x", part="<b>", scheme="bnb-nf4", kl_mean_nats=None, kl_se=None, bytes=1, original_bytes=1, problem="<script>alert"
    )
    damage = DAMAGE.model_copy(update={"layers": (entry, *DAMAGE.layers), "dtype": "<script>"})
    for choice in (CHOICE, with_scheme(CHOICE, SIDE_BY_SIDE), replace(CHOICE, layer="<script>.x")):
        assert "<script" not in shown_map_html(report, choice, damage) + told_html(report, choice, damage)


def test_measuring_tells_how_far_it_is_and_ends_with_a_report() -> None:
    *steps, last = damage_measured(REPORT, ScriptedBackend(pause_s=0), Line(2), Event())
    assert last.report is not None and {entry.scheme for entry in last.report.layers} == set(KEYS)
    assert "layer 2 of 484, about 483 s left" in [view.status for view in steps]


def test_what_is_stopped_keeps_its_layers() -> None:
    stop = Event()
    views = damage_measured(REPORT.model_copy(update={"model": ENDLESS}), ScriptedBackend(pause_s=0), Line(2), stop)
    for view in views:
        if view.status.startswith("layer 200 "):
            stop.set()
            break
    last = list(views)[-1]
    assert last.report is not None and not last.report.complete and len(last.report.layers) == 200


def test_a_public_server_ends_it_and_keeps_what_is_there() -> None:
    backend = LimitedBackend(ScriptedBackend(pause_s=0), 0.5)
    *_steps, last = damage_measured(REPORT.model_copy(update={"model": ENDLESS}), backend, Line(2), Event())
    assert last.report is not None and not last.report.complete and last.report.layers


def test_an_error_is_shown() -> None:
    *_steps, last = damage_measured(REPORT, _Refusing(), Line(2), Event())
    assert last.error is not None and last.error.message == "Refused: bnb-int8, bnb-nf4"
