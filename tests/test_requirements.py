"""The requirements, those of developers and what Spaces add install together. uv resolves them from metadata, so nothing is downloaded."""

import ast
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import uv

from tests.support.index import INDEX, skip_if_unreachable

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
FRONT_MATTER = dict(re.findall(r'^(\w+): "?([^"\n]+)"?$', (ROOT / "README.md").read_text().split("---")[1], re.MULTILINE))
ADDED_BY_SPACES = f"gradio[oauth,mcp]=={FRONT_MATTER['sdk_version']}"
"""ZeroGPU Spaces add the package `spaces`, too, which requirements-dev.txt pins."""


def _resolved(requirements: str, python: str) -> str:
    """The versions that satisfy `requirements` (the text of a requirements file); fails with uv's account of what conflicts with what."""
    command = (
        uv.find_uv_bin(), "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate", "--no-config", "--default-index", INDEX,
        "--only-binary", ":all:", "--python-platform", "x86_64-manylinux_2_28", "--python-version", python,
    )  # fmt: skip
    found = subprocess.run(command, input=requirements, cwd=ROOT, capture_output=True, text=True, timeout=240)
    skip_if_unreachable(found.stderr)
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.parametrize("python", PYTHONS)
def test_they_install_together_with_what_spaces_add(python: str) -> None:
    resolved = _resolved(f"-r requirements-dev.txt\n{ADDED_BY_SPACES}", python)
    for package in ("gradio", "mcp", "authlib", "spaces", "torch", "pytest"):
        assert re.search(rf"^{package}==", resolved, re.MULTILINE), package


def test_a_conflict_is_told_with_both_sides() -> None:
    with pytest.raises(AssertionError, match=r"gradio.* depends on pydantic.*(?s:.*)you require pydantic>=2\.14"):
        _resolved(f"{ADDED_BY_SPACES}\npydantic>=2.14", "3.12")


def test_spaces_run_what_is_tested() -> None:
    assert f"gradio=={FRONT_MATTER['sdk_version']}" in (ROOT / "requirements.txt").read_text().splitlines()
    assert FRONT_MATTER["python_version"].rpartition(".")[0] in PYTHONS


def test_torchao_compiles_without_an_error() -> None:
    """As when it is first imported, under the warning filters of the tests: pip has compiled it by then, other installers have not."""
    found = find_spec("torchao")
    assert found is not None and found.submodule_search_locations is not None
    (folder,) = found.submodule_search_locations
    for path in Path(folder).rglob("*.py"):
        ast.parse(path.read_text(), str(path))
