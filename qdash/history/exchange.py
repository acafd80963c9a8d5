"""Exports runs as a JSON file and imports them: to move a history to another machine, to archive it, or to send a run to another qdash.

A file from elsewhere is untrusted: its size is bounded, every record in it is validated before any is kept, pictures are decoded and made
anew, and of keys and links nothing is taken over. All of a file is imported or nothing.
"""

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pydantic_core
from pydantic import ValidationError

from qdash.errors import QdashError
from qdash.history.kinds import KINDS, kind_of
from qdash.history.pictures import small_picture
from qdash.history.store import History, NewRun, Run
from qdash.inputs import read_picture, text_of
from qdash.present.formatting import several
from qdash.records import Comparison, Evaluation
from qdash.records.history import HistoryFile, HistoryRun
from qdash.settings import settings

MOST_FILE_BYTES = 64 * 2**20
MOST_LISTED = 100_000
"""Entries of any list in a file. Far above what a run has; what is wrong with each of millions would take long to say."""

PUBLIC_FILE_BYTES = 4 * 2**20
"""In public mode, where every visitor costs memory while a file is read."""
_FOREIGN = "Choose a JSON file that Export has written."


@dataclass(frozen=True)
class Imported:
    """`keys` of all runs of a file, and how many of them were new."""

    keys: tuple[str, ...]
    new: int


def most_file_bytes() -> int:
    """How large a file of runs may be."""
    return PUBLIC_FILE_BYTES if settings().public else MOST_FILE_BYTES


def export_runs(history: History, keys: Iterable[str], owner: str = "") -> str:
    """The runs named, as a file; raises QdashError if one is not there, or if they are too many for a file."""
    runs, size = [], 0
    for key in keys:
        runs.append(_exported(history.open(key, owner)))
        size += len(json.dumps(runs[-1].record)) + len(runs[-1].picture or "")
        if size > MOST_FILE_BYTES:
            message = f"These runs take more than {MOST_FILE_BYTES // 2**20} MiB, which is what can be imported again."
            raise QdashError(message, "Export fewer at a time.")
    return json.dumps(HistoryFile(runs=tuple(runs)).model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def import_runs(history: History, data: bytes, owner: str = "", name: str = "The file") -> Imported:
    """Keep the runs of a file that `export_runs` made, or the one of a comparison's or evaluation's own JSON.

    Raises QdashError saying what is wrong with the file, called `name`; then nothing of it is kept.
    """
    runs = _read(data, name)
    if len(runs) > history.limits.runs:
        message = f"{name} has {several(len(runs), 'run', 'runs')}; this history holds at most {history.limits.runs:,}."
        raise QdashError(message, "Export fewer at a time.")
    before = history.listing(owner, limit=1).total
    keys = history.keep_all(runs, owner)
    return Imported(tuple(keys), history.listing(owner, limit=1).total - before)


def _exported(run: Run) -> HistoryRun:
    picture = base64.b64encode(run.picture).decode() if run.picture else None
    kind = kind_of(run.record)
    return HistoryRun(kind=kind, pinned=run.entry.pinned, picture=picture, record=json.loads(run.record.model_dump_json()))


def _read(data: bytes, name: str) -> list[NewRun]:
    if len(data) > most_file_bytes():
        size = f"{len(data) / 2**20:,.1f} MiB; at most {most_file_bytes() // 2**20} can be imported"
        raise QdashError(f"{name} has {size}.", "Export fewer runs at a time.")
    content = _parsed(data, name)
    if "qdash_history" in content:
        file = _history_file(content, name)
        return [_run(run, f"{name}, run {number}") for number, run in enumerate(file.runs, 1)]
    for record in (Comparison, Evaluation):
        if {"qdash_version", "host", "request", "variants"} <= content.keys() and ("questions" in content) == (record is Evaluation):
            return [NewRun(_validated(record, content, name))]
    raise QdashError(f"{name} is JSON, but not a history, a comparison or an evaluation.", _FOREIGN)


def _parsed(data: bytes, name: str) -> dict[str, Any]:
    try:
        content = pydantic_core.from_json(text_of(data, name, _FOREIGN))
    except (ValueError, RecursionError) as error:
        raise QdashError(f"{name} is not JSON ({error}).", _FOREIGN) from None
    if not isinstance(content, dict):
        raise QdashError(f"{name} is JSON, but was not written by qdash.", _FOREIGN)
    if _longest_list(content) > MOST_LISTED:
        raise QdashError(f"{name} has a list of more than {MOST_LISTED:,} entries.", _FOREIGN)
    return content


def _longest_list(content: dict[str, Any]) -> int:
    longest, left = 0, list[Any](content.values())
    while left:
        found = left.pop()
        if isinstance(found, list):
            longest = max(longest, len(found))
        left.extend(found.values() if isinstance(found, dict) else found if isinstance(found, list) else ())
    return longest


def _history_file(content: dict[str, Any], name: str) -> HistoryFile:
    version = content["qdash_history"]
    if isinstance(version, int) and version > 1:
        writer = str(content.get("qdash_version", "unknown"))[:40]
        raise QdashError(f"{name} was written by a newer qdash ({writer}).", "Update qdash to import it.")
    return _validated(HistoryFile, content, name)


def _run(run: HistoryRun, name: str) -> NewRun:
    record = _validated(KINDS[run.kind].record, run.record, name)
    # Pinned runs go last when there is no room: that is not for a file of a stranger's making.
    return NewRun(record, _picture(run.picture, name), run.pinned and not settings().public)


def _validated(record: Any, content: dict[str, Any], name: str) -> Any:
    """`content` as a record. Checked as JSON, whose rules are stricter than those for Python's own values."""
    try:
        found = record.model_validate_json(json.dumps(content))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the whole"
        message = f"{name} cannot be read: {place[:200]}: {fault['msg'][0].lower()}{fault['msg'][1:300]}."
        raise QdashError(message, f"It may have been changed, or come from another version of qdash. {_FOREIGN}") from None
    if isinstance(found, Comparison | Evaluation) and not found.variants:
        raise QdashError(f"{name} cannot be read: it has no variants.", _FOREIGN)
    return found


def _picture(encoded: str | None, name: str) -> bytes | None:
    if encoded is None:
        return None
    try:
        _, png = read_picture(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError):
        raise QdashError(f"{name} has a picture that is not base64.", _FOREIGN) from None
    return small_picture(png)
