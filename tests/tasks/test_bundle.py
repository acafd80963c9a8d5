"""Questions with pictures that came together: in a ZIP file, or chosen one by one. A ZIP only ever leads to its own files."""

import io
import struct
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, ZipExtFile, ZipFile, ZipInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.errors import QdashError
from qdash.inputs import archives
from qdash.settings import Settings
from qdash.tasks import read_custom
from qdash.tasks.bundle import chosen_files

TABLE = "prompt,answer,image\nWhat?,square,{}\n"


def zipped(files: dict[str, bytes | str], compression: int = ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def refused(source: Path | bytes, name: str = "own.zip") -> str:
    with pytest.raises(QdashError) as error:
        read_custom(source, name)
    return str(error.value)


@pytest.mark.parametrize(
    ("table", "picture", "image"),
    [
        ("questions.csv", "square.png", "square.png"),
        ("questions.csv", "pictures/square.png", "pictures/square.png"),
        ("set/questions.csv", "set/pictures/square.png", "pictures/square.png"),
        ("set/questions.csv", "set/pictures/square.png", "./pictures/../pictures/square.png"),
        ("set/questions.csv", "pictures/square.png", "pictures/square.png"),
        ("set/questions.csv", "pictures/square.png", "../pictures/square.png"),
        ("questions.csv", "pictures\\square.png", "pictures/square.png"),
        ("questions.csv", "pictures/square.png", "pictures\\square.png"),
        ("questions.csv", "square.png", "pictures/square.png"),
        ("questions.csv", "cafe\u0301.png", "café.png"),
    ],
)
def test_a_zip_of_questions_and_pictures(png: bytes, table: str, picture: str, image: str) -> None:
    data = zipped({table: TABLE.format(image), picture: png, "__MACOSX/._questions.csv": b"\0", "set/.DS_Store": b"\0"})
    (item,) = read_custom(data, "own.zip")
    assert item.png is not None and item.question.picture is not None
    assert (item.question.picture.width, item.question.picture.height) == (100, 80)


def test_a_zip_on_disk_and_json_lines_in_it(tmp_path: Path, png: bytes) -> None:
    file = tmp_path / "own.zip"
    row = '{"prompt": "What?", "answer": "square", "image": "a/b.png"}\n'
    file.write_bytes(zipped({"q.jsonl": row, "notes.txt": "nothing", "a/b.png": png}))
    assert read_custom(file)[0].png is not None


def test_files_that_were_chosen_together(tmp_path: Path, png: bytes) -> None:
    (tmp_path / "0").write_text(TABLE.format("pictures/square.png"))
    (tmp_path / "1").write_bytes(png)
    (item,) = read_custom(chosen_files({"q.csv": tmp_path / "0", "square.png": tmp_path / "1"}))
    assert item.png is not None
    with pytest.raises(QdashError) as error:
        read_custom(chosen_files({"q.csv": tmp_path / "0", "sqare.png": tmp_path / "1"}))
    said = "q.csv, line 2: the picture “pictures/square.png” is not among the files that were chosen."
    assert str(error.value) == f"{said} The nearest name there is “sqare.png”."


def test_a_picture_that_is_not_there_is_named_with_the_nearest(png: bytes) -> None:
    said = refused(zipped({"q.csv": TABLE.format("sqare.png"), "pictures/Square.PNG": png}))
    assert said == "q.csv, line 2: the picture “sqare.png” is not in own.zip. The nearest name there is “pictures/Square.PNG”."
    assert "Add it, or correct its name" in refused(zipped({"q.csv": TABLE.format("cat.png"), "x.png": png}))


def test_the_file_of_questions_is_found_or_asked_for(png: bytes) -> None:
    assert "There is no file of questions in own.zip" in refused(zipped({"square.png": png}))
    assert "“a.csv” and “b.json” are both in own.zip" in refused(zipped({"a.csv": "x", "b.json": "x"}))
    (item,) = read_custom(zipped({"a.csv": "prompt,answer\nWhat?,4\n", "more/b.json": "x"}))
    assert item.question.answer == "4"


@pytest.mark.parametrize("image", ["../secret.png", "/secret.png", "../../etc/passwd", "C:\\secret.png", "q.csv/../../secret.png", "."])
def test_no_name_in_a_zip_leads_out_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, png: bytes, image: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "secret.png").write_bytes(png)
    monkeypatch.chdir(tmp_path / "home")
    (tmp_path / "home" / "own.zip").write_bytes(zipped({"q.csv": TABLE.format(image), "a/square.png": png}))
    assert "is not in own.zip" in refused(tmp_path / "home" / "own.zip")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["home", "own.zip", "secret.png"]


def test_entries_with_paths_and_links_are_names_and_bytes_only(tmp_path: Path, png: bytes) -> None:
    link = ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        archive.writestr("q.csv", TABLE.format("link.png"))
        archive.writestr(link, "/etc/passwd")
        archive.writestr("../../evil.png", png)
    assert "“link.png” is a text file, not a picture" in refused(buffer.getvalue())


def test_sizes_are_limited_before_anything_is_unpacked(monkeypatch: pytest.MonkeyPatch, png: bytes) -> None:
    bomb = zipped({"q.csv": TABLE.format("a.png"), "a.png": bytes(30 * 2**20)})
    assert len(bomb) < 100_000
    assert "“a.png” has 30.0 MiB; at most 20 are allowed" in refused(bomb)
    assert "“q.csv” has 30.0 MiB" in refused(zipped({"q.csv": bytes(30 * 2**20)}))
    monkeypatch.setattr(ZipExtFile, "read", lambda *_: pytest.fail("it was unpacked"))
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 2**20)
    assert "The files in own.zip have 3 MiB; at most 1 are allowed." in refused(zipped({"q.csv": "x", "b.png": bytes(3 * 2**20)}))
    monkeypatch.setattr(archives, "MAX_FILES", 5)
    assert "more than 5 files" in refused(zipped({f"{number}.png": b"" for number in range(6)}))


def test_a_size_that_is_a_lie_is_no_way_around(png: bytes) -> None:
    data = bytearray(zipped({"q.csv": TABLE.format("a.png"), "a.png": bytes(30 * 2**20)}))
    place = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, place + 24, 1000)
    assert "“a.png” in own.zip is damaged" in refused(bytes(data))


def test_what_is_not_read_says_so(png: bytes) -> None:
    assert "compressed in a way that qdash cannot read" in refused(zipped({"q.csv": TABLE.format("a.png"), "a.png": png}, ZIP_LZMA))
    encrypted = bytearray(zipped({"q.csv": "prompt,answer\n1,2\n"}, ZIP_STORED))
    encrypted[encrypted.rindex(b"PK\x01\x02") + 8] |= 1
    assert "protected by a password" in refused(bytes(encrypted))
    whole = zipped({"q.csv": TABLE.format("a.png"), "a.png": png})
    assert "damaged, or not a ZIP file" in refused(whole[: len(whole) // 2])
    assert "two files called “a.png”" in refused(zipped({"q.csv": "x", "a.png": png, "./a.png": png}))
    assert "an Excel workbook" in refused(zipped({"[Content_Types].xml": "x", "xl/workbook.xml": "x"}), "own.xlsx")
    assert "“a.png” is a ZIP archive, not a picture" in refused(zipped({"q.csv": TABLE.format("a.png"), "a.png": whole}))


def test_uploads_are_limited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, png: bytes) -> None:
    monkeypatch.setattr("qdash.inputs.files.settings", lambda: Settings(max_upload_bytes=200))
    (tmp_path / "own.zip").write_bytes(zipped({"q.csv": TABLE.format("a.png"), "a.png": bytes(range(256)) * 2}))
    assert "at most 0 are allowed" in refused(tmp_path / "own.zip")


@given(st.binary(max_size=400), st.integers(0, 300), st.integers(0, 255))
def test_a_damaged_zip_is_an_error_or_questions_never_a_crash(rest: bytes, place: int, byte: int) -> None:
    data = bytearray(zipped({"q.csv": "prompt,answer,image\nWhat?,4,a.png\n", "a.png": rest}))
    data[place % len(data)] = byte
    try:
        read_custom(bytes(data), "own.zip")
    except QdashError as error:
        assert error.remedy
