"""Files of questions as programs write them: each is read as it was meant, or refused with its line, and column where there is one."""

import base64
import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.errors import QdashError
from qdash.records import Reply, TaskItem
from qdash.report import evaluation_items_to_csv
from qdash.tasks import grade, lambada_items, read_custom
from tests.history.examples import evaluation


def asked(data: bytes | str, name: str = "own.csv") -> list[tuple[str, ...]]:
    items = read_custom(data.encode() if isinstance(data, str) else data, name)
    return [(item.question.prompt, *item.question.answers) for item in items]


def refusal(data: bytes | str, name: str = "own.csv") -> str:
    with pytest.raises(QdashError) as caught:
        read_custom(data.encode() if isinstance(data, str) else data, name)
    assert caught.value.remedy
    return f"{caught.value.message} {caught.value.remedy}"


TABLE = 'prompt,answer\n"What is 2, doubled?",4\nWho?,"Ann, or Bo"\n'
ROWS = [("What is 2, doubled?", "4"), ("Who?", "Ann, or Bo")]


@pytest.mark.parametrize("name", ["own.csv", "own.tsv", "own.txt", "own.jsonl", "own"])
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_the_contents_tell_the_format_not_the_name(name: str, coding: str) -> None:
    assert asked(TABLE.encode(coding), name) == ROWS
    lines = "\n".join(json.dumps({"prompt": prompt, "answer": answer}) for prompt, answer in ROWS)
    assert asked(lines.encode(coding), name) == ROWS


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("before", ["", "sep={}\n", "\n\n", '"sep={}"\n'])
def test_every_delimiter_and_line_end(sign: str, end: str, before: str) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=sign, lineterminator=end).writerows([("Prompt ", " ANSWER"), *ROWS, (f"a{sign}{end}b", '"')])
    text = before.format(sign).replace("\n", end) + buffer.getvalue()
    assert asked(text) == [*ROWS, (f"a{sign}\nb", '"')]


def test_a_comma_in_the_name_of_another_column_does_not_mislead() -> None:
    assert asked('prompt;answer;"a, b, c, d"\nWhy, though, and how?;because;x\n') == [("Why, though, and how?", "because")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prompt,answer\nWhat is 2, doubled?,4\n", "line 2, column 21: this row has more than the 2 fields of the first line"),
        ('prompt,answer\n"two\nlines",a\nx,y,z\n', "line 4, column 5: this row has more"),
        ("prompt,answer,kind\nWhat?,4\n", "line 2: this row has 2 fields, the first line 3: “prompt”, “answer” and “kind”"),
        ("prompt,answer,answer\nWhat?,4,wrong\n", "line 1: the column “answer” appears 2 times"),
        ("prompt,answer,Answer \nWhat?,4,wrong\n", "line 1: the column “answer” appears 2 times"),
        ("prompt,answer,answer.1\nWhat?,4,four\n", "beside “answer” there is “answer.1”, which would be ignored"),
        ("prompt,answer,imgae\nWhat?,4,a.png\n", "“imgae” is not a known column"),
        ("prompt,answer,picture\nWhat?,4,a.png\n", "If “image” is meant, rename it"),
        ("What is 2+2?,4\n", "line 1: there is no column “prompt” and “answer”; its columns are “What is 2+2?” and “4”"),
        ("prompt\nWhat?\n", "line 1: there is no column “answer”; its only column is “prompt”"),
        ("prompt,answer\nprompt,answer\n", "line 2: this line repeats the column names"),
        ("prompt,answer,\nWhat?,4,x\n", "line 2, column 9: this field is in a column without a name"),
        ('prompt,answer\nWhat?,"4\nNo,5\n', "line 2, column 7: the quotation mark here is never closed"),
        ('prompt,answer\nWhat?,"4\nWhat "x",5\n', 'line 3, column 7: “x",5” follows the end of a field in quotation marks, which began'),
        ("prompt,answer\n\nWhat?,\n", "line 3: there is no answer"),
        ("prompt,answer\nWhat?,nan\n", "line 2: the answer is “nan”"),
        ("prompt,answer\nWhat?,#NAME?\n", "line 2: the answer is “#NAME?”"),
        ("prompt,answer\nWhat?,\"['4', 'four']\"\n", "line 2: the answer ['4', 'four'] looks like a list"),
        ('prompt,answer\nWhat?,"[1, 2]"\n', "line 2: the answer [1, 2] looks like a list"),
        ("prompt,answer\nWh\0at?,4\n", "line 2, column 3: there is a NUL character"),
        (b"prompt,answer\nWhat?,4\nCaf\xe9?,5\n", "line 3, column 4: this is not text in UTF-8, as the byte 0xe9 shows. Save it as UTF-8"),
        ("," * 100_000, "line 1: there is no column"),
        ("prompt,answer" + ",x" * 2000 + "\n", "line 1"),
        (b"PK\x03\x04" + bytes(26) + b"xl/workbook.xml" + bytes(50), "an Excel workbook (.xlsx), not text. In the spreadsheet choose"),
        (b"PK\x03\x04" + bytes(26) + b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "an OpenDocument spreadsheet (.ods)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "an old Office document"),
        ("<html><table><tr><td>prompt</td></tr></table></html>", "a web page (HTML), not a file of questions"),
        ("<?xml version='1.0'?><Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet'>", "an XML spreadsheet"),
        (b"PAR1" + bytes(100), "a Parquet file, not text. Write it as JSON lines"),
        ("version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer to a file"),
        ("\n\n", "no questions"),
        ("prompt,answer\n", "no questions"),
    ],
)  # fmt: skip
def test_what_does_not_add_up_in_csv_is_refused_with_its_place(text: str | bytes, said: str) -> None:
    assert said in refusal(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prompt,answer,,\nWhat?,4,,\n,,,\n", [("What?", "4")]),
        ("prompt,answer,,\nWhat?,4,,\n,\n", [("What?", "4")]),
        ("prompt,answer\nWhat?,4,,,\n", [("What?", "4")]),
        ("prompt,answer,note\nWhat?,4,n\n", [("What?", "4")]),
        ('prompt, answer\n"What, then?", "4, or so"\n', [("What, then?", "4, or so")]),
        ("prompt,answer\nWhat?,4\nWhat?,4\n", [("What?", "4"), ("What?", "4")]),
        ("prompt,answer\n=1+1,TRUE\n", [("=1+1", "TRUE")]),
        ('prompt,answer\nWhat?,"[""4"", ""four""]"\n', [("What?", "4", "four")]),
        ('prompt\tanswer\nWhat?\t["4", "four", "4"]\n', [("What?", "4", "four")]),
        ("prompt,answer\nFill in,[MASK]\n", [("Fill in", "[MASK]")]),
        ('prompt,answer\nWhat?,"[""[1, 2]""]"\n', [("What?", "[1, 2]")]),
        ('prompt,answer\nWhat?,"[""nan""]"\n', [("What?", "nan")]),
        ('prompt,answer\nWhat?,5" pipe\n', [("What?", '5" pipe')]),
    ],
)
def test_what_means_one_thing_only_in_csv_is_read(text: str, expected: list[tuple[str, ...]]) -> None:
    assert asked(text) == expected


def test_the_pictures_of_a_csv_may_be_long(png: bytes) -> None:
    uri = "data:image/png;base64," + base64.b64encode(png + bytes(300_000)).decode()
    (item,) = read_custom(f'prompt,answer,image\nWhat?,4,"{uri}"\n'.encode(), "own.csv")
    assert item.png is not None


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_characters="\0\ufeff", exclude_categories=("Cs",)), max_size=8), min_size=3, max_size=3)
    )
)
def test_csv_is_read_as_pythons_own_module_reads_it(rows: list[list[str]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([["prompt", "answer", "note"], *[["p" + a, "a" + b, c] for a, b, c in rows]])
    text = buffer.getvalue()
    python = [(row["prompt"], row["answer"]) for row in csv.DictReader(io.StringIO(text, newline=""))]
    from_csv = asked(text) if rows else []
    again = asked("\n".join(json.dumps({"prompt": prompt, "answer": answer}) for prompt, answer in python)) if rows else []
    assert from_csv == again


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────

OBJECTS = [{"prompt": "2 + 2?", "answer": 4}, {"prompt": "Who?", "answer": ["Ann", "Bo", "Ann"]}]
READ = [("2 + 2?", "4"), ("Who?", "Ann", "Bo")]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(json.dumps, OBJECTS)),
        "\r\n\r\n".join(map(json.dumps, OBJECTS)) + "\r\n",
        json.dumps(OBJECTS),
        json.dumps(OBJECTS, indent=2),
        "\n".join(json.dumps(row, indent=2) for row in OBJECTS),
    ],
)
@pytest.mark.parametrize("name", ["own.jsonl", "own.json", "own.csv"])
def test_objects_by_line_over_lines_and_in_an_array(text: str, name: str) -> None:
    assert asked(text, name) == READ


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"prompt": "a", "answer": 4.50}', "4.50"),
        ('{"prompt": "a", "answer": 1e3}', "1e3"),
        ('{"prompt": "a", "answer": ' + "9" * 900 + "}", "9" * 900),
        ('{"prompt": "a", "answer": true}', "true"),
        ('{"Prompt ": "a", " ANSWER": "b"}', "b"),
        ('{"prompt": "a", "answer": "[1, 2]"}', "[1, 2]"),
        ('{"prompt": "a", "answer": "\\ud800"}', "\ufffd"),
        ('{"prompt": "a", "answer": ["nan"]}', "nan"),
    ],
)
def test_answers_keep_their_spelling(text: str, expected: str) -> None:
    assert asked(text, "own.jsonl") == [("a", expected)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"prompt": "a", "answer": "b"}\n{"prompt": "a", "answer": NaN}', "line 2: there is no answer"),
        ('{"prompt": "a", "answer": null}', "line 1: there is no answer"),
        ('{"prompt": "a", "answer": "NaN"}', "line 1: the answer is “NaN”"),
        ('{"prompt": "a", "answer": []}', "line 1: the list of answers is empty"),
        ('{"prompt": "a", "answer": ["b", ""]}', "line 1: an answer in the list is empty"),
        ('{"prompt": "a", "answer": {"text": "b"}}', "line 1: there is no answer"),
        ('{"prompt": "a", "answer": "b", "answer": "c"}', "line 1: the key “answer” appears 2 times"),
        ('{"prompt": "a", "answer": "b", "Answer": "c"}', "line 1: the key “answer” appears 2 times"),
        ('{"prompt": "a", "answers": ["b"]}', "line 1: there is no key “answer”; its keys are “prompt” and “answers”"),
        ('{"data": []}', "line 1: there is no key “prompt” and “answer”; its only key is “data”"),
        (
            '{"prompt": "a", "answer": "b"}\n{"prompt": "a", "answer": "b"\n{"prompt": "a", "answer": "b"}',
            "line 2, column 30: this is not JSON",
        ),
        (
            '[\n{"prompt": "a", "answer": "b"}\n{"prompt": "a", "answer": "b"}\n]',
            "line 3, column 1: this is not JSON (Expecting ',' or ']')",
        ),
        ('[{"prompt": "a", "answer": "b"}', "line 1, column 32: this is not JSON"),
        ("{'prompt': 'a', 'answer': 'b'}", "line 1, column 2: this is not JSON"),
        ('{"prompt": "\0", "answer": "b"}', "line 1, column 13: there is a NUL character"),
        ('{"prompt": "a", "answer": "b"}\n5', "line 2: this is not a JSON object"),
        ('{"\\ud800": 1}', "its only key is “\ufffd”"),
        ("{" + ",".join(f'"k{n}": 1' for n in range(2000)) + "}", "more than 1,000 keys"),
    ],
)
def test_what_does_not_add_up_in_json_is_refused_with_its_place(text: str, said: str) -> None:
    assert said in refusal(text, "own.jsonl")
    refusal(text, "own.jsonl").encode()


def test_passages_of_lambada_are_read_from_csv_too() -> None:
    assert [item.question.answer for item in lambada_items(b"text\na passage of words\n", "passages.csv")] == ["words"]


# ── several right answers ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("reply", "right"), [("It is four.", True), ("4", True), ("five", False), ("4 or four", True)])
def test_any_of_the_answers_counts(reply: str, right: bool) -> None:
    question = TaskItem(prompt="2 + 2?", answer="4", alternatives=("four",))
    assert grade(Reply(index=0, text=reply), question, "words").correct is right
    assert grade(Reply(index=0, text="four"), question, "exact").correct
    assert question.expected == "4 or four"


@pytest.mark.parametrize(
    ("tokens", "margins", "expected"),
    [
        ((1, 2, 3), (0.9, 0.8, 0.7, 0.6), (None, None)),  # the same answer
        ((1, 9, 3), (0.9, 0.3, 0.7, 0.6), (0.02, 0.3)),
        ((1, 2), (0.9, 0.8, 0.4), (0.5, 0.4)),  # it ends where the original goes on
        ((1, 2, 3, 4), (0.9, 0.8, 0.7, 0.1), (0.99, 0.1)),  # it goes on where the original ends
        ((7, 2), (), (None, None)),  # nobody looked
    ],
)
def test_where_an_answer_leaves_the_original_it_is_known_how_sure_that_was(
    tokens: tuple[int, ...], margins: tuple[float, ...], expected: tuple[float | None, float | None]
) -> None:
    original = Reply(index=0, text="a", tokens=(1, 2, 3), margins=(0.9, 0.02, 0.5, 0.99))
    reply = Reply(index=0, text="b", tokens=tokens, margins=margins)
    item = grade(reply, TaskItem(prompt="?", answer="a"), "exact", original)
    assert (item.margin_original, item.margin) == expected
    assert grade(reply, TaskItem(prompt="?", answer="a"), "exact").margin_original is None


def test_questions_of_older_files_have_one_answer() -> None:
    assert TaskItem.model_validate_json('{"prompt": "a", "answer": "b"}').answers == ("b",)


def test_what_the_export_says_is_expected_can_be_read_again() -> None:
    done = evaluation()
    question = done.questions[0].model_copy(update={"answer": "4", "alternatives": ("four", "Ⅳ")})
    done = done.model_copy(update={"questions": (question, *done.questions[1:])})
    row = next(csv.DictReader(io.StringIO(evaluation_items_to_csv(done))))
    buffer = io.StringIO()
    csv.writer(buffer).writerows([["prompt", "answer"], [row["prompt"], row["answer"]]])
    assert asked(buffer.getvalue())[0][1:] == ("4", "four", "Ⅳ")
