"""A recipe made from an assignment of schemes to layers assigns exactly that."""

from collections.abc import Mapping

from hypothesis import example, given, settings
from hypothesis import strategies as st

from qdash.catalog.recipe_writing import recipe_of
from qdash.catalog.recipes import assigned
from qdash.catalog.schemes import find_scheme

KEYS = [None, "bnb-nf4", "bnb-int8", "int3-g64", "ao-int8wo"]
WORDS = st.one_of(
    st.sampled_from(["model", "layers", "mlp", "head", "vision", "q_proj", "0", "1", "12", "kv"]), st.text("ab*?[]-_0", min_size=1)
)
PATHS = st.lists(WORDS, min_size=1, max_size=5).map(".".join)
PROJECTIONS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


def check(assignment: Mapping[str, str | None]) -> str:
    text = recipe_of(assignment)
    scheme = find_scheme(text)
    if text == "original":
        assert set(assignment.values()) <= {None}
    else:
        assert {path: assigned(scheme, path) for path in assignment} == assignment
        assert scheme.key == text
    return text


@settings(max_examples=60)
@given(st.dictionaries(PATHS, st.sampled_from(KEYS), min_size=1, max_size=25))
@example({"a": "bnb-nf4", "a.b": "bnb-int8", "b.a": None, "a.b.a": "bnb-nf4"})
@example({"fc": "bnb-nf4", "mlp": "bnb-nf4", "vision": None, "x.mlp": None})
def test_any_assignment_comes_back(assignment: dict[str, str | None]) -> None:
    check(assignment)


def blocks(count: int) -> list[str]:
    return [f"model.language_model.layers.{block}.{name}" for block in range(count) for name in PROJECTIONS]


@settings(max_examples=10)
@given(st.randoms(use_true_random=False), st.integers(2, 5))
def test_any_mix_of_a_whole_model_comes_back(drawn, schemes: int) -> None:
    assignment = {path: drawn.choice(KEYS[:schemes]) for path in blocks(40)}
    assert len(check(assignment)) < 14_000


def test_what_has_a_pattern_takes_few_rules() -> None:
    paths = blocks(30)
    assert check(dict.fromkeys(paths, "bnb-nf4")) == "*=bnb-nf4"
    down = {path: "bnb-int8" if path.endswith("down_proj") else "bnb-nf4" for path in paths}
    assert check(down) == "*=bnb-nf4,*.down_proj=bnb-int8"
    ends = {path: "bnb-int8" if ".layers.0." in path or ".layers.29." in path else "bnb-nf4" for path in paths}
    assert check(ends) == "*=bnb-nf4,*.0.*=bnb-int8,*.29.*=bnb-int8"
    one = {path: None if path == paths[31] else "bnb-nf4" for path in paths}
    assert check(one) == "*=bnb-nf4,*.4.self_attn.o_proj=original"
    both = down | {path: None for path in paths if ".layers.7.mlp." in path}
    assert check(both) == "*=bnb-nf4,*.down_proj=bnb-int8,*.7.mlp.*=original"
    few = {path: "bnb-nf4" if ".layers.3.mlp." in path else None for path in paths}
    assert check(few) == "*.3.mlp.*=bnb-nf4"
