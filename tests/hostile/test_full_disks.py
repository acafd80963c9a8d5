"""Disks that are full and places that cannot be written: the run completes, what was there stays, and a person reads what to do."""

import errno
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qdash import cli
from qdash.checkpoints.random import making
from qdash.cli.outputs import Outputs
from qdash.errors import QdashError
from qdash.history import database
from qdash.report import to_json
from qdash.runs.model_report import _scratch
from qdash.settings import Settings
from qdash.ui.components.exports import comparison_export, history_export, write_export
from qdash.ui.server.request_faults import FaultLog
from qdash.whole_files import write_whole
from tests.history.examples import comparison, history_in
from tests.support.lent_kernels import lend_kernels
from tests.support.serving import ROOT, serving

ROOT_ONLY = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a tmpfs needs root")
DISK_BYTES = 4 * 2**20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def _fill(disk: Path) -> None:
    with (disk / "filling").open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            return


def _make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)


SPOILED = pytest.mark.parametrize("spoil", [_fill, _make_read_only], ids=["full", "read-only"])


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Each test opens the history as a new process does."""
    forget()
    yield
    forget()


def forget() -> None:
    database._proven.clear()
    database._memories.clear()


@ROOT_ONLY
@SPOILED
@pytest.mark.parametrize("opened", [False, True])
def test_the_history_keeps_what_it_has(spoil: Callable[[Path], None], opened: bool, disk: Path) -> None:
    history = history_in(disk)
    first = history.keep(comparison(1))
    before = history.path.read_bytes()
    if not opened:
        forget()
    spoil(disk)
    kept: list[str] = []
    try:
        for number in range(2, 200):
            kept.append(history.keep(comparison(number)))
    except QdashError as error:
        assert error.kind == "unavailable" and str(history.path) in error.message and "free space" in error.remedy
    else:
        assert history.why_in_memory() is not None
    if spoil is _make_read_only:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    else:
        (disk / "filling").unlink()
    assert history.path.read_bytes()[:100] == before[:100]
    assert [history.open(key).record for key in kept] == [comparison(number) for number in range(2, 2 + len(kept))]
    forget()
    assert history.open(first).record == comparison(1)
    history.keep(comparison(500))


@ROOT_ONLY
@SPOILED
@pytest.mark.parametrize("place", ["temporary", "cache"])
def test_exports_that_cannot_be_written_cost_no_result(
    place: str, spoil: Callable[[Path], None], disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(disk)
    monkeypatch.setattr(
        "qdash.ui.components.exports.settings", lambda: Settings(cache_dir=disk if place == "cache" else tmp_path, public=False)
    )
    folder = disk / "new" if place == "temporary" else tmp_path

    def made() -> Path:
        folder.mkdir(exist_ok=True)
        return folder

    for export in (comparison_export(comparison(1)), history_export("x" * 10_000)):
        for suffix in export.contents:
            with pytest.raises(QdashError, match="could not be written") as caught:
                write_export(export, suffix, made)
            assert "No result is lost" in caught.value.remedy and "QDASH_CACHE_DIR" in caught.value.remedy


@ROOT_ONLY
@SPOILED
def test_an_output_of_a_command_that_cannot_be_written_leaves_the_file_as_it_was(spoil: Callable[[Path], None], disk: Path) -> None:
    path = disk / "out.json"
    path.write_text("a result of before")
    spoil(disk)
    with pytest.raises(QdashError, match="could not be written") as caught:
        Outputs({"json": str(path)}).write(comparison(), {"json": to_json})
    assert "Free some space" in caught.value.remedy
    assert path.read_text() == "a result of before" and [each.name for each in disk.glob("qdash-*")] == []


def test_an_output_keeps_the_permissions_of_its_file_and_follows_links(tmp_path: Path) -> None:
    path, link = tmp_path / "out.json", tmp_path / "link"
    path.write_text("before")
    path.chmod(0o640)
    link.symlink_to(path)
    Outputs({"json": str(link)}).write(1, {"json": str})
    assert path.read_text() == "1" and path.stat().st_mode & 0o777 == 0o640 and link.is_symlink()
    before = os.umask(0o027)
    try:
        Outputs({"json": str(tmp_path / "new")}).write(1, {"json": str})
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640


@ROOT_ONLY
@SPOILED
def test_caches_are_done_without(spoil: Callable[[Path], None], disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(disk)
    with pytest.raises(OSError):
        write_whole(disk / "table.json", "x" * 10_000)
    assert [path.name for path in disk.iterdir() if path.name != "filling"] == []
    monkeypatch.setattr("qdash.runs.model_report.settings", lambda: Settings(cache_dir=disk / "cache"))
    with _scratch() as (folder, why):
        assert (folder is None) == (spoil is _make_read_only)
        assert folder is not None or "QDASH_CACHE_DIR" in str(why) and str(disk) not in str(why)


@ROOT_ONLY
@SPOILED
def test_random_weights_that_have_no_place_are_refused(spoil: Callable[[Path], None], disk: Path) -> None:
    spoil(disk)

    class Asked:
        weight_bytes = 2**20

        def made_in(self, home: Path) -> Path:
            return home / "0123456789ab"

        def is_complete(self, made: Path) -> bool:
            return False

    with pytest.raises(QdashError) as caught:
        list(making.make(Asked(), "random:tiny", disk / "random"))  # type: ignore[arg-type] - it goes no further
    assert caught.value.kind == "download" and "QDASH_CACHE_DIR" in caught.value.remedy and "random:tiny" in caught.value.message


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_log_without_room_costs_no_answer() -> None:
    full = open("/dev/full", "w")  # noqa: SIM115 - closing it fails, too
    FaultLog(lambda: 0.0, full).write(ValueError("x"), "/gradio_api/run/predict")
    with pytest.raises(OSError):
        full.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_server_whose_log_has_no_room_serves_the_page(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to("/dev/full")
    with serving(["-m", "tests.support.scripted"], tmp_path, QDASH_PUBLIC="1") as server:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{server.url}/gradio_api/run/predict", b'{"data": 5}', timeout=30)
        refused.value.close()
        assert refused.value.code < 500
        with urllib.request.urlopen(server.url, timeout=30) as response:
            assert response.status == 200


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_command_whose_output_has_no_room_says_so() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "qdash", "schemes"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120
        )
    assert done.returncode != 0 and "Traceback" not in done.stderr and "No space left" in done.stderr


def test_output_may_go_to_a_pipe_and_a_reader_that_has_seen_enough_is_no_fault(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "qdash", "weights", "--model", "tiny-lm", "--schemes", "fp8-e4m3"]
    environment = os.environ | {"QDASH_CACHE_DIR": str(lend_kernels(tmp_path))}
    whole = subprocess.run([*run, "--json", "/dev/stdout"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert whole.returncode == 0, whole.stderr
    assert '"layers"' in whole.stdout
    read, write = os.pipe()
    os.close(read)
    closed = subprocess.run(
        [sys.executable, "-m", "qdash", "schemes"], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, timeout=120
    )
    os.close(write)
    assert (closed.returncode, closed.stderr) == (1, "")


def test_a_fault_that_is_not_about_output_is_not_called_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*arguments: object, **options: object) -> int:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr("qdash.cli.commands", no_memory)
    with pytest.raises(OSError, match="allocate"):
        cli.main(["schemes"])
