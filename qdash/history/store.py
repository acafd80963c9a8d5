"""The history: finished runs, each its owner's own, searched, pinned, deleted and shared. One transaction an operation.

On a person's own machine there is one owner, ""; in public mode every visitor is one, and none sees, changes or even counts another's
runs. What is deleted can be had back for an hour and is gone then. Beyond the limits the oldest runs go, pinned ones last.
"""

import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from qdash.errors import QdashError
from qdash.history.database import DamagedHistory, connected, why_in_memory
from qdash.history.kinds import KINDS, Kept, kind_of
from qdash.history.pictures import small_picture, thumbnail
from qdash.records.history import Entry, RunKind, Share

UNDO_S = 3600
MOST_RECORD_BYTES = 16 * 2**20
MOST_MEMORY_BYTES = 256 * 2**20
"""What runs may take where they are kept in memory."""


@dataclass(frozen=True)
class Limits:
    """`runs` and `own_bytes`: per owner; `total_bytes`: of all owners; `all_may_go`: pinned runs are deleted too, once no other is left."""

    runs: int
    own_bytes: int
    total_bytes: int
    all_may_go: bool


@dataclass(frozen=True)
class NewRun:
    """A run to be kept; `picture` is a small WebP (see `pictures`)."""

    record: Kept
    picture: bytes | None = None
    pinned: bool = False


@dataclass(frozen=True)
class Run:
    """A run, opened. `own`: by its owner; else it came by a link, and `record` has what the link shows."""

    entry: Entry
    record: Kept
    picture: bytes | None
    own: bool


@dataclass(frozen=True)
class Listing:
    """Some entries of a list, and how many it has. `thumbnails`: small WebPs by key, of the runs that have a picture."""

    entries: tuple[Entry, ...]
    total: int
    thumbnails: dict[str, bytes] = field(default_factory=dict)


_COLUMNS = "key, kind, created_at, model, labels, headline, asked, pinned, share, share_prompt, share_picture"
_MINE = "owner = ? AND deleted_at IS NULL"


@dataclass(frozen=True)
class History:
    """The runs in the database at `path`, or in memory where that file cannot be used.

    Every method raises QdashError for a database that is busy, full, damaged or not a history.
    """

    path: Path
    limits: Limits

    def why_in_memory(self) -> QdashError | None:
        """Why runs are kept in memory, and what to do about it; None where they are in the file."""
        return why_in_memory(self.path)

    def keep(self, record: Kept, *, owner: str = "", png: bytes | None = None) -> str:
        """Keep a finished run and return its key; `png` is the picture it was about, as `inputs.read_picture` made it."""
        return self.keep_all([NewRun(record, small_picture(png) if png else None)], owner)[0]

    def keep_all(self, runs: Sequence[NewRun], owner: str = "") -> list[str]:
        """Keep all of them or none, and make room. A run that is there already keeps its key."""
        try:
            return self._keep_all(runs, owner)
        except DamagedHistory as damaged:
            self._keep_all(runs, owner)  # into the new one: these are not lost
            raise damaged from None

    def listing(self, owner: str = "", search: str = "", *, limit: int = 50, skip: int = 0) -> Listing:
        """Newest first; `search`: words that all occur in model, labels, headline or question, whatever their case."""
        # A browser's text may have halves of characters, which no database takes.
        words = search.encode("utf-8", "replace").decode().casefold().split()
        where = " AND ".join((_MINE, *("instr(words, ?)" for _ in words)))
        with self._connected() as connection:
            total = connection.execute(f"SELECT count(*) FROM runs WHERE {where}", (owner, *words)).fetchone()[0]
            query = (
                f"SELECT {_COLUMNS}, webp FROM runs LEFT JOIN thumbnails USING (number) WHERE {where} "
                "ORDER BY created_at DESC, number DESC LIMIT ? OFFSET ?"
            )
            rows = connection.execute(query, (owner, *words, limit, skip)).fetchall()
        return Listing(tuple(_entry(row[:-1]) for row in rows), total, {row[0]: row[-1] for row in rows if row[-1] is not None})

    def open(self, key: str, owner: str = "") -> Run:
        """A run by its owner's key, or by a share link's, then as the link shows it. Raises QdashError if there is none."""
        with self._connected() as connection:
            mine = _found(connection, f"key = ? AND {_MINE}", (key, owner))
            shared = None if mine else _found(connection, "share = ? AND deleted_at IS NULL", (key,))
        row = mine or shared
        if row is None:
            raise QdashError("There is no such run.", "It may have been deleted, or is no longer shared.")
        entry, record, picture = _entry(row[:-2]), _record(row[1], row[-1]), row[-2]
        return Run(entry, record, picture, own=True) if mine else _as_shared(entry, record, picture)

    def delete(self, keys: Iterable[str], owner: str = "") -> int:
        """Take runs out of the list; returns how many. `undelete` has them back for an hour; their links end at once."""
        return self._set("deleted_at = ?", [time.time()], keys, f"{_MINE}", owner)

    def undelete(self, keys: Iterable[str], owner: str = "") -> int:
        """Have deleted runs back; returns how many were."""
        return self._set("deleted_at = NULL", [], keys, "owner = ? AND deleted_at IS NOT NULL", owner)

    def all_keys(self, owner: str = "") -> list[str]:
        """The keys of all runs, newest first."""
        with self._connected() as connection:
            rows = connection.execute(f"SELECT key FROM runs WHERE {_MINE} ORDER BY created_at DESC, number DESC", (owner,)).fetchall()
        return [key for (key,) in rows]

    def pin(self, key: str, pinned: bool, owner: str = "") -> None:
        """Pinned runs go last when there are too many."""
        self._set("pinned = ?", [pinned], [key], _MINE, owner)

    def share(self, key: str, owner: str = "", *, prompt: bool = False, picture: bool = False) -> Share:
        """Give a run a link, or change what its link shows. Raises QdashError if there is no such run."""
        fresh = secrets.token_hex(16)
        given = [fresh, prompt, picture]
        if not self._set("share = coalesce(share, ?), share_prompt = ?, share_picture = ?", given, [key], _MINE, owner):
            raise QdashError("There is no such run.", "It may have been deleted.")
        found = self.open(key, owner).entry.share
        assert found is not None
        return found

    def unshare(self, key: str, owner: str = "") -> None:
        """End a run's link for good: sharing it again makes another."""
        self._set("share = NULL, share_prompt = 0, share_picture = 0", [], [key], _MINE, owner)

    def _connected(self) -> AbstractContextManager[sqlite3.Connection]:
        return connected(self.path)

    def _set(self, assignment: str, values: list[object], keys: Iterable[str], where: str, owner: str) -> int:
        changed = 0
        with self._connected() as connection:
            for key in keys:
                statement = f"UPDATE runs SET {assignment} WHERE key = ? AND {where}"
                changed += connection.execute(statement, (*values, key, owner)).rowcount
        return changed

    def _keep_all(self, runs: Sequence[NewRun], owner: str) -> list[str]:
        rows, limits = [_row(run, owner) for run in runs], self._limits()
        with self._connected() as connection:
            connection.execute("DELETE FROM runs WHERE deleted_at < ?", (time.time() - UNDO_S,))
            keys = [_insert(connection, row, run) for row, run in zip(rows, runs, strict=True)]
            _make_room(connection, limits, owner, set(keys))
        return keys

    def _limits(self) -> Limits:
        if self.why_in_memory() is None:
            return self.limits
        own, total = (min(most, MOST_MEMORY_BYTES) for most in (self.limits.own_bytes, self.limits.total_bytes))
        return replace(self.limits, own_bytes=own, total_bytes=total)


def _row(run: NewRun, owner: str) -> dict[str, object]:
    kind = kind_of(run.record)
    webp = thumbnail(run.picture) if run.picture else None
    # As all versions have written it, so that a run that is here already is known by its text.
    text = json.dumps(run.record.model_dump(mode="json"), ensure_ascii=False)
    if len(text.encode()) > MOST_RECORD_BYTES:
        size = f"{len(text.encode()) / 2**20:.0f} MiB; at most {MOST_RECORD_BYTES // 2**20} are kept per run"
        raise QdashError(f"This run has {size}.", "Export it, or ask fewer questions at a time.")
    summary = KINDS[kind].summary(run.record)
    return {
        "key": secrets.token_hex(16),
        "owner": owner,
        "kind": kind,
        "created_at": _in_utc(run.record.created_at).isoformat(timespec="microseconds"),
        "model": summary.model,
        "labels": json.dumps(summary.labels, ensure_ascii=False),
        "headline": summary.headline,
        "asked": _beginning(summary.asked),
        "words": summary.words,
        "digest": sha256(text.encode()).hexdigest(),
        "bytes": len(text.encode()) + len(run.picture or b"") + len(webp or b""),
        "pinned": run.pinned,
        "record": text,
        "webp": webp,
    }


def _beginning(text: str, longest: int = 120) -> str:
    line = " ".join(text[: 2 * longest].split())
    return line if len(line) < longest else f"{line[: longest - 1]}…"


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _insert(connection: sqlite3.Connection, row: dict[str, object], run: NewRun) -> str:
    there = connection.execute("SELECT key FROM runs WHERE owner = :owner AND digest = :digest", row).fetchone()
    if there is not None:
        connection.execute("UPDATE runs SET deleted_at = NULL WHERE key = ?", there)
        return there[0]
    columns = [name for name in row if name not in ("record", "webp")]
    values = ", ".join(f":{name}" for name in columns)
    cursor = connection.execute(f"INSERT INTO runs ({', '.join(columns)}) VALUES ({values})", row)
    connection.execute("INSERT INTO contents VALUES (?, ?, ?)", (cursor.lastrowid, run.picture, row["record"]))
    if row["webp"] is not None:
        connection.execute("INSERT INTO thumbnails VALUES (?, ?)", (cursor.lastrowid, row["webp"]))
    return str(row["key"])


def _make_room(connection: sqlite3.Connection, limits: Limits, owner: str, kept_now: set[str]) -> None:
    """First what is deleted already, then the oldest, then the oldest pinned; never what has just been kept.

    Where all owners together have too much, those give who have most. Nobody's run goes for the new one of an owner who has as much or
    more: then the new one is refused, which raises QdashError. On one's own machine pinned runs may exceed the limit.
    """
    _thin_out(connection, limits, owner, kept_now)
    sizes = dict(connection.execute("SELECT owner, sum(bytes) FROM runs GROUP BY owner").fetchall())
    excess = sum(sizes.values()) - limits.total_bytes
    if excess <= 0:
        return
    deleted = "SELECT number, owner, bytes FROM runs WHERE deleted_at IS NOT NULL ORDER BY deleted_at"
    for number, whose, size in connection.execute(deleted).fetchall():
        if excess > 0:
            connection.execute("DELETE FROM runs WHERE number = ?", (number,))
            sizes[whose], excess = sizes[whose] - size, excess - size
    while excess > 0:
        larger = sorted((other for other in sizes if sizes[other] > sizes[owner]), key=lambda other: -sizes[other])
        givers = ((whose, _oldest(connection, whose, limits, owner, kept_now)) for whose in (*larger, owner))
        whose, oldest = next((giver for giver in givers if giver[1] is not None), ("", None))
        if oldest is None:
            if not limits.all_may_go:
                return
            message = "The history of this server is full, and no visitor uses more of it than you. This run was not saved."
            raise QdashError(message, "Export this run, or delete some of your runs.", "unavailable")
        number, size = oldest
        connection.execute("DELETE FROM runs WHERE number = ?", (number,))
        sizes[whose], excess = sizes[whose] - size, excess - size


def _oldest(connection: sqlite3.Connection, whose: str, limits: Limits, owner: str, kept_now: set[str]) -> tuple[int, int] | None:
    """The run that `whose` would give first, as (number, bytes); pinned runs are given for one's own new ones only."""
    pinned_too = whose == owner and limits.all_may_go
    query = f"SELECT number, bytes, key FROM runs WHERE owner = ?{'' if pinned_too else ' AND NOT pinned'} ORDER BY pinned, number"
    return next(((number, size) for number, size, key in connection.execute(query, (whose,)) if key not in kept_now), None)


def _thin_out(connection: sqlite3.Connection, limits: Limits, owner: str, kept_now: set[str]) -> None:
    """Hold what `owner` has within the limits."""
    count, size = connection.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM runs WHERE owner = ?", (owner,)).fetchone()
    if count <= limits.runs and size <= limits.own_bytes:
        return
    order = "SELECT number, key, bytes, pinned FROM runs WHERE owner = ? ORDER BY deleted_at IS NULL, pinned, number"
    for number, key, own, pinned in connection.execute(order, (owner,)).fetchall():
        if (count <= limits.runs and size <= limits.own_bytes) or (pinned and not limits.all_may_go):
            return
        if key not in kept_now:
            connection.execute("DELETE FROM runs WHERE number = ?", (number,))
            count, size = count - 1, size - own


def _found(connection: sqlite3.Connection, where: str, values: tuple[str, ...]) -> tuple | None:
    query = f"SELECT {_COLUMNS}, picture, record FROM runs JOIN contents USING (number) WHERE {where}"
    return connection.execute(query, values).fetchone()


def _entry(row: tuple) -> Entry:
    key, kind, created_at, model, labels, headline, asked, pinned, share, prompt, picture = row
    return Entry(
        key=key,
        kind=kind,
        created_at=datetime.fromisoformat(created_at),
        model=model,
        labels=tuple(json.loads(labels)),
        headline=headline,
        asked=asked,
        pinned=bool(pinned),
        share=Share(key=share, prompt=bool(prompt), picture=bool(picture)) if share else None,
    )


def _record(kind: RunKind, text: str) -> Kept:
    try:
        return KINDS[kind].record.model_validate_json(text)
    except (ValidationError, KeyError):
        message = "This run was written by another version of qdash, which this one cannot read."
        raise QdashError(message, "Open it with the version that wrote it.") from None


def _as_shared(entry: Entry, record: Kept, picture: bytes | None) -> Run:
    assert entry.share is not None
    kind = KINDS[entry.kind]
    shown = kind.shared(record, entry.share)
    summary = kind.summary(shown)
    # The owner's own key stays with the owner.
    told = {"model": summary.model, "labels": summary.labels, "headline": summary.headline, "asked": _beginning(summary.asked)}
    return Run(entry.model_copy(update={**told, "key": "", "pinned": False}), shown, picture if entry.share.picture else None, own=False)
