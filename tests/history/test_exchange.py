"""Files and links: what leaves a history, and what may come into one."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.errors import QdashError
from qdash.history import Limits
from qdash.history.exchange import export_runs, import_runs
from qdash.history.kinds import spoken_model
from qdash.records import Agreement, Comparison, ErrorRecord, Evaluation, TokenAgreement, Variant
from qdash.records.history import HistoryFile, HistoryRun
from qdash.report import evaluation_to_json, to_json
from tests.history.examples import comparison, evaluation, history_in
from tests.report.examples import COMPARISON

SECRET = "a very private question"


def test_a_history_moves_whole(tmp_path: Path, png: bytes) -> None:
    here, there = history_in(tmp_path / "here"), history_in(tmp_path / "there")
    keys = [here.keep(COMPARISON, png=png), here.keep(evaluation())]
    here.pin(keys[0], True)
    here.share(keys[0], prompt=True)
    content = export_runs(here, keys)
    assert keys[0] not in content
    found = import_runs(there, content.encode())
    assert found.new == 2
    runs = [there.open(key) for key in found.keys]
    assert [run.record for run in runs] == [COMPARISON, evaluation()]
    assert runs[0].entry.pinned and runs[0].entry.share is None and runs[0].picture is not None
    assert set(found.keys).isdisjoint(keys)
    assert import_runs(there, content.encode()).new == 0
    assert import_runs(there, content.encode("utf-16")).new == 0  # as an editor may have saved it


@pytest.mark.parametrize("record", [COMPARISON, evaluation()], ids=["comparison", "evaluation"])
def test_the_json_of_a_single_run_is_taken_too(tmp_path: Path, record) -> None:
    history = history_in(tmp_path)
    text = to_json(record) if record is COMPARISON else evaluation_to_json(record)
    found = import_runs(history, text.encode())
    assert history.open(found.keys[0]).record == record


def _file(**changes: object) -> dict:
    record = json.loads(COMPARISON.model_dump_json()) | changes
    return {
        "qdash_history": 1,
        "qdash_version": "0",
        "exported_at": "2025-11-03T12:00:00Z",
        "runs": [{"kind": "comparison", "record": record}],
    }


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "not text in UTF-16"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a":' * 5000, "not JSON"),
        (b"[1, 2]", "not written by qdash"),
        (b'{"name": "some-package", "version": "1.0.0"}', "not a history"),
        (b'{"qdash_history": 2, "qdash_version": "9.0", "runs": []}', r"newer qdash \(9.0\)"),
        (b'{"qdash_history": 1}', "runs: field required"),
        (json.dumps(_file(variants=[])).encode(), "no variants"),
        (json.dumps(_file(variants="all")).encode(), "run 1 cannot be read: variants"),
        (json.dumps(_file(surprise=1)).encode(), "surprise: extra inputs"),
        (json.dumps({**_file(), "runs": [{**_file()["runs"][0], "kind": "poem"}]}).encode(), "kind"),
        (json.dumps({**_file(), "runs": [{**_file()["runs"][0], "picture": "no base64!"}]}).encode(), "not base64"),
        (
            json.dumps({**_file(), "runs": [{**_file()["runs"][0], "picture": base64.b64encode(b"no picture").decode()}]}).encode(),
            "not a picture",
        ),
    ],
)  # fmt: skip
def test_what_is_foreign_is_refused_and_nothing_kept(tmp_path: Path, content: bytes, complaint: str) -> None:
    history = history_in(tmp_path)
    with pytest.raises(QdashError, match=complaint) as raised:
        import_runs(history, content, name="“x.json”")
    assert raised.value.remedy
    assert history.listing().total == 0


@given(st.binary(max_size=300) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_no_bytes_do_worse_than_a_complaint(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    with pytest.raises(QdashError):
        import_runs(history_in(tmp_path_factory.getbasetemp() / "none"), content)


def test_one_bad_run_keeps_the_others_out(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    file = _file()
    file["runs"].append({"kind": "comparison", "record": {}})
    with pytest.raises(QdashError, match="run 2 cannot be read"):
        import_runs(history, json.dumps(file).encode())
    assert history.listing().total == 0


def test_a_file_larger_than_the_history_is_refused(tmp_path: Path) -> None:
    small = history_in(tmp_path, Limits(runs=1, own_bytes=2**30, total_bytes=2**30, all_may_go=True))
    kept = small.keep(comparison(5))
    roomy = history_in(tmp_path / "roomy")
    content = export_runs(roomy, [roomy.keep(comparison(number)) for number in range(2)])
    with pytest.raises(QdashError, match="has 2 runs; this history holds at most 1"):
        import_runs(small, content.encode())
    assert small.all_keys() == [kept]


def test_a_scheme_of_another_version_can_be_kept_and_shown(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    first, second, *rest = COMPARISON.variants
    record = COMPARISON.model_copy(update={"variants": (first, second.model_copy(update={"scheme": "int5-of-the-future"}), *rest)})
    assert history.open(history.keep(record)).record == record


def test_a_task_of_another_version_can_be_kept_and_its_key_is_no_path(tmp_path: Path) -> None:
    history, saved = history_in(tmp_path), json.loads(evaluation_to_json(evaluation()))
    saved["request"]["task"] = "riddles"
    (key,) = import_runs(history, json.dumps(saved).encode()).keys
    record = history.open(key).record
    assert isinstance(record, Evaluation) and record.request.task == "riddles"
    assert history.listing().entries[0].headline.startswith("Cloze: ")
    for hostile in ("../../etc/passwd", "<b>", "", "x" * 41):
        saved["request"]["task"] = hostile
        with pytest.raises(QdashError):
            import_runs(history, json.dumps(saved).encode())


def test_every_key_of_a_file_is_documented() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
    section = documented[documented.index("## A history") :]
    for key in (*HistoryFile.model_fields, *HistoryRun.model_fields):
        assert f"`{key}`" in section, key


# ── links ────────────────────────────────────────────────────────────────────────────────────────────────────────

FOLDER = "/home/alice/models/mine"


def _private():
    """A comparison of a local folder, with a question, a longer text and an error that names the folder."""
    pieces = (TokenAgreement(piece="private", kl_nats=0.1), TokenAgreement(piece=" text", kl_nats=0.1))
    along = Agreement(kl_mean_nats=0.1, kl_se=0.1, top1=1, ppl_original=2, ppl=2, first_divergence=None, tokens=2, per_token=pieces)
    error = ErrorRecord(kind="checkpoint", message=f"{FOLDER} is damaged.", remedy="Look into it.")
    first, second, *rest = COMPARISON.variants
    variants = (
        first.model_copy(update={"model": FOLDER, "snippet": f'from_pretrained("{FOLDER}")', "agreement_text": along}),
        second.model_copy(update={"model": FOLDER, "error": error, "label": f"INT8 of {FOLDER}"}),
        *rest,
    )
    request = COMPARISON.request.model_copy(
        update={"prompt": SECRET, "reference_text": "private text", "variants": (Variant(model=FOLDER, scheme="original"),)}
    )
    return COMPARISON.model_copy(update={"request": request, "variants": variants})


def test_a_link_leaves_out_question_picture_and_folders(tmp_path: Path, png: bytes) -> None:
    history = history_in(tmp_path)
    record = _private()
    key = history.keep(record, owner="a", png=png)
    share = history.share(key, "a")
    assert len(share.key) >= 32 and share.key != key
    run = history.open(share.key, "b")
    shown = json.dumps([run.record.model_dump(mode="json"), run.entry.model_dump(mode="json")])
    assert not run.own and run.picture is None
    for word in (SECRET, "private", "alice", "sha256", key):
        assert word not in shown, word
    assert isinstance(run.record, Comparison)
    assert [result.answer for result in run.record.variants] == [result.answer for result in record.variants]
    assert run.record.variants[0].model == "mine"
    assert history.open(key, "a").record == record, "the run itself is as it was"


def test_a_link_shows_what_was_ticked_and_changes_with_it(tmp_path: Path, png: bytes) -> None:
    history = history_in(tmp_path)
    key = history.keep(_private(), png=png)
    share = history.share(key, prompt=True)
    run = history.open(share.key, "b")
    assert isinstance(run.record, Comparison)
    assert run.record.request.prompt == SECRET and run.record.request.picture is None and run.picture is None
    assert history.share(key, picture=True).key == share.key
    run = history.open(share.key, "b")
    assert isinstance(run.record, Comparison)
    assert run.record.request.prompt == "" and run.record.request.picture is not None and run.picture is not None


def test_a_link_ends_for_good(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    key = history.keep(COMPARISON)
    share = history.share(key)
    history.unshare(key)
    with pytest.raises(QdashError, match="no such run"):
        history.open(share.key, "b")
    assert history.share(key).key != share.key


def test_ones_own_questions_stay_out_of_an_evaluations_link(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    own, bundled = history.keep(evaluation(task="own")), history.keep(evaluation())
    shown = history.open(history.share(own).key, "b").record.model_dump_json()
    assert "secret question" not in shown and "answer 5" not in shown and "mine.csv" not in shown
    assert '"correct":true' in shown
    assert "secret question 5" in history.open(history.share(own, prompt=True).key, "b").record.model_dump_json()
    assert "secret question 5" in history.open(history.share(bundled).key, "b").record.model_dump_json(), "these come with qdash"


@pytest.mark.parametrize(
    ("model", "spoken"),
    [
        ("tiny-vlm", "tiny-vlm"), ("Qwen/Qwen3-4B", "Qwen/Qwen3-4B"), ("/home/me/models/mine/", "mine"), ("~/mine", "mine"),
        ("../mine", "mine"), (r"C:\Users\me\mine", "mine"), ("/", "a folder"),
    ],
)  # fmt: skip
def test_models_are_named_without_folders(model: str, spoken: str) -> None:
    assert spoken_model(model) == spoken


def test_a_list_without_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    for data in (
        b'{"qdash_history": 1, "runs": [' + b"0," * 200_000 + b"0]}",
        b'{"qdash_history": 1, "x": {"y": [[' + b"0," * 200_000 + b"0]]}}",
    ):
        with pytest.raises(QdashError, match="a list of more than 100,000 entries"):
            import_runs(history, data)
