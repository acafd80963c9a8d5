"""The store: what goes in comes out, each owner's own, within limits, whatever happens to the process or the file."""

import io
import json
import math
import os
import sqlite3
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from qdash.errors import QdashError
from qdash.history import History, Limits, NewRun
from qdash.history.pictures import MOST_THUMBNAIL_BYTES
from qdash.history.store import UNDO_S
from tests.history.examples import ROOMY, comparison, evaluation, history_in
from tests.report.examples import COMPARISON


def test_what_goes_in_comes_out(tmp_path: Path, png: bytes) -> None:
    history = history_in(tmp_path)
    key = history.keep(COMPARISON, png=png)
    run = history_in(tmp_path).open(key)
    assert run.record == COMPARISON and run.own
    assert run.picture is not None and run.picture[8:12] == b"WEBP"
    assert run.entry.labels == tuple(result.label for result in COMPARISON.variants)
    other = history.keep(evaluation())
    assert history.open(other).record == evaluation()
    assert [entry.kind for entry in history.listing().entries] == ["comparison", "evaluation"]


def test_a_picture_is_small_in_the_list_and_its_owners_alone(tmp_path: Path) -> None:
    history, buffer = history_in(tmp_path), io.BytesIO()
    Image.frombytes("RGB", (300, 200), os.urandom(180_000)).save(buffer, "PNG")  # nothing is harder to compress
    key, other = history.keep(comparison(1), png=buffer.getvalue()), history.keep(comparison(2))
    thumbnail = history.listing().thumbnails[key]
    assert len(thumbnail) <= MOST_THUMBNAIL_BYTES and other not in history.listing().thumbnails
    with Image.open(io.BytesIO(thumbnail)) as image:
        assert (image.format, image.size) == ("WEBP", (96, 64))
    assert history.listing("somebody").thumbnails == {} and history.listing(search="nothing").thumbnails == {}
    forged = history.keep_all([NewRun(comparison(3), picture=b"<svg onload=alert(1)>")])[0]
    assert forged not in history.listing().thumbnails
    history.delete([key])
    assert history.listing().thumbnails == {}
    with sqlite3.connect(history.path) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM runs WHERE key = ?", (key,))
        assert connection.execute("SELECT count(*) FROM thumbnails").fetchone() == (0,)
    connection.close()


def test_a_file_from_before_there_were_thumbnails_opens(tmp_path: Path, png: bytes) -> None:
    old = history_in(tmp_path)
    key = old.keep(comparison(1), png=png)
    with sqlite3.connect(old.path) as connection:
        connection.execute("DROP TABLE thumbnails")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / old.path.name).write_bytes(old.path.read_bytes())  # as when a machine starts anew
    history = history_in(tmp_path / "later")
    assert history.all_keys() == [key] and history.listing().thumbnails == {}
    assert history.open(key).picture is not None
    newer = history.keep(comparison(2), png=png)
    assert list(history.listing().thumbnails) == [newer]


_FLOATS = st.floats(allow_nan=False)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(prompt=_TEXTS, answer=_TEXTS, noise=_FLOATS, median=_FLOATS, label=_TEXTS)
def test_any_text_and_any_number_survive(
    tmp_path_factory: pytest.TempPathFactory, prompt: str, answer: str, noise: float, median: float, label: str
) -> None:
    history = History(tmp_path_factory.getbasetemp() / "any.sqlite3", ROOMY)
    first, *rest = COMPARISON.variants
    assert first.latency is not None
    latency = first.latency.model_copy(update={"ttft_s": first.latency.ttft_s.model_copy(update={"median": median})})
    changed = first.model_copy(update={"answer": answer, "label": label, "latency": latency})
    record = comparison(prompt=prompt, noise=noise).model_copy(update={"variants": (changed, *rest)})
    assert history.open(history.keep(record)).record == record


def test_infinity_survives(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    record = comparison(noise=math.inf)
    assert history.open(history.keep(record)).record == record


def test_the_same_run_is_kept_once(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    key = history.keep(COMPARISON)
    history.delete([key])
    assert history.keep(COMPARISON) == key
    assert history.listing().total == 1


def test_newest_first_and_page_by_page(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    keys = history.keep_all([NewRun(comparison(number)) for number in (3, 1, 2)])
    assert history.all_keys() == [keys[0], keys[2], keys[1]]
    listing = history.listing(limit=1, skip=1)
    assert listing.total == 3 and [entry.key for entry in listing.entries] == [keys[2]]


def test_search_wants_every_word_somewhere(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    history.keep(comparison(1, prompt="Was sieht man hier? GRÖẞE 100 %_"))
    history.keep(comparison(2, prompt="这张图片中有什么？"))
    for search, found in (
        ("", 2),
        ("größe", 1),
        ("TINY nf4 sieht", 1),
        ("bnb-int8", 2),
        ("图片", 1),
        ("%_", 1),
        ("sieht 图片", 0),
        ("' OR 1", 0),
    ):
        assert history.listing(search=search).total == found, search


def test_nobody_gets_at_anothers_runs(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    key = history.keep(COMPARISON, owner="a")
    assert history.listing("b").total == 0 and history.all_keys("b") == []
    assert history.delete([key], "b") == 0
    history.pin(key, True, "b")
    history.unshare(key, "b")
    for action in (lambda: history.open(key, "b"), lambda: history.share(key, "b"), lambda: history.open(key)):
        with pytest.raises(QdashError, match="no such run"):
            action()
    entry = history.open(key, "a").entry
    assert not entry.pinned and entry.share is None
    assert history.keep(COMPARISON, owner="b") != key


def test_deleted_runs_can_be_had_back_for_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = history_in(tmp_path)
    first, second = history.keep(comparison(1)), history.keep(comparison(2, prompt="burn after reading"))
    share = history.share(second)
    assert history.delete([first, second]) == 2 and history.listing().total == 0
    with pytest.raises(QdashError, match="no such run"):
        history.open(share.key, "somebody")
    assert history.undelete([first]) == 1 and history.all_keys() == [first]
    later = time.time() + UNDO_S + 1
    monkeypatch.setattr(time, "time", lambda: later)
    history.keep(comparison(3))
    assert history.undelete([second]) == 0
    with sqlite3.connect(history.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert b"burn after reading" not in history.path.read_bytes()


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_oldest_unpinned_go_first(tmp_path: Path) -> None:
    history = history_in(tmp_path, Limits(runs=3, own_bytes=2**30, total_bytes=2**30, all_may_go=True))
    first, second, third = (history.keep(comparison(number)) for number in range(3))
    history.pin(first, True)
    other = history.keep(comparison(9), owner="somebody else")
    fourth = history.keep(comparison(3))
    assert set(history.all_keys()) == {first, third, fourth} and second not in history.all_keys()
    assert history.all_keys("somebody else") == [other]
    for key in (third, fourth):
        history.pin(key, True)
    fifth = history.keep(comparison(4))
    assert set(history.all_keys()) == {third, fourth, fifth}, "once all are pinned, the oldest of these goes"


def test_pinned_runs_never_go_on_ones_own_machine(tmp_path: Path) -> None:
    history = history_in(tmp_path, Limits(runs=1, own_bytes=2**30, total_bytes=2**30, all_may_go=False))
    keys = []
    for number in range(3):
        keys.append(history.keep(comparison(number)))
        history.pin(keys[-1], True)
    assert set(history.all_keys()) == set(keys)


def test_bytes_are_limited_too(tmp_path: Path) -> None:
    size = len(json.dumps(COMPARISON.model_dump(mode="json"), ensure_ascii=False).encode())
    history = history_in(tmp_path, Limits(runs=100, own_bytes=3 * size + 500, total_bytes=5 * size + 500, all_may_go=True))
    mine = [history.keep(comparison(number), owner="a") for number in range(5)]
    assert set(history.all_keys("a")) == set(mine[-3:])
    theirs = [history.keep(comparison(number), owner="b") for number in range(3)]
    assert set(history.all_keys("b")) == set(theirs[-2:]) and set(history.all_keys("a")) == set(mine[-3:]), "nobody has more than b"


def test_strangers_cannot_push_out_what_others_have(tmp_path: Path) -> None:
    size = len(json.dumps(COMPARISON.model_dump(mode="json"), ensure_ascii=False).encode())
    history = history_in(tmp_path, Limits(runs=100, own_bytes=4 * size + 500, total_bytes=6 * size + 500, all_may_go=True))
    pinned, plain = history.keep(comparison(0), owner="a"), history.keep(comparison(1), owner="a")
    history.pin(pinned, True, "a")
    for number in range(20):
        owner = f"fresh {number}"
        if number < 4:
            history.keep(comparison(number), owner=owner)
            continue
        # Of a, who has most, the oldest that is not pinned goes; then everybody has one, and what is new is refused.
        if number == 4:
            history.keep(comparison(number), owner=owner)
            assert history.all_keys("a") == [pinned]
            continue
        with pytest.raises(QdashError, match="full"):
            history.keep_all([NewRun(comparison(number), pinned=True)], owner)
        assert history.all_keys(owner) == []
    assert history.all_keys("a") == [pinned] and plain not in history.all_keys("a")
    assert all(history.all_keys(f"fresh {number}") for number in range(5))
    history.keep(comparison(50), owner="a")
    assert len(history.all_keys("a")) == 1, "one's own oldest goes for one's own new one, pinned or not"


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX")
def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    history = history_in(tmp_path)
    history.keep(COMPARISON)
    assert history.path.stat().st_mode & 0o077 == 0
