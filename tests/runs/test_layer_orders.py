"""Errors of weights beside damage to answers: the rank correlation against scipy's, ranks by hand, and which layers are which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qdash.catalog.parts import part_of
from qdash.engine.layers import convertible_layers
from qdash.engine.stored import stored_layers
from qdash.present.layer_names import block_of, projection_of
from qdash.records import LayerDamage, LayerWeights
from qdash.runs.layer_orders import layer_orders, matched
from tests.engine.test_stored import skeleton
from tests.support.checkpoints import TEXT, VISION
from tests.support.damages import damages, layer_names
from tests.support.scripted_weights import report_of

LAYER = report_of("bnb-nf4").schemes[0].layers[0]


def stored(name: str, sqnr_db: float | None = 20.0, part: str = "language") -> LayerWeights:
    place = {"name": name, "part": part, "block": block_of(name), "projection": projection_of(name)}
    return LAYER.model_copy(update={**place, "sqnr_db": sqnr_db})


def costs(nats: dict[str, float | None]) -> tuple[LayerDamage, ...]:
    return damages({name: {"bnb-nf4": value} for name, value in nats.items()}).layers


@given(st.lists(st.tuples(st.integers(5, 40), st.integers(0, 30)), min_size=2, max_size=40))
def test_the_rank_correlation_is_scipys(pairs: list[tuple[int, int]]) -> None:
    names = layer_names(10)[: len(pairs)]
    layers = [stored(name, float(sqnr_db)) for name, (sqnr_db, _) in zip(names, pairs, strict=True)]
    orders = layer_orders(layers, costs({name: nats / 100 for name, (_, nats) in zip(names, pairs, strict=True)}))
    errors, harm = zip(*pairs, strict=True)
    if len(set(errors)) == 1 or len(set(harm)) == 1:
        assert orders.rho is None
    else:
        expected = stats.spearmanr([-error for error in errors], harm)[0]
        assert orders.rho == pytest.approx(expected, abs=1e-9)
    assert [layer.error_rank for layer in orders.layers] == pytest.approx(stats.rankdata(errors))
    assert [layer.damage_rank for layer in orders.layers] == pytest.approx(stats.rankdata([-nats for nats in harm]))


def test_rank_1_is_the_worst_and_the_largest_differences_come_first() -> None:
    names = layer_names(1)
    layers = [stored(name, sqnr_db) for name, sqnr_db in zip(names, (10.0, 20.0, 30.0, None), strict=True)]
    orders = layer_orders(layers, costs(dict(zip(names, (0.01, 0.02, 0.03, 0.5), strict=True))))
    assert [(layer.error_rank, layer.damage_rank) for layer in orders.layers] == [(1, 4), (2, 3), (3, 2), (4, 1)]
    assert orders.rho == pytest.approx(-1)
    assert [layer.layer.name for layer in orders.furthest_apart(3)] == [names[0], names[3], names[1]]
    same = layer_orders(layers, costs(dict(zip(names, (0.5, 0.03, 0.02, 0.01), strict=True))))
    assert same.rho == pytest.approx(1) and same.furthest_apart(3) == ()


def test_layers_without_a_figure_are_left_out() -> None:
    names = layer_names(1)
    orders = layer_orders([stored(name) for name in names[:3]], costs({names[0]: 0.1, names[1]: None, names[3]: 0.2}))
    assert [layer.layer.name for layer in orders.layers] == [names[0]] and orders.rho is None
    assert layer_orders([], ()).layers == ()


def test_names_of_a_checkpoint_are_matched_with_those_of_its_model() -> None:
    pairs = {
        "language_model.model.layers.3.mlp.down_proj": "model.language_model.layers.3.mlp.down_proj",
        "language_model.model.layers.4.mlp.down_proj": "model.language_model.layers.4.mlp.down_proj",
        "language_model.model.layers.3.cross_attn.q_proj": "model.language_model.layers.3.cross_attn.q_proj",
        "language_model.model.layers.3.self_attn.q_proj": "model.language_model.layers.3.self_attn.q_proj",
        "vision.stages.0.blocks.1.fc1": "model.vision_tower.stages.0.blocks.1.fc1",
        "vision.stages.0.blocks.2.fc1": "model.vision_tower.stages.0.blocks.2.fc1",
    }
    layers = [stored(name) for name in pairs]
    found = matched(layers, costs(dict.fromkeys(reversed(pairs.values()), 0.1)))
    assert {name: damage.name for name, damage in found.items()} == pairs


@pytest.mark.parametrize("architecture", [*VISION, *TEXT])
def test_all_layers_of_a_checkpoint_are_found_in_its_model(checkpoint, architecture) -> None:
    folder = checkpoint(architecture)
    model = skeleton(folder)
    with stored_layers(folder, model, convertible_layers(model)) as found:
        pairs = {layer.name: layer.module for layer in found}
    layers = [stored(name, part=part_of(module)) for name, module in pairs.items()]
    damage = [cost.model_copy(update={"part": part_of(cost.name)}) for cost in costs(dict.fromkeys(sorted(pairs.values()), 0.1))]
    assert {name: damage.name for name, damage in matched(layers, damage).items()} == pairs


def test_a_layer_that_cannot_be_told_has_no_match() -> None:
    layers = [
        stored("a.layers.0.q_proj"),
        stored("b.layers.0.q_proj"),
        stored("a.layers.0.k_proj"),
        stored("v.layers.0.o_proj", part="vision"),
    ]
    assert matched(layers, costs({"x.layers.0.q_proj": 0.1, "x.layers.1.k_proj": 0.1, "x.layers.0.o_proj": 0.1})) == {}
    exact = matched(layers, costs({"a.layers.0.q_proj": 0.1, "x.layers.0.q_proj": 0.2}))
    assert {name: damage.name for name, damage in exact.items()} == {
        "a.layers.0.q_proj": "a.layers.0.q_proj", "b.layers.0.q_proj": "x.layers.0.q_proj",
    }  # fmt: skip
