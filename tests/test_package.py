"""What an installed qdash has: everything that lies in the package, not only its Python."""

import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_every_file_of_the_package_is_installed() -> None:
    listed = subprocess.run(["git", "ls-files", "qdash"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a Git checkout: what lies in the folder may be more than belongs to the package")
    data = {ROOT / name for name in listed.stdout.splitlines() if not name.endswith(".py")}
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"]
    packages = [path.parent for path in (ROOT / "qdash").rglob("__init__.py")]
    folders = {ROOT.joinpath(*package.split(".")): globs for package, globs in patterns.items() if package != "*"}
    folders |= {folder: [*folders.get(folder, []), *patterns["*"]] for folder in packages}
    installed = {path for folder, globs in folders.items() for glob in globs for path in folder.glob(glob)}
    assert len(data) > 60 and not data - installed
