"""A repository on the hub as the place of a saved model: checked before anything is loaded, filled by `upload` in a process of its own.

All files come in one commit, so that a repository is never half full. One that was made for it and stays empty, after a failure or Stop,
is removed again. Never is one replaced unless that is asked for, and then the hub keeps what was there in its history.
"""

import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

import qdash
from qdash.checkpoints.upload import CREATED, NO_TOKEN, upload_errors
from qdash.errors import QdashError
from qdash.records import ErrorRecord, Step

PREFIX = "hub:"
POLL_S = 0.1


@dataclass(frozen=True)
class HubRepository:
    """The repository `name` of the person who is logged in; `public`: one that is made can be seen by anybody."""

    name: str
    overwrite: bool = False
    public: bool = False

    @property
    def address(self) -> str:
        """Where people find it."""
        return f"{constants.ENDPOINT}/{self.name}"

    def check(self) -> bool:
        """Whether it exists. Raises QdashError if it cannot be written: no token, no such name, or it may not be replaced."""
        try:
            validate_repo_id(self.name)
        except HFValidationError:
            raise self._misnamed() from None
        if self.name.count("/") != 1:
            raise self._misnamed()
        if constants.is_offline_mode():
            raise QdashError("HF_HUB_OFFLINE is set, so nothing can be sent to the hub.", "Unset it, or save to a folder.", "download")
        if get_token() is None:
            raise QdashError("There is no token for the hub.", NO_TOKEN, "download")
        with upload_errors(self.name):
            exists = HfApi().repo_exists(self.name)
        if exists and not self.overwrite:
            raise QdashError(
                f"{self.name} exists already on the hub.", "Give another name, or allow to replace it (on the command line: --overwrite)."
            )
        return exists

    def _misnamed(self) -> QdashError:
        return QdashError(f"“{self.name}” is not the name of a repository on the hub.", "Write hub:user/name, with your user name.")


def knows_token() -> bool:
    """Whether something could be sent to the hub from here: there is a person's token, and the hub may be asked."""
    return get_token() is not None and not constants.is_offline_mode()


def upload(folder: Path, repository: HubRepository, exists: bool, stop: Event | None = None) -> Generator[Step, None, None]:
    """Send all of `folder` in one commit, yielding progress.

    Raises QdashError: "download" if the hub refuses or cannot be reached, "cancelled" when `stop` is set.
    """
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    process = _start(repository, folder, exists)
    done = False
    output = ""
    try:
        while process.poll() is None:
            if stop is not None and stop.is_set():
                raise QdashError("Sending to the hub was stopped.", "Start again; nothing was left behind.", "cancelled")
            yield Step(detail=f"sending {size / 1e6:,.0f} MB to {repository.name}")
            time.sleep(POLL_S)
        done = process.returncode == 0
    finally:
        process.kill()
        output = process.communicate()[0]
        if not done and output.startswith(CREATED):
            with suppress(Exception):  # whatever keeps it there is what failed before
                HfApi().delete_repo(repository.name)
    if not done:
        raise _failure(output, repository.name)


def _start(repository: HubRepository, folder: Path, exists: bool) -> subprocess.Popen[str]:
    # The child may start in any folder, so it is told where this package lies.
    path = os.pathsep.join([str(Path(qdash.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    visibility = "existing" if exists else "public" if repository.public else "private"
    command = [sys.executable, "-m", "qdash.checkpoints.upload", repository.name, str(folder), visibility]
    environment = {**os.environ, "PYTHONPATH": path, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
        start_new_session=True,
    )  # fmt: skip


def _failure(output: str, repo: str) -> QdashError:
    lines = output.strip().splitlines()
    if lines and lines[-1].startswith("{"):
        return ErrorRecord.model_validate_json(lines[-1]).raised()
    return QdashError(f"Sending {repo} to the hub ended unexpectedly.", "Try again, or save to a folder.", "download")
