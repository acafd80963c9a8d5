"""Reads users' files within bounds, and as text only if the encoding is certain.

Text is UTF-8, or UTF-16 as spreadsheets write “Unicode text”; older encodings cannot be told apart, so that reading one of them would be
a guess, and they are refused with the place of the first byte that is not UTF-8.
"""

import codecs
from pathlib import Path

from qdash.errors import QdashError
from qdash.inputs.foreign import foreign, is_plain_text
from qdash.remedies import by_reader
from qdash.settings import settings

_TOO_LARGE = {"picture": "Scale it down or choose another.", "text": "Shorten it or choose another.", "questions": "Keep fewer questions."}
_EMPTY = {"picture": "Choose another picture.", "text": "Choose another file.", "questions": "Choose another file."}
# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


def read_file(path: Path, kind: str = "picture") -> bytes:
    """The bytes of a file of `kind` "picture", "text" or "questions"; raises QdashError if it cannot be read or is too large."""
    what = "file" if kind == "questions" else kind
    try:
        if not path.is_file():
            said = f"is a folder, not a {what}" if path.is_dir() else "does not exist"
            raise QdashError(f"“{path}” {said}.", f"Check the path of the {what}.")
        # The size first: what is too large is never read.
        check_bytes(path.stat().st_size, f"“{path.name}”", kind)
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        reason = error.strerror if isinstance(error, OSError) else error
        said = by_reader(owner="Check its path and permissions.", visitor="Send it again.")
        raise QdashError(f"“{path}” cannot be read ({reason}).", said) from None


def check_bytes(size: int, name: str, kind: str = "picture") -> None:
    """Raise QdashError for a file of `size` bytes that is too large, or empty."""
    limit = settings().max_upload_bytes
    if size > limit:
        raise QdashError(f"{name} has {size / 2**20:,.1f} MiB; at most {limit / 2**20:,.0f} are allowed.", _TOO_LARGE[kind])
    if size == 0:
        raise QdashError(f"{name} is empty: the file has no bytes.", _EMPTY[kind])


def text_of(data: bytes, name: str, remedy: str = "Save it as text in UTF-8, or choose another file.") -> str:
    """The text of a file called `name`, its byte-order mark removed.

    Raises QdashError for other kinds of files, naming them; for other encodings, with line and column; and for NUL characters.
    """
    kind = foreign(data)
    if kind is not None and not kind.is_text and (kind.of_letters or not is_plain_text(data)):
        raise QdashError(f"{name} is {kind.name}, not text.", kind.remedy_for_text or remedy)
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None) or _utf16_without_mark(data) or "utf-8"
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        where = _place(data[: error.start].decode(encoding, "replace"))
        said = encoding.upper() if encoding != "utf-8" else f"UTF-8, as the byte {data[error.start]:#04x} shows"
        raise QdashError(f"{name}, {where}: this is not text in {said}.", remedy) from None
    if "\0" in text:
        raise QdashError(f"{name}, {_place(text[: text.index(chr(0))])}: there is a NUL character, which text never contains.", remedy)
    return text


def _utf16_without_mark(data: bytes) -> str | None:
    """What is mostly ASCII has a zero in every second byte of UTF-16."""
    head = data[:200]
    pairs = len(head) // 2
    if pairs < 2 or len(data) % 2:
        return None
    zeros = {"utf-16-le": head[1::2].count(0), "utf-16-be": head[0::2].count(0)}
    found = max(zeros, key=lambda encoding: zeros[encoding])
    return found if zeros[found] > 0.6 * pairs and min(zeros.values()) == 0 else None


def _place(before: str) -> str:
    """Line and column, both from 1, of what follows the text `before`, as editors count them."""
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return f"line {len(lines):,}, column {len(lines[-1].removeprefix(chr(0xFEFF))) + 1:,}"
