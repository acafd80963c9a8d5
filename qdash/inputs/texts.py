"""Checks the length of questions and reference texts, and removes invisible harmful characters."""

import re
import unicodedata
from pathlib import Path

from qdash.errors import QdashError
from qdash.inputs.files import read_file, text_of
from qdash.settings import settings


def check_prompt(text: str) -> str:
    r"""Return the question as the model gets it; raises QdashError if it is empty or too long.

    Line ends become \n. Removed are control characters other than newline and tab, byte-order marks, and the invisible characters that
    override text direction (U+202A–202E, U+2066–2069), which can show a text other than the one the model reads. Right-to-left letters,
    their marks (U+200E, U+200F), joiners and everything else stay. Surrogates that are no character become U+FFFD.
    """
    text = _checked(text, "question")
    if not _says_something(text):
        raise QdashError("The question is empty.", "Write one, such as “What is in this picture?”.")
    return text


def check_reference_text(text: str) -> str | None:
    """The same for a text to compare variants along; None if there is nothing in it."""
    text = _checked(text, "reference text")
    return text if _says_something(text) else None


def read_reference_text(path: Path) -> str | None:
    """A reference text from a file in UTF-8 or UTF-16; raises QdashError for what is no such file, or too long."""
    return check_reference_text(text_of(read_file(path, "text"), f"“{path.name}”"))


def clean_text(text: str) -> str:
    """A text as `check_prompt` cleans it, of any length, empty or not."""
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = re.sub("\r\n?|[\u2028\u2029\x85]", "\n", text)
    return "".join(character for character in text if not _is_dropped(character))


def _checked(text: str, what: str) -> str:
    limit = settings().max_prompt_chars
    if len(text) > limit:
        raise QdashError(f"The {what} has {len(text):,} characters; at most {limit:,} are allowed.", "Shorten it.")
    return clean_text(text)


def _says_something(text: str) -> bool:
    return any(character.isprintable() and not character.isspace() for character in text)


def _is_dropped(character: str) -> bool:
    if character in "\n\t":
        return False
    code = ord(character)
    return unicodedata.category(character) == "Cc" or 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069 or code == 0xFEFF
