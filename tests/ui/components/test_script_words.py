"""Scripts speak the page's language through two functions, and no sentence of theirs is said without them."""

import re
from pathlib import Path

import pytest

from qdash.errors import QdashError
from qdash.present import language
from qdash.present.language import in_language
from qdash.ui.components.script_words import script_words
from qdash.ui.components.static import STATIC
from qdash.ui.serve import head

GERMAN = """
msgid ""
msgstr ""
"Language: de\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"Content-Type: text/plain; charset=utf-8\\n"

msgid "Copied"
msgstr "Kopiert </script>"

msgid "{number} chosen"
msgid_plural "{number} chosen"
msgstr[0] "{number} gewählt"
msgstr[1] "{number} ausgewählt"

#, fuzzy
msgid "Uploading …"
msgstr "Lädt …"

msgid "Compare"
msgstr "Vergleichen"
"""
KEY = "minmax with zero"
"""What a range spans, in the page's data."""
_SAID = re.compile(r"""\b(?:_|ngettext)\((?:\s*"[^"\\]*",?)+""")
_COMMENT = re.compile(r"(?m)//.*$")
_LITERAL = re.compile(r""""([^"\\\n]*)"|`([^`]*)`""")
_SENTENCE = re.compile(r"\b[A-Z][a-z]+ [a-z]{2,}|\b[a-z]{3,} [a-z]{3,} [a-z]{2,}|[a-z] …")


def _german(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = GERMAN) -> None:
    (folder / "de.po").write_text(text, encoding="utf-8")
    monkeypatch.setattr(language, "LANGUAGES", folder)


def test_english_needs_no_words() -> None:
    assert script_words() == ""
    assert head().startswith("<script>// The words of all scripts.")


def test_only_what_scripts_say_and_a_person_has_translated_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _german(tmp_path, monkeypatch)
    with in_language("de"):
        words = script_words()
    assert words.startswith('window.qdashWords = { code: "de", form: (n) => Number((n != 1)), sentences: {')
    assert '"Copied": "Kopiert \\u003c/script>"' in words and "</script>" not in words
    assert '"{number} chosen": ["{number} gew\\u00e4hlt", "{number} ausgew\\u00e4hlt"]' in words
    assert "Uploading" not in words and "Compare" not in words


def test_a_rule_for_plurals_that_is_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _german(tmp_path, monkeypatch, GERMAN.replace("(n != 1)", "alert(n)"))
    with in_language("de"), pytest.raises((QdashError, ValueError)):
        script_words()


@pytest.mark.parametrize("script", sorted((STATIC / "js").glob("*.js")), ids=lambda path: path.stem)
def test_every_sentence_of_a_script_can_be_translated(script: Path) -> None:
    source = _COMMENT.sub("", script.read_text(encoding="utf-8"))
    literals = ["".join(found) for found in _LITERAL.findall(_SAID.sub("", source))]
    assert [text for text in literals if _SENTENCE.search(text) and text != KEY] == []
