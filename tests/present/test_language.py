"""Another language is one file; numbers, plurals, markup and recorded English are in it as well."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from qdash.errors import QdashError
from qdash.present import language
from qdash.present.language import _, decimal, in_language, languages, ngettext, recorded
from qdash.present.message_catalogue import Source, messages, update
from tests.support.pseudo_language import untranslated, use_pseudo_language

GERMAN = """
msgid ""
msgstr ""
"Language: de\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"Content-Type: text/plain; charset=utf-8\\n"

msgid "Comparing {number} version of {model}."
msgid_plural "Comparing {number} versions of {model}."
msgstr[0] "{number} Fassung von {model} wird verglichen."
msgstr[1] "{number} Fassungen von {model} werden verglichen."

msgid "The folder {folder} cannot be used ({reason})."
msgstr "Der Ordner {folder} ist nicht benutzbar ({reason})."

msgid "No space left."
msgstr "Es ist kein Platz mehr."

msgid "Stop"
msgstr "Anhalten"

msgid "{number} run is kept."
msgid_plural "{number} runs are kept."
msgstr[0] "{number} Lauf bleibt."
msgstr[1] "{number} Läufe bleiben."

msgid "get_size() says {size}."
msgstr "get_size() sagt {size}."

msgid "Write {{{keys}}} in each line."
msgstr "Schreibe {{{keys}}} in jede Zeile."

msgid "{name} is {size}."
msgstr "{name} hat {size}."
"""


@pytest.fixture
def german(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "de.po").write_text(GERMAN, encoding="utf-8")
    monkeypatch.setattr(language, "LANGUAGES", tmp_path)
    for cached in (language._translations, language._templates, language._recorded):
        cached.cache_clear()
    return "de"


def test_a_sentence_is_translated_and_one_that_is_missing_stays_english(german: str) -> None:
    assert languages() == ("en", "de")
    with in_language(german):
        assert _("Stop") == "Anhalten"
        assert _("Compare") == "Compare"
        assert _("") == ""
    assert _("Stop") == "Stop"


@pytest.mark.parametrize(("number", "said"), [(1, "1 Fassung von X wird verglichen."), (1234, "1.234 Fassungen von X werden verglichen.")])
def test_plurals_and_numbers_are_those_of_the_language(german: str, number: int, said: str) -> None:
    with in_language(german):
        shown = ngettext("Comparing {number} version of {model}.", "Comparing {number} versions of {model}.", number, model="X")
    assert shown == said


def test_decimals(german: str) -> None:
    assert [decimal(1234), decimal(0.126, 2), decimal(-3)] == ["1,234", "0.13", "-3"]
    with in_language(german):
        assert [decimal(1234.56, 1), decimal(2.675, 2), decimal(1234.5, 1, grouped=False)] == ["1.234,6", "2,67", "1234,5"]
        assert decimal(float("inf")) == "inf"


def test_markup_stays_markup_and_all_else_is_escaped() -> None:
    shown = _("{model} < {other}", model=Markup("<b>A</b>"), other="<i>")
    assert shown == Markup("<b>A</b> &lt; &lt;i&gt;")
    assert not isinstance(_("{model} < {other}", model="<b>", other=""), Markup)


def test_recorded_english_is_translated_with_the_sentences_in_it(german: str) -> None:
    english = "The folder models/a (b) cannot be used (No space left.)."
    assert recorded(english) == english
    with in_language(german):
        assert recorded(english) == "Der Ordner models/a (b) ist nicht benutzbar (Es ist kein Platz mehr.)."
        assert recorded("What a model says.") == "What a model says."
        assert recorded("x" * 100_000) == "x" * 100_000


@pytest.mark.parametrize(
    ("english", "shown"),
    [
        ("1 run is kept.", "1 Lauf bleibt."),
        ("1,200 runs are kept. No space left.", "1.200 Läufe bleiben. Es ist kein Platz mehr."),
        ("No space left. What a model says. Stop", "Es ist kein Platz mehr. What a model says. Anhalten"),
        ("No space left. get_size() says 3 vs. 4 MiB.", "Es ist kein Platz mehr. get_size() sagt 3 vs. 4 MiB."),
        (
            "The folder a cannot be used (No space left. Stop).",
            "Der Ordner a ist nicht benutzbar (Es ist kein Platz mehr. Anhalten).",
        ),
        ('Write {"a": 1} in each line.', 'Schreibe {"a": 1} in jede Zeile.'),
        ("The sky is blue.", "The sky is blue."),
    ],
)
def test_recorded_plurals_several_sentences_and_braces(german: str, english: str, shown: str) -> None:
    with in_language(german):
        assert recorded(english) == shown


@given(folder=st.text(max_size=50), reason=st.text(max_size=50))
def test_any_recorded_sentence_is_found_again(folder: str, reason: str) -> None:
    values = language._values(f"The folder {folder} cannot be used ({reason}).", ["The folder ", " cannot be used (", ")."])
    assert values is not None
    assert f"The folder {values[0]} cannot be used ({values[1]})." == f"The folder {folder} cannot be used ({reason})."


def test_a_language_that_is_missing_is_refused() -> None:
    with in_language("tlh"), pytest.raises(QdashError, match="no language “tlh”"):
        _("Stop")


def test_a_file_of_a_language_is_made_and_updated_without_losing_translations(tmp_path: Path) -> None:
    assert update("zh", tmp_path) == len(messages())
    file = tmp_path / "zh.po"
    made = file.read_text()
    file.write_text(made.replace('msgid "Choose another file."\nmsgstr ""', 'msgid "Choose another file."\nmsgstr "请选择其他文件。"'))
    update("zh", tmp_path)
    assert "请选择其他文件。" in file.read_text()
    with pytest.raises(QdashError, match="no language “tlh”"):
        update("tlh", tmp_path)


def test_sentences_are_read_from_calls_errors_and_tables() -> None:
    source = """
_HOW = {"a": "Try a.", "b": "Try b."}
_("one"); ngettext("{number} run", "{number} runs", n); N_("two")
Scheme(key="x", about="three")
what = f"The file {path.name} is {len(data)} bytes; {len(other)} were expected."
QdashError(what, by_reader(owner=_HOW[kind], visitor="Ask."))
"""
    found = [text for _line, _function, text, _comments in Source(source).messages()]
    rows = """
class Family:
    uncounted = "none count"
    def overhead(self):
        return f"unpacking {self.bits}-bit weights"
def why(name) -> str:
    return f"{name} was kept"
Skip(reason=why("a"))
def file_notes(found):
    yield f"{found} is not applied."
    return (f"{found} was rounded before.",) if found else ()
notes.append("A value is shown black.")
"""
    of_rows = [text for _line, _function, text, _comments in Source(rows).messages()]
    assert set(of_rows) == {
        "none count", "unpacking {bits}-bit weights", "{name} was kept",
        "{found} is not applied.", "{found} was rounded before.", "A value is shown black.",
    }  # fmt: skip
    sentence = "The file {name} is {data} bytes; {other} were expected."
    assert found == ["one", ("{number} run", "{number} runs"), "two", "three", sentence, "Try a.", "Try b.", "Ask."]


def test_what_is_left_untranslated_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_pseudo_language(tmp_path, monkeypatch)
    assert _("Choose another file.") == "⟦Choose another file.⟧"
    assert untranslated("<p>⟦a fine ⟦nested one⟧ here⟧ SmolVLM 256M</p>") == []
    assert untranslated('<p aria-label="a fine thing">and one more</p>') == ["and one more", "fine thing"]
