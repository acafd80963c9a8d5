"""The map of types: every type has a look of its own, a name and a share, and what differs from the first file is marked."""

import re

from qdash.markup.type_map import TypeOf, type_maps_html
from qdash.records import LayerPlace, StoredType

Q4, IQ4, Q6 = StoredType(type="Q4_K", bits=4.5), StoredType(type="IQ4_NL", bits=4.5), StoredType(type="Q6_K", bits=6.5625)


def layer(block: int, kind: str, stored: StoredType, before: str | None = None, weights: int = 10) -> TypeOf:
    name = f"model.layers.{block}.mlp.{kind}"
    return TypeOf(LayerPlace(name=name, part="language", block=block, projection=kind, shape=(2, 5)), name, stored, weights, before)


def test_types_of_one_colour_differ_in_texture() -> None:
    drawn = type_maps_html([("a", [layer(0, "up_proj", Q4), layer(0, "down_proj", IQ4), layer(1, "up_proj", Q6, weights=20)])])
    looks = re.findall(r'<span class="cell (b\d t\d)" role="img" title="([^"]+)"', drawn)
    assert looks == [
        ("b4 t1", "language · layer 0 · up projection: Q4_K, 4.50 bits"),
        ("b4 t0", "language · layer 0 · down projection: IQ4_NL, 4.50 bits"),
        ("b6 t0", "language · layer 1 · up projection: Q6_K, 6.56 bits"),
    ]
    assert re.findall(r"<b>(\w+)</b> ([\d.]+) bits · (\d+%)", drawn) == [
        ("Q6_K", "6.56", "50%"),
        ("IQ4_NL", "4.50", "25%"),
        ("Q4_K", "4.50", "25%"),
    ]
    assert ">Q4_K</span>" in drawn


def test_another_type_than_in_the_first_file_is_marked() -> None:
    first = [layer(0, "up_proj", Q4), layer(0, "down_proj", Q4)]
    drawn = type_maps_html([("a", first), ("b <c>", [layer(0, "up_proj", Q4, "Q4_K"), layer(0, "down_proj", Q6, "Q4_K")])])
    assert drawn.count("changed") == 1 and "down projection: Q6_K, 6.56 bits; Q4_K in the first file" in drawn
    assert "Q6_K</b> 6.56 bits · 0% → 50%" in drawn and "b &lt;c&gt;" in drawn


def test_many_rows_have_no_room_for_names() -> None:
    drawn = type_maps_html([("a", [layer(block, "up_proj", Q4) for block in range(17)])])
    assert ">Q4_K</span>" not in drawn and "layer 16 · up projection: Q4_K, 4.50 bits" in drawn


def test_nothing_is_drawn_where_no_type_is_known() -> None:
    assert type_maps_html([("a", [])]) == ""
