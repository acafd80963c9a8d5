"""Reads an untrusted ZIP file without unpacking it to disk.

Names, sizes and the number of files come from its directory and are limited before anything is decompressed, and decompression stops at the
size that the directory gives. No name in it is ever a path on this machine: it is only compared with other names.
"""

import io
import posixpath
import unicodedata
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from qdash.errors import QdashError
from qdash.inputs.files import check_bytes
from qdash.inputs.texts import clean_text

MAX_FILES = 20_000
MAX_UNPACKED_BYTES = 200 * 2**20
"""Of all files together."""

_ENTRY = b"PK\x01\x02"  # begins every entry of the directory
_ENCRYPTED = 0x1
_SHOWN_CHARS = 100
_AGAIN = "Make the ZIP file again."


class Archive:
    """`names`: the files in it, with “/” between folders; folders themselves, and what macOS keeps beside files, are left out.

    Raises QdashError, calling the file `name`, for one that is damaged, encrypted, or larger than is allowed.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        # Before the directory is read, which makes an object of every entry.
        if data.count(_ENTRY) > MAX_FILES:
            raise QdashError(f"{name} has more than {MAX_FILES:,} files.", "Keep fewer.")
        try:
            self._zip = ZipFile(io.BytesIO(data))
        except Exception as error:  # damage has half a dozen types there
            raise QdashError(f"{name} is damaged, or not a ZIP file ({error}).", _AGAIN) from None
        self._files: dict[str, ZipInfo] = {}
        for entry in self._zip.infolist():
            if not entry.is_dir() and not _is_litter(entry.filename):
                self._add(plain_name(entry.filename), entry)
        total = sum(entry.file_size for entry in self._files.values())
        if total > MAX_UNPACKED_BYTES:
            limit = f"at most {MAX_UNPACKED_BYTES / 2**20:,.0f} are allowed"
            raise QdashError(f"The files in {name} have {total / 2**20:,.0f} MiB; {limit}.", "Scale the pictures down, or keep fewer.")

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of the directory."""
        return tuple(self._files)

    def read(self, name: str, kind: str = "picture") -> bytes:
        """The contents of a file of `names`, of `kind` "picture" or "questions"; raises QdashError if it is damaged or too large."""
        entry, said = self._files[name], shown(name)
        check_bytes(entry.file_size, said, kind)
        if entry.flag_bits & _ENCRYPTED:
            raise QdashError(f"{self.name} is protected by a password.", "Make it again without one.")
        if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise QdashError(f"{said} in {self.name} is compressed in a way that qdash cannot read.", "Make the ZIP file with “Deflate”.")
        try:
            with self._zip.open(entry) as file:
                return file.read(entry.file_size)
        except Exception as error:  # see above
            raise QdashError(f"{said} in {self.name} is damaged ({error}).", _AGAIN) from None

    def _add(self, name: str, entry: ZipInfo) -> None:
        if name in self._files:
            raise QdashError(f"{self.name} has two files called {shown(name)}.", "Keep one of them.")
        self._files[name] = entry


def is_zip(data: bytes) -> bool:
    """Whether a file begins as ZIP files do, office documents among them."""
    return data[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def plain_name(name: str) -> str:
    """A path as names are compared: “/” between folders, no “.” and no “..” but at the front, one form for every accented letter.

    One that still begins with “/” or “../” leads out of where it is looked up.
    """
    path = unicodedata.normalize("NFC", name.replace("\\", "/").strip())
    return posixpath.normpath(path) if path else ""


def shown(name: str) -> str:
    """A file's name for a message."""
    return f"“{clean_text(name[-_SHOWN_CHARS:])}”"


def _is_litter(name: str) -> bool:
    """What systems leave in folders: copies of macOS's own, hidden files."""
    return name.startswith("__MACOSX/") or posixpath.basename(name).startswith(".")
