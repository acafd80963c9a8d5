"""Recipes are read as they are meant, and refused in words that help."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.catalog.caches import CACHES
from qdash.catalog.families.recipe import RECIPE, matcher
from qdash.catalog.parts import PARTS
from qdash.catalog.recipes import assigned, cache_of, is_recipe, rules_of
from qdash.catalog.schemes import SCHEMES, find_scheme, order_variants
from qdash.cli.arguments import listed, row
from qdash.errors import QdashError
from qdash.records import Variant

LANGUAGE = "model.language_model.layers.3."
QUANTIZING = [key for key, scheme in SCHEMES.items() if not (scheme.is_baseline or scheme.family.keeps_file or scheme.family.needs_healing)]


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


def test_a_rule_that_names_one_layer_comes_in_its_turn() -> None:
    recipe = find_scheme("a.q_proj=bnb-int8,b.q_proj=bnb-int8,*.q_proj=bnb-nf4,a.q_proj.0=bnb-int8,a.*=ao-int8wo,a.q_proj.0.b=original")
    found = {path: assigned(recipe, path) for path in ("a.q_proj", "b.q_proj", "a.q_proj.0", "a.q_proj.0.b", "c")}
    assert found == {"a.q_proj": "ao-int8wo", "b.q_proj": "bnb-nf4", "a.q_proj.0": "ao-int8wo", "a.q_proj.0.b": None, "c": None}


@given(st.text("ab.*?[]!", max_size=6), st.text("ab.[]", max_size=8))
def test_globs_match_what_python_says(pattern: str, path: str) -> None:
    assert bool(matcher(pattern)(path)) == fnmatchcase(path, pattern)


def test_a_label_says_what_sets_recipes_apart_and_stays_short() -> None:
    assert find_scheme("*=bnb-nf4").label == "NF4"
    assert find_scheme("*=bnb-nf4,vision=bnb-int8,head=original,kv=int4").label == f"NF4 · vision INT8 · {CACHES['int4'].label}"
    mix = find_scheme(
        "*=bnb-nf4," + ",".join(f"*.{number}.*={key}" for number in range(30) for key in [("bnb-int8", "original")[number % 2]])
    )
    assert mix.label == "Mix · NF4, INT8 · 31 rules" and len(mix.about) < 100


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
        ("mlp=gguf", "as its file has it"),
        (",".join(f"*.{n}.*=bnb-nf4" for n in range(1_001)), "1001 rules"),
        (",".join(f"*{'a*' * 9}{n}=bnb-nf4" for n in range(220)), "wildcards within"),
        ("vision=language=bnb-nf4", "language=bnb-nf4"),
        ("kv=int3", "int3"),
        ("kv=bnb-nf4", "KV cache"),
        ("kv=original", "quantizes nothing"),
        ("kv=int4,mlp=bnb-nf4,kv=int8", "twice"),
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


@given(
    st.lists(st.tuples(st.sampled_from(PARTS), st.sampled_from(QUANTIZING)), unique_by=lambda rule: rule[0]),
    st.sampled_from(sorted(CACHES)),
    st.data(),
)
def test_the_kv_cache_goes_with_every_mix_wherever_it_is_named(rules: list[tuple[str, str]], cache: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rules)))
    written = [f"{part}={key}" for part, key in rules]
    scheme = find_scheme(",".join([*written[:place], f"kv={cache}", *written[place:]]))
    assert scheme.key == ",".join([*written, f"kv={cache}"]) and find_scheme(scheme.key) == scheme
    assert cache_of(scheme) == CACHES[cache] and rules_of(scheme) == tuple(rules)
    assert scheme.label.endswith(CACHES[cache].label) and scheme.bits == min((SCHEMES[key].bits or 16 for _, key in rules), default=None)
    simulated = any(SCHEMES[key].kind == "simulated" for _, key in rules) or CACHES[cache].kind == "simulated"
    assert scheme.kind == ("simulated" if simulated else "real")


def test_the_kv_cache_is_about_no_layer() -> None:
    alone = find_scheme("kv=int4")
    assert assigned(alone, LANGUAGE + "mlp.down_proj") is None and rules_of(alone) == ()
    assert find_scheme("mlp=bnb-nf4,kv=original").key == "mlp=bnb-nf4"
    assert all(cache_of(scheme) is None for scheme in SCHEMES.values())
    assert order_variants(["kv=int4,mlp=bnb-nf4", "mlp=bnb-nf4,kv=int4"]) == ["original", "mlp=bnb-nf4,kv=int4"]


def test_a_format_is_real_where_its_package_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for installed in (True, False):
        monkeypatch.setattr("qdash.catalog.caches._is_installed", lambda package, installed=installed: installed)
        assert {find_scheme(f"kv={key}").kind for key in CACHES} == {"real" if installed else "simulated"}
        assert find_scheme("mlp=int3-g64,kv=int4").kind == "simulated"


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
