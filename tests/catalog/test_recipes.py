"""Recipes are read as they are meant, and refused in words that help."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.catalog.families.recipe import RECIPE
from qdash.catalog.parts import PARTS
from qdash.catalog.recipes import assigned, is_recipe
from qdash.catalog.schemes import SCHEMES, find_scheme, order_variants
from qdash.cli.arguments import listed, row
from qdash.errors import QdashError
from qdash.records import Variant

LANGUAGE = "model.language_model.layers.3."
QUANTIZING = [key for key, scheme in SCHEMES.items() if not scheme.is_baseline]


def test_each_layer_gets_what_its_part_is_given() -> None:
    recipe = find_scheme("vision=bnb-int8,projector=original,language=bnb-nf4")
    assert assigned(recipe, "model.vision_tower.encoder.layers.0.mlp.fc1") == "bnb-int8"
    assert assigned(recipe, "model.multi_modal_projector.linear_1") is None
    assert assigned(recipe, LANGUAGE + "self_attn.q_proj") == "bnb-nf4"
    assert assigned(recipe, "lm_head") is None


def test_the_last_rule_that_matches_wins() -> None:
    recipe = find_scheme("language=bnb-nf4,attention=bnb-int8,*.layers.3.*.q_proj=original")
    assert assigned(recipe, LANGUAGE + "mlp.down_proj") == "bnb-nf4"
    assert assigned(recipe, LANGUAGE + "self_attn.k_proj") == "bnb-int8"
    assert assigned(recipe, LANGUAGE + "self_attn.q_proj") is None


def test_a_recipe_is_as_simulated_and_as_small_as_its_parts() -> None:
    mixed = find_scheme("attention=bnb-int8,mlp=int3-g64")
    assert (mixed.kind, mixed.bits, mixed.family) == ("simulated", 3, RECIPE)
    assert {need.package for need in mixed.needs} == {"bitsandbytes"}
    assert find_scheme("attention=bnb-int8,mlp=bnb-nf4").kind == "real"


def test_recipes_have_one_spelling() -> None:
    assert order_variants([" vision = bnb-int8 ,, mlp=bnb-nf4", "vision=bnb-int8,mlp=bnb-nf4"]) == [
        "original",
        "vision=bnb-int8,mlp=bnb-nf4",
    ]


@pytest.mark.parametrize(
    ("recipe", "named"),
    [
        ("vision=", "vision="),
        ("=bnb-nf4", "=bnb-nf4"),
        ("vision=int9", "int9"),
        ("eyes=bnb-nf4", "eyes"),
        ("vision=original", "quantizes nothing"),
        ("vision=bnb-nf4,language=fp16", "fp16"),
        ("mlp=bnb-nf4,mlp=bnb-int8", "twice"),
        (",".join(f"*.{n}.*=bnb-nf4" for n in range(70)), "70 rules"),
        ("vision=language=bnb-nf4", "language=bnb-nf4"),
    ],
)
def test_a_wrong_recipe_is_named(recipe: str, named: str) -> None:
    with pytest.raises(QdashError) as caught:
        find_scheme(recipe)
    assert named in caught.value.message and caught.value.remedy


@given(st.lists(st.tuples(st.sampled_from(PARTS), st.sampled_from(QUANTIZING)), min_size=1, unique_by=lambda rule: rule[0]))
def test_every_part_takes_every_scheme(rules: list[tuple[str, str]]) -> None:
    text = ",".join(f"{part}={key}" for part, key in rules)
    scheme = find_scheme(text)
    assert is_recipe(scheme.key) and find_scheme(scheme.key) == scheme
    assert scheme.bits == min(SCHEMES[key].bits or 16 for _, key in rules)


def test_rules_that_follow_each_other_are_one_recipe() -> None:
    assert listed("original, vision=bnb-int8,language=bnb-nf4 ,bnb-nf4") == ["original", "vision=bnb-int8,language=bnb-nf4", "bnb-nf4"]
    assert listed("mlp=bnb-nf4;mlp=bnb-int8") == ["mlp=bnb-nf4", "mlp=bnb-int8"]
    assert listed(" , ") == []


def test_a_row_is_a_model_and_a_scheme() -> None:
    assert row("/models/a@b@bnb-nf4") == Variant(model="/models/a@b", scheme="bnb-nf4")
    assert row("owner/name @ mlp=bnb-nf4,attention=bnb-int8").scheme == "mlp=bnb-nf4,attention=bnb-int8"
    for wrong in ("tiny-vlm", "@original", "tiny-vlm@", ""):
        with pytest.raises(QdashError, match="MODEL@SCHEME"):
            row(wrong)


def test_a_long_text_is_refused_at_once_and_not_repeated() -> None:
    for text in (",".join(f"*.{n}.*=bnb-nf4" for n in range(45_000)), "language=" + "x" * 3_000, "x" * 3_000 + "=bnb-nf4"):
        with pytest.raises(QdashError) as caught:
            find_scheme(text)
        assert len(str(caught.value)) < 1_500
