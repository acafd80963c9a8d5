"""`pip install .` gives all of qdash: built, installed into a folder and run from another one, where nothing of the repository is at hand.

The build takes setuptools from the package index; all that the wheel requires is that of this environment.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from qdash.records import Comparison
from tests.support.index import INDEX, skip_if_unreachable
from tests.support.serving import Server, serving

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "docs/", "assets/screenshots/")
BUILT_FROM = ("qdash/", *DOCUMENTS, "pyproject.toml", "setup.py", "MANIFEST.in", "requirements.txt", "LICENSE")
QUICK = ("--runs", "2", "--warmup", "0", "--max-new-tokens", "2", "--max-answer-tokens", "4")


@pytest.fixture(scope="module")
def files() -> list[str]:
    """The files of the repository, also those that are new, but nothing that Git ignores."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a Git checkout: what lies in the folder may be more than belongs to the package")
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def source(files: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository: building leaves files behind."""
    folder = tmp_path_factory.mktemp("source")
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def _built(source: Path, folder: Path, *what: str) -> Path:
    """`folder` with what uv has built of `source`: an sdist, and a wheel from that; or `what`."""
    command = [uv.find_uv_bin(), "build", "--quiet", "--no-config", "--default-index", INDEX, "--python", sys.executable]
    done = subprocess.run([*command, *what, "--out-dir", str(folder), str(source)], capture_output=True, text=True, timeout=300)
    skip_if_unreachable(done.stderr)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that was built from it."""
    return _built(source, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel that was built from the sdist."""
    (file,) = built.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed wheel."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-warn-script-location"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True, timeout=120)
    return folder


def _qdash(site: Path, folder: Path, *arguments: str) -> str:
    """What the installed command, run in `folder`, prints."""
    own = {"PYTHONPATH": str(site), "QDASH_CACHE_DIR": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    command = [str(site / "bin" / "qdash"), *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ | own, capture_output=True, text=True, encoding="utf-8", timeout=500)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def _contents(wheel: Path) -> dict[str, int]:
    """The files of a wheel and their checksums."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.CRC for entry in archive.infolist()}


def test_the_wheel_has_the_package_and_the_documents(wheel: Path, files: list[str]) -> None:
    package = {name for name in files if name.startswith("qdash/")}
    documents = {f"qdash/documents/{name}" for name in files if name.startswith(DOCUMENTS)}
    assert len(package) > 200 and len(documents) > 8
    assert {name for name in _contents(wheel) if ".dist-info/" not in name} == package | documents


def test_the_sdist_has_what_the_same_wheel_is_built_from(built: Path, wheel: Path, source: Path, files: list[str], tmp_path: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert packed >= {name for name in files if name.startswith(BUILT_FROM)}
    assert not any(name.startswith("tests/") for name in packed)
    (direct,) = _built(source, tmp_path, "--wheel").glob("*.whl")
    assert _contents(direct) == _contents(wheel)


def test_the_installed_command_compares_variants(site: Path, tmp_path: Path) -> None:
    picture = site / "qdash" / "assets" / "samples" / "t1-square.png"
    asked = ("run", "--model", "tiny-vlm", "--schemes", "bnb-nf4", "--image", str(picture), "--prompt", "What is this?", *QUICK)
    _qdash(site, tmp_path, *asked, "--json", "out.json", "--html", "out.html")
    comparison = Comparison.model_validate_json((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [(variant.scheme, variant.status) for variant in comparison.variants] == [("original", "ok"), ("bnb-nf4", "ok")]
    assert all(variant.answer for variant in comparison.variants)
    assert "What is this?" in (tmp_path / "out.html").read_text(encoding="utf-8")


def test_the_installed_kernels_are_compiled(site: Path, tmp_path: Path) -> None:
    _qdash(site, tmp_path, "weights", "--model", "tiny-lm", "--schemes", "fp6-e2m3", "--json", "out.json")
    (scheme,) = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["schemes"]
    assert scheme["scheme"] == "fp6-e2m3"
    compiler = any(map(shutil.which, ("cc", "gcc", "clang")))
    assert len(list((tmp_path / "cache" / "kernels").glob("*.so"))) == compiler


def test_the_installed_command_says_what_there_is(site: Path, tmp_path: Path) -> None:
    assert "int2-g64" in _qdash(site, tmp_path, "schemes")
    said = [line.split() for line in _qdash(site, tmp_path, "doctor").splitlines()]
    assert ["tiny-vlm", "bundled"] in said and ["tiny-lm", "bundled"] in said


@pytest.fixture(scope="module")
def installed(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page that the installed command serves without being told to."""
    folder = tmp_path_factory.mktemp("page")
    with serving([str(site / "bin" / "qdash")], folder, cwd=folder, PYTHONPATH=str(site)) as running:
        yield running


def _served(server: Server, path: str) -> bytes:
    with urllib.request.urlopen(f"{server.url}/{path}", timeout=60) as response:
        assert response.status == 200
        return response.read()


def test_the_installed_page_is_served(installed: Server, site: Path) -> None:
    static = site / "qdash" / "ui" / "static"
    page, config = _served(installed, ""), json.loads(_served(installed, "config"))
    assert b"gradio-app" in page
    assert (static / "css" / "1-palette.css").read_text(encoding="utf-8") in config["css"]
    assert (static / "js" / "page.js").read_text(encoding="utf-8") in config["head"]
    samples = json.loads((site / "qdash" / "assets" / "samples" / "samples.json").read_text(encoding="utf-8"))
    assert json.dumps(config).count("data:image/png;base64,") >= len(samples)
    assert _served(installed, "favicon.ico") == (static / "favicon.svg").read_bytes()


def test_the_installed_help_is_complete(installed: Server, files: list[str]) -> None:
    assert b"<h1>qdash</h1>" in _served(installed, "help/")
    names = [Path(name).name for name in files if name.startswith(DOCUMENTS[1:])]
    assert len(names) > 7
    for name in names:
        assert _served(installed, f"help/{name}").startswith(b"\x89PNG" if name.endswith(".png") else b"<!doctype html>")
