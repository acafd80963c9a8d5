"""A family is named in its own files alone: whoever wants to know something of a scheme asks its family, not which it has."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from qdash.catalog.families.bitsandbytes import BITSANDBYTES, BitsAndBytesParams
from qdash.catalog.families.recipe import RECIPE
from qdash.catalog.families.torchao import TorchAoParams
from qdash.catalog.schemes import SCHEMES, families, find_scheme, packages

ROOT = Path(__file__).parents[2]
OWN = (ROOT / "qdash" / "catalog" / "families", ROOT / "qdash" / "engine" / "schemes")
TABLE = ROOT / "qdash" / "catalog" / "schemes.py"

# Words of a config.json that others wrote, which are those of packages.
PUBLISHED = {ROOT / "qdash" / "checkpoints" / "published.py"}

NAMES = {*packages(), *(family.engine for family in families()), RECIPE.engine}
NAMES |= {name.rpartition(".")[2] for name in NAMES if "torch" in name or "bits" in name}
NAMES |= {name.replace("_", "-") for name in NAMES}


def sources() -> list[Path]:
    files = [*(ROOT / "qdash").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py"), ROOT / "app.py"]
    return [path for path in files if path != TABLE and not any(folder in path.parents for folder in OWN)]


def compared(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """In every comparison, the attributes (“family”, “key”, “scheme”) and the texts on its sides."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            attributes = [side.attr for side in sides if isinstance(side, ast.Attribute)]
            texts = [inner.value for side in sides for inner in ast.walk(side) if isinstance(inner, ast.Constant)]
            yield from ((attribute, text) for attribute in attributes for text in texts if isinstance(text, str))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_family_is_named_by_a_text(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path not in PUBLISHED:
        texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        assert not texts & NAMES
    asked = {(attribute, text) for attribute, text in compared(tree) if attribute in ("family", "key", "scheme")}
    measured = {"original", "fp32"}  # what is compared with others is singled out by benchmarks
    assert not {pair for pair in asked if pair[0] == "family" or pair[1] in SCHEMES.keys() - measured}


def test_the_names_are_those_that_are_looked_for() -> None:
    assert {"bitsandbytes", "torchao", "torch-dynamic", "torch_dynamic", "qdash.engine.schemes.simulated"} <= NAMES


@pytest.mark.parametrize("family", [*families(), RECIPE], ids=lambda family: type(family).__name__)
def test_each_has_both_halves_under_one_name(family) -> None:
    assert family.engine.rpartition(".")[2] == type(family).__module__.rpartition(".")[2]
    assert (OWN[1] / f"{family.engine.rpartition('.')[2]}.py").is_file()
    assert bool(family.group) == (family is not RECIPE)


def test_parameters_of_another_family_are_refused() -> None:
    scheme = find_scheme("bnb-nf4")
    assert scheme.family is BITSANDBYTES and BitsAndBytesParams.of(scheme).load_in_4bit
    with pytest.raises(TypeError, match="bnb-nf4 has BitsAndBytesParams, not TorchAoParams"):
        TorchAoParams.of(scheme)


def test_rows_can_be_told_apart_and_kept_in_sets() -> None:
    assert len({*SCHEMES.values(), find_scheme("language=bnb-nf4")}) == len(SCHEMES) + 1
