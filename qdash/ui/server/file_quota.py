"""Limits the disk space of visitors' uploads and downloads. The oldest files are deleted first.

Gradio deletes files by age only. Here room is made before an upload begins, so the limit holds at any rate of uploads.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from starlette.types import ASGIApp, Receive, Scope, Send


def make_room(folder: Path, most_bytes: int) -> None:
    """Delete the oldest files below `folder` until the others take at most `most_bytes`, and folders that are empty then."""
    files = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if not path.is_dir():
                files.append((status.st_mtime, status.st_size, path))
    taken = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if taken <= most_bytes:
            return
        with contextlib.suppress(OSError):  # another thread may have deleted it
            path.unlink()
            taken -= size
            if path.parent != folder:
                path.parent.rmdir()


@dataclass(frozen=True)
class UploadQuota:
    """Middleware: before an upload of `upload_bytes` at most, the files in `folder` make room below `most_bytes`."""

    app: ASGIApp
    folder: Path
    upload_bytes: int
    most_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].rstrip("/").endswith("/upload"):
            await to_thread.run_sync(make_room, self.folder, max(self.most_bytes - self.upload_bytes, 0))
        await self.app(scope, receive, send)
