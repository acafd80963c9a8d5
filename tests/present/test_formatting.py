"""Numbers have one notation, and no sentence of the package needs reading twice."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from qdash.present.coverage import part_of_all
from qdash.present.formatting import between, ordinal, percent, points_of, several, size_change, stand_in
from qdash.present.weight_error import left_out

ROOT = Path(__file__).parents[2]
KINDS = (".py", ".js", ".jinja", ".md")

AWKWARD = re.compile(
    r"""
    (?<!here\ )(?<!it\ )\b(is|are|was)\ no\ (?!longer|more|larger|smaller)         # “X is no rule” for “X is not a rule”
    | \bor\ no\ (number|ZIP)\b | \bno\ (number|numbers)\b
    | \bis\ said\b | \bto\ be\ (had|compared)\b | \bhad\ back\b | \bgot\ back\b | \bis\ told\b
    | \bso\ many\b | \bin\ company\b | \bknows\ of\b | \bwithout\ a\ word\b | \bat\ hand\b | \bwants\ \d
    | \b(leave|leaves|leaving|left|given|run)\ (it|them|the\ part|the\ layer)?\ ?as\ it\ is\b
    | \bsomething\ else\ than\b | \b(are|words)\ others\b | \bis\ another\ one\b | \bthings\ different\b | \bgets\ one\b
    | \b(scale|scales|bits|scores|one|object|row)\ a\ (row|layer|tensor|weight|token|variant|question|run|line)\b
    | \bof\ range\b | \bas\ they\ come\b | \bas\ (cpu\ |cuda\ )?device\b | \bhand(ed)?\ in\b | \b(is|are)\ taken\ here\b
    | \bnot\ numbers\b | \bnext\ to\ nothing\b | \bwhat\ is\ in\ what\b | \bbegins\ anew\b | \bis\ there\ \d
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Turns of phrase that are read twice: each was found in a sentence, and a plainer one was written."""


def test_percentages_have_one_notation() -> None:
    """No sentence of the package sets a space before the sign; a number divided by another is code."""
    spaced = re.compile(r"""(?<!/ )(?<!//)\b\d+ %(?! \w|\})|\} %["<`]""")
    sources = [
        path
        for folder in ("qdash", "docs")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in KINDS and ROOT / "qdash/assets" not in path.parents
    ]
    found = [f"{path.relative_to(ROOT)}: {match.group()}" for path in sources for match in spaced.finditer(path.read_text("utf-8"))]
    assert not found
    assert (size_change(-0.52), size_change(0.03), percent(0.042, 1), part_of_all(0.001)) == ("−52%", "+3%", "4.2%", "under 1%")


def test_percentages_are_made_in_one_place() -> None:
    """Python has a notation of its own for them, and axes tend to one more: “right answers, %”."""
    found = []
    for path in sorted((ROOT / "qdash").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FormattedValue) and node.format_spec and re.search(r"""%['"]$""", ast.unparse(node.format_spec)):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r", %$|\(%\)", node.value):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}")
    scripts = [path for path in (ROOT / "qdash/ui/static/js").glob("*.js") if path.name != "learn_words.js"]
    found += [f"{path.name}: {line.strip()}" for path in scripts for line in path.read_text("utf-8").splitlines() if "}%" in line]
    assert found == []
    assert (between(0.888, 0.978), between(0.5, 1.0, 0)) == ("88.8–97.8%", "50–100%")


def test_sentences_are_plain() -> None:
    """No text that a person reads has one of the turns that were taken out of such texts before."""
    found = [f"{where}: {match.group()}" for where, text in _visible() for match in AWKWARD.finditer(text)]
    assert not found


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 weights are NaN"), (1, "1 weight is NaN"), (2, "2 weights are NaN"), (1000, "1,000 weights are NaN")]
)
def test_counts_agree_with_their_nouns(number: int, words: str) -> None:
    assert left_out(number).startswith(words) and several(number, "weight is", "weights are") in words


def _visible() -> Iterator[tuple[str, str]]:
    """Texts of the package that have spaces and are no docstrings, templates of reports, the documents and the README."""
    for path in (ROOT / "qdash").rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        comments = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value and id(node) not in comments:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value
    for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", *(ROOT / "qdash").rglob("*.jinja")]:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            yield f"{path.relative_to(ROOT)}:{number}", line


@pytest.mark.parametrize(("value", "words"), [(-0.25, "−25.0"), (0.004, "+0.4"), (0.0, "0.0"), (-0.0001, "0.0")])
def test_points_have_a_sign_where_there_is_a_difference(value: float, words: str) -> None:
    assert points_of(value) == words


@pytest.mark.parametrize(("place", "words"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd"), (113, "113th")])
def test_ordinals(place: int, words: str) -> None:
    assert ordinal(place) == words


@pytest.mark.parametrize(("dtype", "words"), [("float32", "32-bit stand-in"), ("bfloat16", "16-bit stand-in"), (None, "stand-in")])
def test_a_stand_in_has_the_width_of_its_numbers(dtype: str | None, words: str) -> None:
    assert stand_in(dtype) == words
