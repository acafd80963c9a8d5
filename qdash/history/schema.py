"""What a history's database has in it. The file says whose it is and of which version, in SQLite's own numbers for that."""

import sqlite3

APPLICATION = int.from_bytes(b"qdas")
VERSION = 1

SCHEMA = """
CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    created_at TEXT NOT NULL,
    model TEXT NOT NULL,
    labels TEXT NOT NULL,
    headline TEXT NOT NULL,
    asked TEXT NOT NULL,
    words TEXT NOT NULL,
    digest TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0,
    deleted_at REAL,
    share TEXT UNIQUE,
    share_prompt INTEGER NOT NULL DEFAULT 0,
    share_picture INTEGER NOT NULL DEFAULT 0,
    UNIQUE (owner, digest)
);
CREATE TABLE contents (
    number INTEGER PRIMARY KEY REFERENCES runs (number) ON DELETE CASCADE,
    picture BLOB,
    record TEXT NOT NULL
);
CREATE INDEX runs_in_order ON runs (owner, created_at);
CREATE INDEX runs_to_go ON runs (pinned, number, bytes);
"""
THUMBNAILS = """
CREATE TABLE IF NOT EXISTS thumbnails (
    number INTEGER PRIMARY KEY REFERENCES runs (number) ON DELETE CASCADE,
    webp BLOB NOT NULL
)
"""


def create(connection: sqlite3.Connection) -> None:
    """Make an empty database a history."""
    connection.execute("BEGIN IMMEDIATE")
    if not tables(connection):  # another process may have been quicker
        for statement in filter(str.strip, SCHEMA.split(";")):
            connection.execute(statement)
        complete(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def complete(connection: sqlite3.Connection) -> None:
    """Add what the first files did not have. Who wrote them does not miss it, so the version of the file stays."""
    connection.execute(THUMBNAILS)


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """One of SQLite's own numbers for a database."""
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def tables(connection: sqlite3.Connection) -> int:
    """How many tables and indexes a database has."""
    return connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
