"""Layer tables: made once for a model in a process that loads torch, kept in memory and on disk, and never waited for by the page.

Where workers are forked, that process is forked from the same server, which takes a second; elsewhere it is started anew. A model that is
not here yet needs no more than its config.json. A table that cannot be made costs accuracy, never a run: headers have to do then.
"""

import importlib
import json
import logging
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from pydantic import ValidationError

from qdash import __version__
from qdash.catalog.models import MODELS
from qdash.catalog.schemes import libraries
from qdash.checkpoints.helper_process import environment
from qdash.checkpoints.hub import config_file
from qdash.checkpoints.record import Checkpoint
from qdash.errors import QdashError
from qdash.machine import this_machine
from qdash.parent import end_with_parent
from qdash.records import Device, LayerTable, WorkerSpec
from qdash.settings import settings
from qdash.whole_files import write_whole

VERSION = 2
"""Counts up when the figures of a table change their meaning."""

ENGINE = "qdash.engine.table"  # by name: this side never loads torch
TIMEOUT_S = 180
POLL_S = 0.1

_made: dict[Path, LayerTable | None] = {}
_makers: dict[Path, Thread] = {}
_lock = Lock()


def layer_table(
    checkpoint: Checkpoint, device: Device, wait_s: float = 0.0, stopped: Callable[[], bool] = lambda: False
) -> LayerTable | None:
    """The table of `checkpoint` for schemes on `device`; None if it is quantized already, not known within `wait_s`, or cannot be made.

    A GGUF file has no configuration until it is unpacked. The first call begins to make the table. The wait ends once it is `stopped`.
    """
    if checkpoint.quantization is not None or (checkpoint.blocks is not None and checkpoint.folder is None):
        return None
    path = _path(checkpoint, device)
    with _lock:
        if path not in _made and (found := _kept(path)) is not None:
            _made[path] = found
        if path in _made:
            return _made[path]
        if path not in _makers:
            _makers[path] = begin(path, checkpoint, device)
        maker = _makers[path]
    until = time.monotonic() + wait_s
    while maker.is_alive() and not stopped() and (left := until - time.monotonic()) > 0:
        maker.join(min(left, POLL_S))
    return _made.get(path)


def begin(path: Path, checkpoint: Checkpoint, device: Device) -> Thread:
    """Make a table in the background."""
    maker = Thread(target=_make, args=(path, checkpoint, device), daemon=True)
    maker.start()
    return maker


def _make(path: Path, checkpoint: Checkpoint, device: Device) -> None:
    table = None
    try:
        job = _job(checkpoint, device)
        table = LayerTable.model_validate_json(_forked(job) if _forks() else _started(job))
        _keep(path, table)
    except (QdashError, ValidationError, OSError, EOFError, subprocess.SubprocessError) as error:
        logging.getLogger("qdash").info("the layer table of %s could not be made: %s", checkpoint.model, error)
    with _lock:
        _made[path] = table
        _makers.pop(path, None)


def _job(checkpoint: Checkpoint, device: Device) -> dict[str, Any]:
    known = {"revision": checkpoint.revision, "task": checkpoint.task, "scheme": None, "dtype": "float32", "threads": 1}
    spec = WorkerSpec.model_validate({**known, "folder": str(configured_folder(checkpoint)), "device": device})
    return {"spec": spec.model_dump(), "tensors": [tensor.name for tensor in checkpoint.tensors]}


def configured_folder(checkpoint: Checkpoint) -> Path:
    """A folder with the model's config.json, and its weights if these are here."""
    made_of = _architecture(checkpoint)
    if made_of is not None:
        return made_of
    if checkpoint.folder is not None:
        return Path(checkpoint.folder)
    return config_file(checkpoint.repo or checkpoint.model, checkpoint.revision).parent


def _architecture(checkpoint: Checkpoint) -> Path | None:
    """What random weights are made for: the same before and after."""
    entry = MODELS.get(checkpoint.model)
    return entry.architecture if entry is not None else None


def _forks() -> bool:
    """Whether a server to fork from is running already, with what workers need loaded."""
    if sys.platform != "linux":
        return False
    server = importlib.import_module("multiprocessing.forkserver")._forkserver
    return getattr(server, "_forkserver_pid", None) is not None


def _forked(job: dict[str, Any]) -> str:
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, job), name="qdash layer table", daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(TIMEOUT_S):
            raise OSError("it took too long")
        return ours.recv()
    finally:
        process.kill()
        process.join()
        ours.close()


def _answer(connection: Any, job: dict[str, Any]) -> None:
    end_with_parent()
    # A model is built on no device, so none is opened.
    importlib.import_module("qdash.engine.preload").hide_gpus()
    connection.send(importlib.import_module(ENGINE).answer(job))


def _started(job: dict[str, Any]) -> str:
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    command, known = [sys.executable, "-m", ENGINE], environment(PYTHONPATH=path)
    done = subprocess.run(command, input=json.dumps(job), env=known, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    return done.stdout


def _path(checkpoint: Checkpoint, device: Device) -> Path:
    """Where a table is kept: a name that changes with all that the table depends on."""
    here = this_machine()
    versions = {name: here.packages.get(name) for name in libraries()}
    place = str(_architecture(checkpoint) or checkpoint.folder or checkpoint.repo)
    known = [VERSION, __version__, place, checkpoint.revision, device, versions, here.cpu_name, here.platform]
    return settings().cache_dir / "tables" / f"{sha256(json.dumps(known).encode()).hexdigest()[:32]}.json"


def _kept(path: Path) -> LayerTable | None:
    try:
        return LayerTable.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _keep(path: Path, table: LayerTable) -> None:
    """All of it or nothing; a cache that cannot be written costs time, never a result."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, table.model_dump_json())
    except OSError as error:
        logging.getLogger("qdash").info("a layer table was not kept: %s", error)
