"""Imports run one way, and heavy libraries stay where they belong: each rule is tried in a fresh interpreter or read from the source."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "qdash"

# What each layer may import of qdash itself; see the README's “How it is built”.
BASE = {
    "qdash", "records", "errors", "settings", "catalog", "machine", "busyness", "present", "renaming", "offer",
    "remedies", "stopping", "private_folder", "scratch", "whole_files", "parent",
}  # fmt: skip
ALLOWED = {
    "catalog": {"errors", "catalog"},
    "errors": set(),
    "records": {"qdash", "catalog", "errors", "records"},
    "settings": {"errors"},
    "machine": {"catalog", "errors", "records", "settings", "cgroups", "zerogpu"},
    "busyness": {"machine", "records"},
    "cgroups": set(),
    "zerogpu": {"settings"},
    "present": {"catalog", "errors", "records", "settings", "present"},
    "remedies": {"errors", "settings"},
    "renaming": {"errors"},
    "offer": {"catalog", "errors", "machine", "records", "settings"},
    "stopping": {"errors"},
    "private_folder": set(),
    "scratch": set(),
    "whole_files": {"scratch"},
    "parent": set(),
    "inputs": BASE | {"inputs"},
    "checkpoints": BASE | {"checkpoints"},
    "engine": BASE | {"engine"},
    "charts": BASE | {"charts", "verdict"},
    "verdict": {"records", "catalog", "present", "stats", "tasks", "verdict"},
    "markup": {"catalog", "present", "markup"},
    "report": BASE | {"charts", "verdict", "markup", "report"},
    "execution": BASE | {"engine", "execution", "zerogpu"},
    "stats": {"records", "stats"},
    "runs": BASE | {"checkpoints", "execution", "runs", "stats", "tasks", "verdict"},
    "tasks": BASE | {"inputs", "stats", "tasks"},
    "learn": BASE | {"checkpoints"},
    "history": BASE | {"inputs", "verdict", "history"},
    "cli": BASE | {"checkpoints", "inputs", "execution", "runs", "charts", "report", "cli"} | {"tasks", "verdict", "history"},
    "ui": BASE
    | {"checkpoints", "inputs", "execution", "runs", "charts", "markup", "report", "learn", "ui"}
    | {"tasks", "stats", "verdict", "history", "zerogpu"},
    "__main__": {"cli"},
}
# The one command that serves the page imports it when it is called.
SERVES = PACKAGE / "cli" / "serve.py"
# What each folder of the page may import of the page itself: they stand on each other in this order, and no page imports another.
SHARED = ("components", "server", "controls", "results")
PAGES = sorted({path.parent.name for path in (PACKAGE / "ui").glob("*/*.py")} - set(SHARED))
ALLOWED_IN_UI = {
    **{folder: set(SHARED[: place + 1]) for place, folder in enumerate(SHARED)},
    **{page: {*SHARED, page} for page in PAGES},
}
HEAVY = ("torch", "transformers", "gradio", "plotly", "pandas", "bitsandbytes", "torchao")


def modules(layer: str) -> list[Path]:
    file = PACKAGE / f"{layer}.py"
    return [file] if file.exists() else sorted((PACKAGE / layer).rglob("*.py"))


def imported_layers(path: Path) -> set[str]:
    """The parts of qdash that a file imports, anywhere in it; the bare package is “qdash”."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = [f"qdash.{alias.name}" for alias in node.names if importlib.util.find_spec(f"qdash.{alias.name}")]
            names += submodules if node.module == "qdash" and submodules else [node.module]
    parts = [name.split(".") for name in names if name.split(".")[0] == "qdash"]
    return {part[1] if len(part) > 1 else "qdash" for part in parts}


def test_every_part_of_the_package_has_a_rule() -> None:
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))}
    assert parts - {"__init__"} == ALLOWED.keys()


@pytest.mark.parametrize("layer", ALLOWED)
def test_imports_run_one_way(layer: str) -> None:
    for path in modules(layer):
        assert imported_layers(path) <= ALLOWED[layer] | ({"ui"} if path == SERVES else set()), path


def imported_ui(path: Path) -> set[str]:
    """The parts of the page that a file imports: folders and single files of qdash/ui."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return {name.split(".")[2] for name in names if name.startswith("qdash.ui.")}


def test_every_folder_of_the_page_is_shared_or_a_tab() -> None:
    found = subprocess.run(
        [sys.executable, "-c", "from qdash.ui.pages import PAGES; print(*(page.key for page in PAGES))"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert sorted(found.stdout.split()) == PAGES


@pytest.mark.parametrize("folder", ALLOWED_IN_UI)
def test_a_page_imports_no_other_page(folder: str) -> None:
    for path in modules(f"ui/{folder}"):
        assert imported_ui(path) <= ALLOWED_IN_UI[folder], path


def test_executors_come_from_one_function() -> None:
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]:
        if PACKAGE / "execution" not in path.parents:
            names = {getattr(node, "id", None) or getattr(node, "attr", None) for node in ast.walk(ast.parse(path.read_text()))}
            assert not names & {"ProcessExecutor", "InlineExecutor", "ZeroGPUExecutor"}, path


def loaded_after(statement: str) -> set[str]:
    """The heavy libraries that a fresh interpreter has loaded after `statement`."""
    script = f"import sys\n{statement}\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "permitted"),
    [
        ("import app", set()),
        ("import qdash.ui.serve", {"gradio", "plotly", "pandas"}),
        ("import qdash.cli", {"plotly", "pandas"}),
        ("import qdash.runs.compare, qdash.runs.evaluate, qdash.execution.process, qdash.execution.inline, qdash.inputs", set()),
        ("import qdash.history, qdash.history.run_diff, qdash.history.exchange", set()),
        ("import qdash.charts, qdash.report", {"plotly", "pandas"}),
        ("import qdash.engine.worker, qdash.engine.preload", {"torch", "transformers", "bitsandbytes", "torchao"}),
    ],
)
def test_heavy_libraries_stay_where_they_belong(statement: str, permitted: set[str]) -> None:
    assert loaded_after(statement) <= permitted


def test_the_catalogue_needs_the_standard_library_only() -> None:
    for path in modules("catalog"):
        tree = ast.parse(path.read_text())
        names = {
            name.split(".")[0]
            for node in ast.walk(tree)
            for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", None) or ""])
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert names <= {*sys.stdlib_module_names, "qdash"}, path
