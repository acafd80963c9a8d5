"""Text of unknown origin: answers of a model, names in a file, headlines of imported runs."""

import unicodedata


def harmless(text: str) -> str:
    """Without control characters: an answer must not move the cursor or set a window's title."""
    return "".join("\ufffd" if unicodedata.category(character) == "Cc" and character not in "\n\t" else character for character in text)


def one_line(text: str) -> str:
    """The same in one line, for a cell or a message."""
    return " ".join(harmless(text).split())
