"""The package with some files edited, for fresh processes: what a person would have who had followed docs/extending.md."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def edited_package(folder: Path, additions: Mapping[str, str]) -> Path:
    """Links to all of qdash in `folder`, but for copies of the files in `additions`, each with text added at its end; returns `folder`."""
    for name, text in additions.items():
        for parent in reversed(Path(name).parents[:-1]):
            _open(folder, parent)
        copy = folder / name
        copy.unlink()  # the link: what is written must not reach the file itself
        copy.write_text(f"{(ROOT / name).read_text(encoding='utf-8')}\n\n{text}", encoding="utf-8")
    return folder


def _open(folder: Path, part: Path) -> None:
    """Make a real folder of `part`, with a link to everything in it."""
    target = folder / part
    if target.is_dir() and not target.is_symlink():
        return
    target.unlink(missing_ok=True)
    target.mkdir(parents=True)
    for entry in (ROOT / part).iterdir():
        if entry.name != "__pycache__":
            (target / entry.name).symlink_to(entry)


def run_edited(folder: Path, *arguments: str) -> str:
    """What Python prints that is started with these arguments and imports the edited package."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "QDASH_CACHE_DIR": str(folder / "cache")}
    command = [sys.executable, *arguments]
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout
