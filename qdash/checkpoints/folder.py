"""A checkpoint in a folder on this machine: bundled, a person's own, or a hub model in the cache."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from safetensors import SafetensorError, safe_open

from qdash.checkpoints.record import TensorInfo
from qdash.errors import QdashError

READ_WHOLE = 2**26
"""Bytes of a file that is told apart by all its contents; a larger one is by `PIECES` pieces of `PIECE` bytes, from first to last."""
PIECE, PIECES = 2**16, 16

_CHUNK = 2**22  # bytes read at a time


class FolderFiles:
    """The files directly in a folder; see `files.Files`."""

    def __init__(self, folder: Path, where: str) -> None:
        self.folder = folder
        self.where = where
        self.sizes: Mapping[str, int] = {file.name: file.stat().st_size for file in sorted(folder.iterdir()) if file.is_file()}

    def read(self, name: str) -> bytes:
        """The contents of a small file."""
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise QdashError(f"{name} in {self.where} cannot be read ({error.strerror}).", "Check its permissions.", "checkpoint") from None

    def header(self, name: str) -> tuple[TensorInfo, ...]:
        """The tensors of a safetensors file; the library checks that the file is as long as its header says."""
        try:
            # Nothing but the header is read: slices give shape and dtype alone.
            with safe_open(self.folder / name, framework="numpy") as tensors:
                slices = {key: tensors.get_slice(key) for key in tensors.keys()}  # noqa: SIM118 - it is no dict
                return tuple(TensorInfo(name=key, shape=tuple(s.get_shape()), dtype=s.get_dtype()) for key, s in slices.items())
        except (SafetensorError, OSError) as error:
            message = f"{self.where} holds a {name} that is damaged or cut short ({error})."
            raise QdashError(message, "Download or copy the checkpoint again.", "checkpoint") from None

    def equal(self, first: tuple[str, str], second: tuple[str, str]) -> bool:
        """Whether two tensors hold the same bytes, read side by side up to the first that differ."""
        return _equal(*((self.folder / file, name, (self.folder / file).stat().st_mtime_ns) for file, name in (first, second)))


@lru_cache(maxsize=64)
def _equal(*tensors: tuple[Path, str, int]) -> bool:
    """Remembered for as long as the files are not written: a page asks at every change of its form."""
    with ExitStack() as stack:
        spans = [_span(stack.enter_context(file.open("rb")), name) for file, name, _ in tensors]
        (first, length), (second, other) = spans
        steps = range(0, length, _CHUNK) if length == other else ()
        return length == other and all(first.read(min(_CHUNK, length - done)) == second.read(min(_CHUNK, length - done)) for done in steps)


def _span(file: BinaryIO, name: str) -> tuple[BinaryIO, int]:
    """`file` at the first byte of a tensor, and how many bytes it has."""
    size = int.from_bytes(file.read(8), "little")
    start, end = json.loads(file.read(size))[name]["data_offsets"]
    file.seek(8 + size + start)
    return file, end - start


def fingerprint(files: FolderFiles) -> str:
    """A digest of names and contents: a copy is the same model, and so is one that came with a package and was installed again.

    A page asks whenever its form changes, so large files are not read through: they are told apart by their size, the time they were
    written, so that after an edit a warm worker is not taken for the new model, and some of their bytes, as there are tools that write no
    time.
    """
    digest = hashlib.sha256()
    for name, size in files.sizes.items():
        file = files.folder / name
        digest.update(f"{name}\0{size}\0{_identity(file, size, file.stat().st_mtime_ns)}\n".encode())
    return f"local-{digest.hexdigest()[:16]}"


@lru_cache(maxsize=1024)
def _identity(file: Path, size: int, written: int) -> str:
    """Of a file of `size` bytes, `written` at a time in ns; one that cannot be read has no more than these."""
    try:
        with file.open("rb") as content:
            if size <= READ_WHOLE:
                return hashlib.file_digest(content, "sha256").hexdigest()
            digest = hashlib.sha256()
            for place in range(PIECES):
                content.seek(place * (size - PIECE) // (PIECES - 1))
                digest.update(content.read(PIECE))
            return f"{digest.hexdigest()} {written}"
    except OSError:
        return str(written)
