"""GGUF files on the hub, called `owner/name:file.gguf`: their headers are read before they are downloaded; then the cache has them.

A header is fetched piece by piece, so that a file is refused, and its size told, before its weights are on the way.
"""

import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import hf_hub_url
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status
from typing_extensions import override

from qdash.checkpoints.gguf.files import described
from qdash.checkpoints.gguf.header import read_header_of
from qdash.checkpoints.gguf.parts import check_parts, first_part, part_names, parts_of
from qdash.checkpoints.hub import TIMEOUT_S, cache_folder, hub_errors, repository
from qdash.checkpoints.record import Checkpoint
from qdash.errors import QdashError

MOST_HEADER_BYTES = 2**26
"""Of all that is fetched to read one header."""
_PIECE = 2**20
_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+):(?P<file>(?:\w[\w.+-]*/)*\w[\w.+-]*\.gguf)", re.ASCII | re.IGNORECASE)


class HubGguf(NamedTuple):
    """A file of a repository; of a model in several parts, the first."""

    repo: str
    file: str


def hub_gguf(model: str) -> HubGguf | None:
    """What `owner/name:file.gguf` means; None for anything else."""
    named = _ID.fullmatch(model)
    return None if named is None else HubGguf(named["repo"], first_part(Path(named["file"])).as_posix())


def cached_gguf(where: HubGguf) -> Path | None:
    """Where huggingface_hub's cache holds the file with all its parts, the revision downloaded last first; None if it does not."""
    found = list((cache_folder(where.repo) / "snapshots").glob(f"*/{where.file}"))
    for file in sorted(found, key=lambda file: file.lstat().st_mtime, reverse=True):
        try:
            return parts_of(file)[0]
        except QdashError:  # some parts are missing
            continue
    return None


def locate_on_hub(where: HubGguf, model: str) -> Checkpoint:
    """Check a file on the hub, which a person called `model`; raises QdashError: "checkpoint", "download" if the hub cannot be asked."""
    revision, sizes = repository(where.repo)
    names = part_names(where.file)
    missing = [name for name in names if name not in sizes]
    if missing:
        raise _not_there(where, missing, sizes)
    called = [f"The file {name} of {where.repo}" for name in names]
    headers = []
    for name, title in zip(names, called, strict=True):
        with hub_errors(where.repo):
            headers.append(read_header_of(io.BufferedReader(_Remote(where.repo, name, revision, sizes[name]), _PIECE), sizes[name], title))
    check_parts(called, headers)
    found = described(headers, called[0], model, Path(where.file))
    return found.model_copy(
        update={"revision": revision, "repo": where.repo, "files": names, "download_bytes": sum(sizes[name] for name in names)}
    )


def check_not_only_gguf(repo: str, names: Iterable[str]) -> None:
    """Raise QdashError for a repository that has GGUF files in the place of a checkpoint, with what to call one of them."""
    names = list(names)
    found = [name for name in names if name.lower().endswith(".gguf")]
    if found and "config.json" not in names:
        listed = ", ".join(found[:5]) + (" …" if len(found) > 5 else "")
        raise QdashError(f"The model {repo} is there as GGUF files: {listed}.", f"Name one of them: {repo}:{found[0]}.", "checkpoint")


def _not_there(where: HubGguf, missing: list[str], sizes: Mapping[str, int]) -> QdashError:
    others = [name for name in sizes if name.lower().endswith(".gguf")]
    listed = ", ".join(others[:5]) + (" …" if len(others) > 5 else "")
    remedy = f"Choose one of {listed}." if others else "Choose a repository with GGUF files."
    return QdashError(f"{where.repo} has no file {missing[0]}.", remedy)


class _Remote(io.RawIOBase):
    """A file of a repository, of which only what is read is fetched."""

    def __init__(self, repo: str, name: str, revision: str, size: int) -> None:
        self._url, self._size, self._place, self._fetched = hf_hub_url(repo, name, revision=revision), size, 0, 0
        self._name = f"The file {name} of {repo}"

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._place

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._place = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence] + offset
        return self._place

    @override
    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override] - of a buffer that can be written to
        wanted = min(len(buffer), self._size - self._place)
        if wanted <= 0:
            return 0
        self._fetched += wanted
        if self._fetched > MOST_HEADER_BYTES:
            message = f"{self._name} is damaged: its header is larger than that of any model."
            raise QdashError(message, "Choose another file.", "checkpoint")
        content = self._range(wanted)
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)

    def _range(self, wanted: int) -> bytes:
        """Streamed, as a server may send all of a file where a piece was asked for."""
        headers = {**build_hf_headers(), "range": f"bytes={self._place}-{self._place + wanted - 1}"}
        with get_session().stream("GET", self._url, headers=headers, timeout=TIMEOUT_S) as response:
            hf_raise_for_status(response)
            if self._place and response.status_code != 206:
                raise OSError("the server sends whole files only")
            content = b""
            for piece in response.iter_bytes():
                content += piece
                if len(content) >= wanted:
                    break
        return content[:wanted]
