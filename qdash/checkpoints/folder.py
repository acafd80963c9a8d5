"""A checkpoint in a folder on this machine: bundled, a person's own, or a hub model in the cache."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from qdash.checkpoints.record import TensorInfo
from qdash.errors import QdashError


class FolderFiles:
    """The files directly in a folder; see `inspection.Files`."""

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


def fingerprint(files: FolderFiles) -> str:
    """A digest of names, sizes and times: after an edit of the files, a warm worker is not taken for the new model."""
    digest = hashlib.sha256()
    for name, size in files.sizes.items():
        digest.update(f"{name}\0{size}\0{(files.folder / name).stat().st_mtime_ns}\n".encode())
    return f"local-{digest.hexdigest()[:16]}"
