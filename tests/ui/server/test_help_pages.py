"""The README and its documents as pages: complete, with links that lead somewhere."""

import re

import pytest

from qdash.ui.components import text
from qdash.ui.components.foot import foot_html
from qdash.ui.server.help_pages import page_of, pages

DOCUMENTS = [name for name in pages() if not name.endswith(".png")]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_of_a_document_leads_somewhere(name: str) -> None:
    page = page_of(pages()[name])
    links = re.findall(r'<a href="([^"]*)"', page)
    assert links[:2] == ["../", "./"]
    assert all(link.startswith(("https://", "http://", "#")) or link in pages() for link in links[2:]), links
    assert all(picture in pages() for picture in re.findall(r'<img src="([^"]*)"', page))
    assert page.count("{") == page.count("}") or "<pre>" in page


def test_the_readme_is_there_without_what_spaces_read_of_it() -> None:
    page = page_of(pages()[""])
    assert "sdk_version" not in page and "<h1>" in page and "<table>" in page and 'href="verdict.md"' in page
    assert "prefers-color-scheme: dark" in page and "--bg: #101214" in page


def test_the_glossary_has_every_term() -> None:
    foot = foot_html()
    assert foot.count("<dt>") == len(text.TIPS) and 'href="help/"' in foot
