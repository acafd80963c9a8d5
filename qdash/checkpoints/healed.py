"""Healed versions of checkpoints: weights that were trained for a scheme, kept in the cache with the report of how.

There is a folder for each checkpoint, by its revision; in it one version for each scheme, whose name ends in a digest of its weights: a
warm worker with an older version is not taken for one with the new. Beside it lies what a training that was stopped goes on from.
"""

import json
import shutil
from collections.abc import Iterator
from hashlib import file_digest, sha256
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open

from qdash.catalog.healed_files import REPORT, STATE, WEIGHTS
from qdash.catalog.recipes import is_recipe
from qdash.catalog.scheme import Scheme
from qdash.catalog.schemes import find_scheme, known_scheme
from qdash.checkpoints.disk import check_disk
from qdash.checkpoints.new_folder import disk_errors
from qdash.checkpoints.record import Checkpoint
from qdash.errors import QdashError
from qdash.private_folder import private_folder
from qdash.records import HealReport
from qdash.remedies import by_reader
from qdash.scratch import scratch_folder, sweep
from qdash.settings import settings
from qdash.whole_files import write_whole

_ANSWERS = TypeAdapter(dict[int, tuple[str, bool]])
_VISITOR = "Choose another scheme."


def healed_folders(checkpoint: Checkpoint, scheme: str | None) -> tuple[str, ...]:
    """The folders of the versions that a variant of the checkpoint under `scheme` may need; of all where it is None."""
    if scheme is not None and (is_recipe(scheme) or not find_scheme(scheme).family.needs_healing):
        return ()
    return tuple(str(folder) for key, folder in _versions(checkpoint.revision) if scheme is None or key == scheme)


def healing_problem(checkpoint: Checkpoint, scheme: Scheme) -> QdashError | None:
    """Why `scheme`, if its weights are trained beforehand, cannot run on a checkpoint; None if it can, and for all other schemes."""
    if not scheme.family.needs_healing or healed_folders(checkpoint, scheme.key):
        return None
    return needs_healing(scheme, checkpoint.model, checkpoint.label)


def needs_healing(scheme: Scheme, model: str, label: str) -> QdashError:
    """That the model asked for as `model`, which is called `label`, was not healed for `scheme` yet."""
    owner = f"Open the Heal page, or run: qdash heal --model {model} --scheme {scheme.key} --minutes 5"
    return QdashError(f"{label} was not healed for “{scheme.label}” yet.", by_reader(owner=owner, visitor=_VISITOR), "unavailable")


def training_folder(checkpoint: Checkpoint, scheme: str, needed_bytes: int) -> Path:
    """Where training of the checkpoint keeps its state, which takes `needed_bytes`; made if need be. Raises QdashError("download")."""
    home = _home(checkpoint.revision)
    with disk_errors(home):
        folder = private_folder(home / f"{scheme}.training")
    sweep(home)
    check_disk("What training keeps", needed_bytes, folder, "QDASH_CACHE_DIR")
    return folder


def seconds_trained(checkpoint: Checkpoint, scheme: str) -> float:
    """How long the checkpoint was trained for `scheme` so far, by the state that a training goes on from; 0 where there is none."""
    try:
        with safe_open(_home(checkpoint.revision) / f"{scheme}.training" / STATE, framework="numpy") as state:
            return float(json.loads(state.metadata()["about"])["seconds"])
    except (OSError, SafetensorError, TypeError, KeyError, ValueError):
        return 0.0


def healed_report(checkpoint: Checkpoint, scheme: str) -> HealReport | None:
    """How the version came about that the checkpoint has for `scheme`; None where there is none, or no report that can be read."""
    for key, folder in _versions(checkpoint.revision):
        if key == scheme:
            try:
                return HealReport.model_validate_json((folder / REPORT).read_text(encoding="utf-8"))
            except (OSError, ValidationError):
                return None
    return None


def keep_healed(checkpoint: Checkpoint, training: Path, report: HealReport) -> Path:
    """Make a version of the best weights in the folder of a training, in place of the one before; raises QdashError("download")."""
    home = _home(checkpoint.revision)
    with disk_errors(home):
        made = scratch_folder(home, "healing")
        try:
            shutil.copyfile(training / WEIGHTS, made / WEIGHTS)
            write_whole(made / REPORT, report.model_dump_json(indent=2))
            with (made / WEIGHTS).open("rb") as weights:
                digest = file_digest(weights, "sha256").hexdigest()[:12]
            place = home / f"{report.scheme}-{digest}"
            old = [folder for key, folder in _versions(checkpoint.revision) if key == report.scheme]
            for folder in old:
                shutil.rmtree(folder, ignore_errors=True)
            made.rename(place)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return place


def keep_check(checkpoint: Checkpoint, report: HealReport) -> None:
    """Keep a report with a `check` beside the version that it tells of; one that was healed again meanwhile keeps its own.

    Raises QdashError("download").
    """
    for key, folder in _versions(checkpoint.revision):
        if key == report.scheme and HealReport.model_validate_json((folder / REPORT).read_bytes()).created_at == report.created_at:
            with disk_errors(folder):
                write_whole(folder / REPORT, report.model_dump_json(indent=2))


def kept_answers(checkpoint: Checkpoint, name: str) -> dict[int, tuple[str, bool]] | None:
    """What the checkpoint answered to the questions called `name`, by number: the text, and whether it ended there; None: not known."""
    try:
        return _ANSWERS.validate_json((_home(checkpoint.revision) / f"answers-{name}.json").read_bytes())
    except (OSError, ValidationError):
        return None


def keep_answers(checkpoint: Checkpoint, name: str, answers: dict[int, tuple[str, bool]]) -> None:
    """Keep them for `kept_answers`; raises QdashError("download")."""
    home = _home(checkpoint.revision)
    with disk_errors(home):
        write_whole(private_folder(home) / f"answers-{name}.json", _ANSWERS.dump_json(answers).decode())


def _versions(revision: str) -> Iterator[tuple[str, Path]]:
    """Scheme and folder of every whole version."""
    for folder in sorted(_home(revision).glob("*-*")):
        key = folder.name.rpartition("-")[0]
        scheme = known_scheme(key)
        if scheme is not None and scheme.family.needs_healing and (folder / REPORT).is_file():
            yield key, folder


def _home(revision: str) -> Path:
    return settings().cache_dir / "healed" / sha256(revision.encode()).hexdigest()[:12]
