"""Visitors' files cannot fill the disk, and what lies in the cache is read and loaded by nobody else, and from nobody else."""

import os
from pathlib import Path

import pytest

from qdash.private_folder import check_own, private_folder
from qdash.ui.server.file_quota import make_room

POSIX = pytest.mark.skipif(os.name != "posix", reason="Windows keeps no such permissions")


def test_the_oldest_files_make_room(tmp_path: Path) -> None:
    for number in range(10):
        path = tmp_path / f"upload {number}" / "file"
        path.parent.mkdir()
        path.write_bytes(b"x" * 100)
        os.utime(path, (number, number))
    (tmp_path / "link").symlink_to(tmp_path / "upload 9" / "file")
    os.utime(tmp_path / "link", (20, 20), follow_symlinks=False)
    make_room(tmp_path, 10_000)
    assert len(list(tmp_path.iterdir())) == 11
    make_room(tmp_path, 550)
    left = {path.name for path in tmp_path.iterdir()}
    assert "upload 9" in left and "upload 0" not in left and 4 <= len(left - {"link"}) <= 5, "folders that are empty go, too"
    make_room(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []
    make_room(tmp_path / "missing", 0)


@POSIX
def test_a_folder_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o755)
    folder.chmod(0o777)
    assert private_folder(folder).stat().st_mode & 0o777 == 0o700
    assert private_folder(tmp_path / "new" / "cache").stat().st_mode & 0o777 == 0o700


@POSIX
@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root can give a file to another user")
def test_what_is_another_users_is_not_used(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(PermissionError, match="belongs to another user"):
        private_folder(tmp_path)


@POSIX
def test_a_library_that_others_may_write_is_not_loaded(tmp_path: Path) -> None:
    library = tmp_path / "kernels.so"
    library.write_bytes(b"")
    library.chmod(0o644)
    check_own(library)
    library.chmod(0o666)
    with pytest.raises(PermissionError, match="written by other users"):
        check_own(library)
