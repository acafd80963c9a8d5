"""A file that the first version with a history has written: it opens, and everything in it can be read, drawn and shared.

`first_version.sqlite3` was made by that version's own code: two comparisons, one with a picture and pinned, and an evaluation.
"""

import shutil
from pathlib import Path

import pytest

from qdash.history import History
from qdash.records import Comparison, Evaluation
from qdash.report import to_html
from qdash.verdict import verdict
from tests.history.examples import ROOMY, comparison

FILE = Path(__file__).with_name("first_version.sqlite3")
OWNER = "me"


@pytest.fixture
def history(tmp_path: Path) -> History:
    shutil.copy(FILE, tmp_path / "history.sqlite3")
    return History(tmp_path / "history.sqlite3", ROOMY)


def test_all_runs_are_listed_for_their_owner(history: History) -> None:
    entries = history.listing(OWNER).entries
    assert sorted(entry.kind for entry in entries) == ["comparison", "comparison", "evaluation"]
    assert [entry.pinned for entry in entries].count(True) == 1
    assert history.listing("somebody else").entries == ()


def test_records_and_pictures_come_out_whole(history: History) -> None:
    runs = [history.open(entry.key, OWNER) for entry in history.listing(OWNER).entries]
    comparisons = [run.record for run in runs if isinstance(run.record, Comparison)]
    (evaluation,) = [run.record for run in runs if isinstance(run.record, Evaluation)]
    assert sorted(record.request.prompt for record in comparisons) == ["And this?", "What is this?"]
    assert sum(run.picture is not None for run in runs) == 1
    assert [result.accuracy.successes for result in evaluation.variants if result.accuracy is not None] == [95, 90]
    assert len(evaluation.questions) == 100
    for record in comparisons:
        assert verdict(record).plain and record.variants[0].label in to_html(record)


def test_the_file_takes_new_runs_and_shares_old_ones(history: History) -> None:
    (pinned,) = [entry.key for entry in history.listing(OWNER).entries if entry.pinned]
    assert history.open(history.share(pinned, OWNER).key).record is not None
    key = history.keep(comparison(5), owner=OWNER)
    assert len(history.listing(OWNER).entries) == 4 and history.open(key, OWNER).own
