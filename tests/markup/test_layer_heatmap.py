"""The map of layers: who stands where, how strong its colour is, and nothing of a checkpoint's names as markup."""

import re

import pytest

from qdash.markup.layer_heatmap import extremes, grids, heat_html
from qdash.records import LayerWeights
from tests.support.scripted_weights import report_of

LAYERS = report_of("bnb-nf4").schemes[0].layers


def layer(part: str, block: int | None, projection: str, sqnr_db: float | None, name: str = "") -> LayerWeights:
    update = {"part": part, "block": block, "projection": projection, "sqnr_db": sqnr_db, "name": name or f"{part}.{block}.{projection}"}
    return LAYERS[0].model_copy(update=update)


def test_parts_come_in_order_and_columns_as_in_a_block() -> None:
    vision, projector, language = grids(LAYERS)
    assert (vision.part, projector.part, language.part) == ("vision", "projector", "language")
    assert language.kinds == ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    assert [block for block, _ in language.rows] == list(range(24))
    assert [block for block, _ in projector.rows] == [None]
    cell = language.rows[3][1][6]
    assert cell is not None and LAYERS[cell.at].name.endswith("layers.3.mlp.down_proj") and cell.layers == 1


def test_layers_of_one_place_are_as_bad_as_their_worst() -> None:
    experts = [layer("language", 0, "down_proj", decibels, f"experts.{at}") for at, decibels in enumerate((20.0, 15.0, None))]
    (grid,) = grids(experts)
    cell = grid.rows[0][1][0]
    assert cell is not None and (cell.at, cell.layers, cell.layer.sqnr_db) == (1, 3, 15.0)
    assert "worst of 3" in heat_html(experts)


def test_a_layer_that_is_not_there_leaves_its_cell_empty() -> None:
    (grid,) = grids([layer("language", 0, "q_proj", 20.0), layer("language", 1, "k_proj", 20.0)])
    assert [[cell is not None for cell in cells] for _, cells in grid.rows] == [[True, False], [False, True]]


def test_the_worst_is_strongest_and_says_so() -> None:
    html = heat_html([layer("language", 0, "q_proj", 10.0), layer("language", 0, "k_proj", 20.0), layer("language", 0, "v_proj", 17.5)])
    assert re.findall(r"--q:(\d+)%", html) == ["100", "0", "25"]
    assert 'aria-label="language · layer 0 · q projection: 10.0 dB"' in html
    assert re.findall(r">([\d.]+)</button>", html) == ["10.0", "20.0", "17.5"]


def test_maps_side_by_side_share_their_colours() -> None:
    html = heat_html([layer("language", 0, "q_proj", 10.0), layer("language", 0, "k_proj", 50.0)], between=(10.0, 30.0))
    assert re.findall(r"--q:(\d+)%", html) == ["100", "0"]


def test_no_error_is_the_palest_and_one_value_is_no_division_by_zero() -> None:
    assert re.findall(r"--q:(\d+)%", heat_html([layer("vision", 0, "fc1", 10.0), layer("vision", 0, "fc2", None)])) == ["50", "0"]
    assert "no error" in heat_html([layer("vision", 0, "fc1", None)])
    assert heat_html([]).count("<button") == 0
    assert extremes([]) == (-1.0, 1.0)


def test_all_but_equal_layers_look_equal() -> None:
    alike = [layer("vision", 0, "fc1", 20.6), layer("vision", 0, "fc2", 21.0)]
    assert extremes(alike) == pytest.approx((19.8, 21.8))
    assert re.findall(r"--q:(\d+)%", heat_html(alike)) == ["60", "40"]


def test_one_cell_takes_the_keyboard() -> None:
    name = LAYERS[9].name
    html = heat_html(LAYERS, chosen=name)
    assert html.count('tabindex="0"') == html.count('aria-pressed="true"') == 1
    assert 'data-at="9" aria-pressed="true" tabindex="0"' in html
    assert heat_html(LAYERS).count('tabindex="0"') == 1
    alike = [layer("language", 0, "q_proj", 10.0, "worse"), layer("language", 0, "q_proj", 20.0, "better")]
    unseen = heat_html(alike, chosen="better")
    assert unseen.count('tabindex="0"') == 1, "the layer picked is behind a worse one"
    assert "<button" not in heat_html(LAYERS, still=True)


def test_names_are_escaped() -> None:
    html = heat_html([layer('<img src=x onerror="1">', 0, '"><script>_proj', 10.0)])
    assert "<img" not in html and "<script" not in html


def test_a_large_model_stays_small() -> None:
    many = [layer("language", block, f"kind_{kind}", 20.0) for block in range(96) for kind in range(12)]
    assert len(heat_html(many)) < 300_000
