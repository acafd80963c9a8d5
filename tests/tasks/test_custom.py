"""Files of strangers: what is read, what is refused, and that nothing outside the file's folder is ever opened."""

import base64
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.errors import QdashError
from qdash.records.evaluation import MAX_ITEMS
from qdash.settings import Settings
from qdash.tasks import read_custom


def lines(*rows: object) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def refused(source: Path | bytes, name: str = "own.jsonl") -> str:
    with pytest.raises(QdashError) as error:
        read_custom(source, name)
    return str(error.value)


def test_json_lines() -> None:
    rows = (
        lines({"prompt": " 2 + 2 = ? ", "answer": 4, "kind": "sums", "note": "left out"}, {"prompt": "首都?", "answer": "北京"}) + b"\n\n"
    )
    first, second = read_custom(rows, "own.jsonl")
    assert (first.question.prompt, first.question.answer, first.question.group) == ("2 + 2 = ?", "4", "sums")
    assert (second.question.prompt, second.question.answer, second.question.group) == ("首都?", "北京", None)
    assert first.png is None and first.target == ""


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_as_spreadsheets_write_it(delimiter: str) -> None:
    text = f'\ufeffPrompt {delimiter}ANSWER{delimiter}language\r\n"two{delimiter} lines\r\nand ""quotes"""{delimiter}yes{delimiter}en\r\n'
    (item,) = read_custom(text.encode(), "Own.CSV")
    assert item.question.prompt == f'two{delimiter} lines\nand "quotes"'
    assert (item.question.answer, item.question.language) == ("yes", "en")


def test_pictures_beside_the_file_and_inside_it(tmp_path: Path, png: bytes) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "square.png").write_bytes(png)
    uri = "data:image/png;base64," + base64.b64encode(png).decode()
    file = tmp_path / "own.jsonl"
    file.write_bytes(lines({"prompt": "a", "answer": "b", "image": "pictures/square.png"}, {"prompt": "a", "answer": "b", "image": uri}))
    beside, inside = read_custom(file)
    assert beside.question.picture == inside.question.picture and beside.png == inside.png
    assert beside.question.picture is not None and (beside.question.picture.width, beside.question.picture.height) == (100, 80)


@pytest.mark.parametrize(
    "path", ["../secret.png", "/etc/passwd", "sub/../../secret.png", "link.png", "\0", "~/x.png", "file:///etc/passwd"]
)
def test_no_path_leads_out_of_the_folder(tmp_path: Path, png: bytes, path: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "secret.png").write_bytes(png)
    os.symlink(tmp_path / "secret.png", home / "link.png")
    file = home / "own.jsonl"
    file.write_bytes(lines({"prompt": "a", "answer": "b", "image": path}))
    said = refused(file)
    assert "line 1" in said and ("not in the file's folder" in said or "does not exist" in said)


def test_an_uploaded_file_has_no_folder() -> None:
    assert "only this file was chosen" in refused(lines({"prompt": "a", "answer": "b", "image": "square.png"}))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no questions"),
        (b"not json", "line 1, column 1: this is not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (lines({"prompt": "a"}), "line 1: there is no key “answer”; its only key is “prompt”"),
        (lines({"prompt": "a", "answer": "b"}, {"prompt": " ", "answer": "b"}), "line 2: there is no prompt"),
        (lines({"prompt": ["a"], "answer": "b"}), "there is no prompt"),
        (lines({"prompt": "a" * 20_001, "answer": "b"}), "20,001 characters"),
        (lines({"prompt": "a", "answer": "b" * 1001}), "1,001 characters"),
        (lines({"prompt": "a", "answer": "b", "image": "data:image/png;base64,!!!"}), "cannot be read"),
        (lines({"prompt": "a", "answer": "b", "image": "data:text/html,<b>"}), "cannot be read"),
        (lines({"prompt": "a", "answer": "b", "image": "data:image/png;base64,AAAA"}), "nothing but zeros"),
        (b"\xff\xfe\x00", "line 1, column 1: this is not text in UTF-16"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(data: bytes, said: str) -> None:
    assert said in refused(data)


def test_a_header_without_the_columns_is_told_apart() -> None:
    said = refused(b"question,reply\n1,2\n", "own.csv")
    assert "line 1: there is no column “prompt” and “answer”; its columns are “question” and “reply”" in said
    assert "line 2, column 4: “x,b” follows" in refused(b'prompt,answer\n"a"x,b\n', "own.csv")
    assert "line 2: The question has 200,000 characters" in refused(b"prompt,answer\n" + b"a" * 200_000 + b",b\n", "own.csv")


def test_there_is_a_limit_to_everything(monkeypatch: pytest.MonkeyPatch, png: bytes) -> None:
    assert f"more than {MAX_ITEMS:,}" in refused(lines(*[{"prompt": "a", "answer": "b"}] * (MAX_ITEMS + 1)))
    uri = "data:image/png;base64," + base64.b64encode(png).decode()
    small = lines({"prompt": "a", "answer": "b", "image": uri})
    assert len(read_custom(small)) == 1
    monkeypatch.setattr("qdash.tasks.custom.MAX_PICTURE_BYTES", 10)
    assert "pictures take more than" in refused(small)
    monkeypatch.setattr("qdash.inputs.files.settings", lambda: Settings(max_upload_bytes=10))
    assert "at most 0 are allowed" in refused(small)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none.jsonl")
    assert "is a folder" in refused(tmp_path)


@given(st.binary(max_size=300), st.sampled_from(["x.csv", "x.jsonl"]))
def test_rubbish_is_an_error_or_questions_never_a_crash(data: bytes, name: str) -> None:
    try:
        items = read_custom(data, name)
    except QdashError as error:
        assert error.remedy
    else:
        assert all(item.question.prompt.strip() and item.question.answer for item in items)
