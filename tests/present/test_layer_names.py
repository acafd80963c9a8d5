"""Layers have names that can be said aloud."""

from dataclasses import dataclass

import pytest

from qdash.present.layer_names import kind, spoken_name, usual_order


@dataclass(frozen=True)
class Layer:
    part: str
    block: int | None
    projection: str


@pytest.mark.parametrize(
    ("layer", "spoken"),
    [
        (Layer("language", 3, "down_proj"), "language · layer 3 · down projection"),
        (Layer("vision", 0, "fc1"), "vision · layer 0 · fc1"),
        (Layer("projector", None, "linear_1"), "projector · linear 1"),
        (Layer("projector", None, "mm_projector.0"), "projector · mm projector 0"),
        (Layer("language", 1, "query_key_value"), "language · layer 1 · query key value"),
    ],
)
def test_layers_have_speakable_names(layer: Layer, spoken: str) -> None:
    assert spoken_name(layer) == spoken


def test_attention_comes_before_the_rest() -> None:
    ordered = sorted(
        ["down_proj", "strange", "up_proj", "q_proj", "fc2", "fc1", "gate_proj", "o_proj", "v_proj", "k_proj"], key=usual_order
    )
    assert ordered == ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "fc1", "fc2", "down_proj", "strange"]
    assert kind("gate_up_proj") == "gate up"
