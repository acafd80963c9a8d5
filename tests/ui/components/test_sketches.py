"""What is drawn before anything has run cannot be taken for a measurement."""

import re
from html.parser import HTMLParser

import pytest

from qdash.catalog.models import MODELS
from qdash.catalog.schemes import SCHEMES
from qdash.ui.components.sketches import quality_sketch_html, weights_sketch_html


class _Words(HTMLParser):
    """The text of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words = ""
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.words += f"{data} "


@pytest.mark.parametrize("html", [weights_sketch_html(), quality_sketch_html()], ids=["weights", "quality"])
def test_a_sketch_says_that_it_is_one_and_names_no_model_no_scheme_and_no_figure(html: str) -> None:
    words = _Words(html).words
    assert "EXAMPLE" in words and "A drawing, not a measurement." in words
    named = [*(model.label for model in MODELS.values()), *(scheme.label for scheme in SCHEMES.values() if scheme.key != "original")]
    assert not [name for name in named if name in words]
    assert re.findall(r"\d+", words.replace("95% interval", "")) == []
