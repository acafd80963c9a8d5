"""Keys of pruning schemes: any share, and clear words for what is none."""

import re

import pytest

from qdash.catalog.families.pruning import PRUNING, PruningParams
from qdash.catalog.schemes import SCHEMES, find_scheme, order_variants
from qdash.errors import QdashError


@pytest.mark.parametrize(("key", "method", "percent"), [("prune-rows-45", "rows", 45), ("prune-global-1", "global", 1)])
def test_any_whole_percentage_makes_a_scheme(key: str, method: str, percent: int) -> None:
    scheme = find_scheme(key)
    assert PruningParams.of(scheme) == PruningParams(method, percent) and scheme.family is PRUNING  # type: ignore[arg-type]
    assert scheme.key == key and f"{percent}%" in scheme.label and f"{percent}%" in scheme.about
    assert find_scheme(f"mlp={key}").kind == scheme.kind


def test_pruning_in_steps_is_healed_and_compared_with_as_much_at_once() -> None:
    scheme = find_scheme("prune-iterative-70")
    assert scheme.family.needs_healing and scheme.family.unhealed(scheme) == "prune-global-70"
    assert scheme.family.kept(scheme, (8, 8), None) == pytest.approx(0.3)
    with pytest.raises(QdashError, match="healed as a whole"):
        find_scheme("mlp=prune-iterative-70")


def test_listed_ones_are_what_their_keys_stand_for() -> None:
    listed = [key for key, scheme in SCHEMES.items() if scheme.family is PRUNING]
    assert {"prune-rows-30", "prune-global-50", "prune-24"} <= set(listed)
    assert order_variants(["prune-rows-030", "prune-rows-30"]) == ["original", "prune-rows-30"]


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("prune-rows-0", "“0”"), ("prune-rows-100", "“100”"), ("prune-rows-", "“”"), ("prune-rows-30.5", "“30.5”"),
        ("prune-iterative-0", "“0”"), ("prune-iterative-", "“”"),
        ("prune-rows-x", "“x”"), ("prune-rows-٣٠", "“٣٠”"), ("prune-rows-" + "9" * 5000, "999"),
        ("prune-columns-30", "prune-columns-30"), ("prune-30", "prune-30"), ("prune-", "prune-"), ("prune-24-30", "prune-24-30"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_what_is_allowed(key: str, named: str) -> None:
    with pytest.raises(QdashError) as caught:
        find_scheme(key)
    assert named in caught.value.message and re.search("prune-(rows|iterative)-30", caught.value.remedy) and len(str(caught.value)) < 400
