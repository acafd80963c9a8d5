"""Templates escape, are strict, and are laid out without that being seen."""

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

import qdash
from qdash.catalog.schemes import SCHEMES
from qdash.charts.palette import DARK, LIGHT
from qdash.markup import Macros, bits_class, colour_classes, template
from qdash.markup.environment import environment
from tests.report.examples import HOSTILE

PACKAGE = Path(qdash.__file__).parent
TEMPLATES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.html.jinja"))
NEEDS = re.compile(r'{%-? *(?:from|import|include|extends) +"([^"]+)"')


def drawn(source: str, **values: object) -> str:
    return environment().from_string(source).render(**values)


def test_what_a_template_prints_is_escaped_and_what_is_missing_is_an_error() -> None:
    assert drawn('<b title="{{ words }}">{{ words }}</b>', words=HOSTILE).count("<") == 2
    with pytest.raises(UndefinedError, match="words"):
        drawn("<b>{{ words }}</b>")


def test_line_breaks_lay_out_the_source_only() -> None:
    source = """
    {# Why. #}
    <ul>
      {% for word in words %}
        <li class="a"
          title="{{ word }}">{{ word }}</li>
      {% endfor %}
    </ul>
    <p>
      A sentence that
      goes on, <b>and</b> <i>on</i>.
    </p>
    """
    expected = '<ul><li class="a" title="a\n b">a\n b</li></ul><p>A sentence that goes on, <b>and</b> <i>on</i>.</p>'
    assert drawn(source, words=["a\n b"]) == expected


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_compiles_lies_beside_its_module_and_knows_nothing_of_the_page_unless_it_is_of_the_page(name: str) -> None:
    template(name)
    needed = NEEDS.findall((PACKAGE / name).read_text(encoding="utf-8"))
    folder = name.split("/")[0]
    allowed = {"markup": {"markup"}, "report": {"markup", "report"}, "ui": {"markup", "ui"}}[folder]
    assert {other.split("/")[0] for other in needed} <= allowed
    if folder == "ui":
        assert (PACKAGE / name.replace(".html.jinja", ".py")).is_file()


def test_a_macro_that_is_not_there_is_an_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        Macros("qdash.markup.layer_heatmap").nonsense()


@pytest.mark.parametrize("bits", [None, *range(1, 34)])
def test_classes_and_charts_mean_the_same_bits_by_a_colour(bits: int | None) -> None:
    style = (PACKAGE / "ui" / "static" / "css" / "1-palette.css").read_text(encoding="utf-8")
    report = (PACKAGE / "report" / "comparison.css").read_text(encoding="utf-8")
    for sheet in (style, report):
        light, dark = re.findall(rf"--{bits_class(bits)}: (#[0-9a-f]{{6}})", sheet)[:2]
        assert (light, dark) == (LIGHT.of(bits), DARK.of(bits))


def test_simulated_schemes_are_marked() -> None:
    assert colour_classes(SCHEMES["fp6-e2m3"]) == "b6 sim" and colour_classes(SCHEMES["bnb-nf4"]) == "b4"
