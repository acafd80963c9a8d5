"""In a language that has every sentence, no way to quantize is described in English."""

import pytest

from qdash.learn.mappings import HEADINGS, MAPPINGS
from qdash.present.language import _
from tests.support.pseudo_language import pseudo_language, untranslated

_language = pytest.fixture(scope="module", autouse=True)(pseudo_language)


@pytest.mark.parametrize("key", MAPPINGS)
def test_each_way(key: str) -> None:
    mapping = MAPPINGS[key]
    given = mapping.to_page()
    assert given["about"].startswith("⟦") and untranslated(f"{given['label']} ¦ {given['about']}") == []
    assert _(HEADINGS[mapping.family]).startswith("⟦")
