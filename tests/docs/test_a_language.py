"""The walk “A language: one file” of docs/extending.md: its file is made by its command, its translations are seen on the page and in the
command line.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from qdash import cli
from qdash import settings as settings_module
from qdash.present import language
from qdash.present.message_catalogue import update
from qdash.settings import settings
from qdash.ui.components.script_words import script_words
from qdash.ui.layout import build
from tests.support.scripted import ScriptedBackend

DOCUMENT = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
ENTRY = re.compile(r"^((?:msgid.*\n)+)((?:msgstr.*\n)+)", re.MULTILINE)


@pytest.fixture
def chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of languages with the file that the walk makes and translates; it is the language of the process."""
    for module in (language, settings_module):
        monkeypatch.setattr(module, "LANGUAGES", tmp_path)
    (code,) = re.findall(r"python -m qdash.present.message_catalogue (\w+)", DOCUMENT)
    update(code, tmp_path)
    file = tmp_path / f"{code}.po"
    made = file.read_text(encoding="utf-8")
    for source, translation in translations().items():
        assert made.count(f"\n{source}") == 1, f"{source} is no entry"
        made = re.sub(re.escape(f"\n{source}") + r"(?:msgstr.*\n)+", lambda _, new=f"\n{source}{translation}": new, made)
    file.write_text(made, encoding="utf-8")
    assert f"QDASH_LANGUAGE={code}" in DOCUMENT
    monkeypatch.setenv("QDASH_LANGUAGE", code)
    monkeypatch.setenv("QDASH_CACHE_DIR", str(tmp_path / "cache"))
    _forget()
    yield file
    _forget()


def _forget() -> None:
    for cached in (settings, language._translations, language._templates, language._recorded):
        cached.cache_clear()


def translations() -> dict[str, str]:
    """The msgid lines of each entry that the walk prints → its msgstr lines."""
    (block,) = re.findall(r"```po\n(.*?)```", DOCUMENT, re.DOTALL)
    return dict(ENTRY.findall(block))


def test_the_page_is_in_it(chinese: Path, event_loops_closed: None) -> None:
    page = build(ScriptedBackend())
    buttons = [block.value for block in page.blocks.values() if isinstance(block, gr.Button)]
    assert "换一个问题" in buttons and "Compare" in buttons
    assert any("计时 5 次" in str(block.label) for block in page.blocks.values() if isinstance(block, gr.Accordion))


def test_so_is_the_command_line(chinese: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--model", "tiny-lm", "--prompt", "Once", "--schemes", "nonsense"]) == 2
    assert "没有名为“nonsense”的方案。" in capsys.readouterr().err


def test_scripts_are_given_the_rule_for_plurals(chinese: Path) -> None:
    assert 'code: "zh", form: (n) => Number(0)' in script_words()


def test_an_update_keeps_what_is_translated(chinese: Path) -> None:
    update(chinese.stem, chinese.parent)
    made = chinese.read_text(encoding="utf-8")
    assert all(source + translation in made for source, translation in translations().items())
