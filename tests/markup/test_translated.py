"""In a language that has every sentence, nothing that the page and the reports share is in English."""

import pytest

from qdash.markup import parts
from qdash.markup.layer_heatmap import extremes, heat_html, scale_html
from tests.markup.test_layer_heatmap import layer
from tests.support.pseudo_language import pseudo_language, untranslated
from tests.support.scripted_weights import report_of

_language = pytest.fixture(scope="module", autouse=True)(pseudo_language)


def test_the_map_of_layers() -> None:
    (scheme,) = report_of("bnb-nf4").schemes
    same = [layer("language", 3, "q_proj", value) for value in (20.0, None, 30.0)]
    assert untranslated(heat_html(scheme.layers) + heat_html(same, still=True) + scale_html(extremes(same))) == []


def test_shared_parts() -> None:
    shown = parts.save_button("⟦Memory⟧", "memory") + parts.projected("9 MiB")
    assert "⟦Save as a picture⟧" in shown and untranslated(shown) == []
