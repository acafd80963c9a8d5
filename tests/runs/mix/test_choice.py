"""The choice of a scheme for each layer against every choice there is."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdash.catalog.recipes import assigned
from qdash.catalog.schemes import find_scheme
from qdash.errors import QdashError
from qdash.records import Mix
from qdash.runs.mix.budget import Budget, read_budget
from qdash.runs.mix.choice import Choices, Limits
from tests.support.damages import BITS, damages, layer_names

SCHEMES = tuple(BITS)
COSTS = st.dictionaries(
    st.sampled_from(layer_names(2)),
    st.dictionaries(st.sampled_from(SCHEMES), st.just(0.0) | st.floats(1e-100, 1), min_size=1),
    min_size=1,
    max_size=5,
)


def check(mix: Mix, costs: dict[str, dict[str, float]]) -> None:
    """The recipe says what the layers say."""
    scheme = find_scheme(mix.recipe)
    for layer in mix.layers:
        assert (assigned(scheme, layer.name) or "original") == layer.scheme or mix.recipe == "original"
        assert layer.scheme == "original" or layer.scheme in costs[layer.name]


@settings(max_examples=50)
@given(COSTS, st.data())
def test_no_mix_within_the_budget_costs_less(costs: dict[str, dict[str, float]], data: st.DataObject) -> None:
    weights = [64 * data.draw(st.integers(1, 4)) for _ in costs]
    report = damages(costs, weights)
    sizes = dict(zip(costs, weights, strict=True))
    every = [
        (
            1000 + sum(sizes[name] * BITS.get(key, 32) // 8 for name, key in zip(costs, keys, strict=True)),
            sum(costs[name].get(key, 0.0) for name, key in zip(costs, keys, strict=True)),
        )
        for keys in itertools.product(*(["original", *own] for own in costs.values()))
    ]
    choices, room = Choices(report, SCHEMES), data.draw(st.integers(1000, 6000))
    assert choices.smallest_bytes == min(size for size, _ in every)
    if room < choices.smallest_bytes:
        with pytest.raises(QdashError, match=f"{choices.smallest_bytes:,} bytes"):
            choices.best(Budget(room, "bytes"))
        return
    mix = choices.best(Budget(room, "bytes"))
    check(mix, costs)
    assert mix.weights_bytes <= room
    assert mix.predicted_kl_nats == pytest.approx(min(nats for size, nats in every if size <= room), abs=1e-9)
    smallest = choices.best(Budget(mix.predicted_kl_nats, "nats"))
    check(smallest, costs)
    assert smallest.weights_bytes <= mix.weights_bytes and smallest.predicted_kl_nats <= mix.predicted_kl_nats * (1 + 1e-9)


def test_a_budget_is_bytes_bits_times_or_damage() -> None:
    report = damages({name: {"bnb-int8": 0.01, "bnb-nf4": 0.1} for name in layer_names(2)})
    choices = Choices(report, SCHEMES)
    assert choices.original_bytes == 1000 + 8 * 64 * 4
    assert choices.bytes_of(read_budget("1.5 kB")) == 1500 and choices.bytes_of(read_budget("2KiB")) == 2048
    assert choices.bytes_of(read_budget("8bits")) == 1000 + 8 * 64
    assert choices.bytes_of(read_budget("2x")) == choices.original_bytes // 2
    assert choices.bytes_of(read_budget("0.05nats")) is None
    eight = choices.best(read_budget("8 bits"))
    assert (eight.bits, eight.recipe) == (8, "*=bnb-int8")
    assert choices.best(read_budget("0nats")).recipe == "original"
    assert choices.best(read_budget("0.08nats")).recipe == "*=bnb-int8"


@pytest.mark.parametrize("wrong", ["", "4", "fast", "-3bits", "0GB", "1e9GB", "4 xs", "nats", "9" * 99 + "B"])
def test_what_is_no_budget_is_refused(wrong: str) -> None:
    with pytest.raises(QdashError, match="udget"):
        read_budget(wrong)


def test_some_layers_stay_together_and_some_as_they_are() -> None:
    names = layer_names(3)
    costs = {name: {"bnb-int8": 0.01 * place, "bnb-nf4": 0.1 * place} for place, name in enumerate(names, 1)}
    free = Choices(damages(costs), SCHEMES).best(Budget(6, "bits"))
    assert len({layer.scheme for layer in free.layers if layer.name.endswith("q_proj")}) > 1
    bound = Choices(damages(costs), SCHEMES, Limits(("*.q_proj", "*.0.*"), ("*.1.mlp.*",))).best(Budget(9, "bits"))
    together = {layer.scheme for layer in bound.layers if layer.name.endswith("q_proj") or ".0." in layer.name}
    assert len(together) == 1
    assert {layer.scheme for layer in bound.layers if ".1.mlp." in layer.name} == {"original"}
    for limits in (Limits(("*.w_proj",)), Limits((), ("nothing*",))):
        with pytest.raises(QdashError, match="No layer is called"):
            Choices(damages(costs), SCHEMES, limits)


def test_a_scheme_that_failed_on_a_layer_is_not_chosen_there() -> None:
    first, second = layer_names(1)[:2]
    report = damages({first: {"bnb-int8": 0.1, "bnb-nf4": None}, second: {"bnb-nf4": 0.1}})
    smallest = Choices(report, SCHEMES).best(Budget(9.0, "nats"))
    assert {layer.name: layer.scheme for layer in smallest.layers} == {first: "bnb-int8", second: "bnb-nf4"}
    joined = Choices(report, SCHEMES, Limits(("*",))).best(Budget(9.0, "nats"))
    assert {layer.name: layer.scheme for layer in joined.layers} == {first: "bnb-int8", second: "original"}


def test_a_mix_drawn_by_chance_is_as_large_and_comes_back() -> None:
    costs = {name: {"bnb-int8": 0.01, "bnb-nf4": 0.1} for name in layer_names(12)}
    choices = Choices(damages(costs), SCHEMES)
    size = choices.bytes_of(Budget(5, "bits"))
    assert size is not None
    drawn = choices.drawn(size)
    assert size * 0.98 < drawn.weights_bytes <= size and drawn == choices.drawn(size) != choices.drawn(size, 1)
    assert choices.drawn(choices.smallest_bytes).weights_bytes == choices.smallest_bytes
