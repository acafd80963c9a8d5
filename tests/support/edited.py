"""The package with some files edited, for fresh processes: what a person would have who had followed docs/extending.md."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.lent_kernels import lend_kernels

ROOT = Path(__file__).parents[2]


def edited_package(folder: Path, additions: Mapping[str, str]) -> Path:
    """Links to all of qdash in `folder`, but for the files in `additions`: new ones, or copies with text added at their ends.

    Returns `folder`.
    """
    for name, text in additions.items():
        for parent in reversed(Path(name).parents[:-1]):
            _open(folder, parent)
        copy = folder / name
        copy.unlink(missing_ok=True)  # the link: what is written must not reach the file itself
        before = f"{(ROOT / name).read_text(encoding='utf-8')}\n\n" if (ROOT / name).exists() else ""
        copy.write_text(before + text, encoding="utf-8")
    return folder


def _open(folder: Path, part: Path) -> None:
    """Make a real folder of `part`, with a link to everything in it."""
    target = folder / part
    if target.is_dir() and not target.is_symlink():
        return
    target.unlink(missing_ok=True)
    target.mkdir(parents=True)
    for entry in (ROOT / part).iterdir() if (ROOT / part).exists() else ():
        if entry.name != "__pycache__":
            (target / entry.name).symlink_to(entry)


def run_edited(folder: Path, *arguments: str) -> str:
    """What Python prints that is started with these arguments and imports the edited package."""
    return edited_process(folder, *arguments).stdout


def edited_process(folder: Path, *arguments: str, status: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same process, which has ended with this exit status, with variables in its environment."""
    cache = lend_kernels(folder / "cache")
    own = {"PYTHONPATH": str(folder), "QDASH_CACHE_DIR": str(cache), "QDASH_HISTORY": str(folder / "history.sqlite3")}
    command, environment = [sys.executable, *arguments], {**os.environ, **own, **environment}
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert process.returncode == status, process.stderr[-3000:]
    return process
