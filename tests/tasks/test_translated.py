"""In a language that has every sentence, nothing that is wrong with a file of questions is told in English."""

import re
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from qdash.errors import QdashError
from qdash.present.language import recorded
from qdash.tasks import chosen_files
from qdash.tasks.custom import read_custom
from qdash.tasks.lambada import lambada_items
from tests.support.pseudo_language import pseudo_language, untranslated

_language = pytest.fixture(scope="module", autouse=True)(pseudo_language)
QUOTED = re.compile(r"“[^”]*”(?: and “[^”]*”)?")
"""Names in the file, which nobody translates."""

WRONG = {
    "no column": "question,right\n1,2\n",
    "one column": "question\n1\n",
    "a column twice": "prompt,answer,answer\n1,2,3\n",
    "a column that is meant": "prompt,answer,imgae\n1,2,3\n",
    "a column beside its like": "prompt,answer,answers\n1,2,3\n",
    "too few fields": "prompt,answer\n1\n",
    "too many fields": "prompt,answer\n1,2,3\n",
    "no name": "prompt,answer,\n1,2,3\n",
    "names again": "prompt,answer\n1,2\nprompt,answer\n",
    "an open quotation mark": 'prompt,answer\n"1,2\n',
    "words after a field": 'prompt,answer\n"1"x,2\n',
    "no answer": "prompt,answer\n1,\n",
    "nothing": "prompt,answer\nnan,nan\n",
    "no list": 'prompt,answer\n1,"[""4]"\n',
    "a list of numbers": "prompt,answer\n1,[1]\n",
    "no picture": "prompt,answer,image\n1,2,a.png\n",
    "no data": "prompt,answer,image\n1,2,data:image/png;base64x\n",
    "no questions": "prompt,answer\n",
    "no key": '{"question": "1"}\n',
    "keys": '{"question": "1", "right": "2"}\n',
    "a key twice": '{"prompt": "1", "answer": "2", "answer": "3"}\n',
    "no object": '{"prompt": "1", "answer": "2"}\n3\n',
    "an empty list": '{"prompt": "1", "answer": []}\n',
    "a long answer": f"prompt,answer\n1,{'x' * 5000}\n",
}


def told(read: object) -> str:
    """The error of `read()`, as it is shown, without names in quotation marks."""
    assert callable(read)
    with pytest.raises(QdashError) as raised:
        read()
    assert "⟦" not in str(raised.value), "errors are raised in English"
    error = raised.value
    return QUOTED.sub("", f"{recorded(error.message)} ¦ {recorded(error.remedy)}")


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_file(name: str) -> None:
    assert untranslated(told(lambda: read_custom(WRONG[name].encode(), "mine.csv"))) == []


def test_what_is_wrong_with_several_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt,answer,image\n1,2,other.png\n")
    (tmp_path / "b.csv").write_text("prompt,answer\n1,2\n")
    files = {name: tmp_path / name for name in ("a.csv", "b.csv")}
    for chosen in (files, {}):
        assert untranslated(told(chosen_files(chosen).questions)) == []
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", "prompt,answer,image\n1,2,other.png\n")
    assert untranslated(told(lambda: read_custom(packed.getvalue(), "mine.zip"))) == []


def test_what_is_wrong_with_a_passage() -> None:
    assert untranslated(told(lambda: lambada_items(b'{"text": "word"}', "mine.jsonl"))) == []
