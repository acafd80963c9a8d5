"""Finds the pictures of a file of questions: in or below its folder, or among the files that came with it.

Those came in one ZIP file, or were chosen together in a browser, which gives names without folders. A name that is not there is told with
the one that looks most like it; nothing but a name of those files ever leads to one.
"""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from qdash.errors import QdashError
from qdash.inputs import ZIP, Archive, clean_text, foreign, is_zip, plain_name, read_file, shown

MAX_CHOSEN = 500
"""Files that are chosen together in a browser; more come in a ZIP file."""

_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_PERHAPS_TABLES = (".txt", ".tab")
_EMBED = "Choose the pictures together with this file, put all of them into one ZIP file, or embed them as data: URIs."

Open = Callable[[str], Path | bytes]
"""The picture that a row names; raises QdashError if it is not there."""


@dataclass(frozen=True)
class Bundle:
    """Files that came together. `read` takes a name of `names` and "picture" or "questions"; `archive`: the ZIP file that they are in."""

    names: tuple[str, ...]
    read: Callable[[str, str], bytes]
    archive: str | None = None

    def questions(self) -> str:
        """The name of the file that has the questions; raises QdashError unless it is one."""
        for endings in (_TABLES, _PERHAPS_TABLES):
            found = [name for name in self.names if name.lower().endswith(endings)]
            nearest = [name for name in found if name.count("/") == min(other.count("/") for other in found)]
            if len(nearest) == 1:
                return nearest[0]
            if nearest:
                also = f"{shown(nearest[0])} and {shown(nearest[1])}"
                message = (
                    f"Which file has the questions? {also} are both in {self.archive}." if self.archive is not None else
                    f"Which file has the questions? {also} are both among the files that were chosen."
                )  # fmt: skip
                raise QdashError(message, "Keep one of them.")
        missing = (
            f"There is no file of questions in {self.archive}." if self.archive is not None else
            "There is no file of questions among the files that were chosen."
        )  # fmt: skip
        raise QdashError(missing, f"Add one, with a name that ends with {', '.join(_TABLES)}.")

    def pictures(self, questions: str) -> Open:
        """Opens pictures by the names in the file `questions`: from its folder, then from the top."""
        folder, names = posixpath.dirname(questions), set(self.names)
        flat = not any("/" in name for name in names)

        def opened(image: str) -> bytes:
            path = plain_name(image)
            # Where there are no folders, whoever put the files together has left them out.
            paths = [plain_name(posixpath.join(folder, path)), path, *([posixpath.basename(path)] if flat else [])]
            found = next((path for path in paths if path in names), None)
            return self.read(found, "picture") if found is not None else self._missing(image)

        return opened

    def _missing(self, image: str) -> NoReturn:
        wanted = {_stem(name): name for name in self.names}
        near = get_close_matches(_stem(plain_name(image)), wanted, n=1)
        remedy = f"The nearest name there is {shown(wanted[near[0]])}." if near else "Add it, or correct its name in the file of questions."
        message = (
            f"the picture {shown(image)} is not in {self.archive}." if self.archive is not None else
            f"the picture {shown(image)} is not among the files that were chosen."
        )  # fmt: skip
        raise QdashError(message, remedy)


def _stem(name: str) -> str:
    return posixpath.splitext(posixpath.basename(name))[0].lower()


def zipped(data: bytes, name: str) -> Bundle | None:
    """The files of a ZIP file; None for any other, office documents included. Raises QdashError for one that cannot be read."""
    if not is_zip(data):
        return None
    try:
        archive = Archive(data, name)
    except QdashError:
        if foreign(data) is ZIP:
            raise
        return None  # a damaged document: what it is says more
    if "[Content_Types].xml" in archive.names or "mimetype" in archive.names:
        return None
    return Bundle(archive.names, archive.read, name)


def chosen_files(files: Mapping[str, Path]) -> Bundle:
    """Files that a browser sent, by the names they have there, which come without folders."""
    known = {posixpath.basename(plain_name(name)): path for name, path in files.items()}
    return Bundle(tuple(known), lambda name, kind: read_file(known[name], kind))


def in_folder(folder: Path) -> Open:
    """Opens pictures in or below `folder` and nowhere else."""
    home = folder.resolve()

    def opened(image: str) -> Path:
        try:
            path = (home / image).resolve()
        except (OSError, ValueError, RuntimeError):  # names that no file can have, links that lead to themselves
            path = None
        if path is None or not path.is_relative_to(home):
            said = f"the picture “{clean_text(image[:100])}” is not in the file's folder."
            raise QdashError(said, "Put it there, and name it from there.")
        return path

    return opened


def nowhere(image: str) -> NoReturn:
    """For a file that came alone."""
    raise QdashError(f"the picture {shown(image)} is missing, because only this file was chosen.", _EMBED)
