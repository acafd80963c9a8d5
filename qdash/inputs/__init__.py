"""Checks user input and makes it uniform: a picture becomes a plain RGB PNG, a question or a text file becomes clean text.

Nothing here trusts its input. Sizes are read from headers and refused before anything is decoded; only common formats are opened; what
cannot be read is named by its contents, whatever the file's name says. Limits come from `settings`.
"""

from qdash.inputs.archives import Archive, is_zip, plain_name, shown
from qdash.inputs.drawings import is_drawing
from qdash.inputs.files import check_bytes, read_file, text_of
from qdash.inputs.foreign import ZIP, foreign
from qdash.inputs.pictures import MIN_SIDE, PICTURE_FORMATS, read_picture
from qdash.inputs.texts import check_prompt, check_reference_text, clean_text, read_reference_text

__all__ = [
    "MIN_SIDE", "PICTURE_FORMATS", "ZIP", "Archive", "check_bytes", "check_prompt", "check_reference_text", "clean_text", "foreign",
    "is_drawing", "is_zip", "plain_name", "read_file", "read_picture", "read_reference_text", "shown", "text_of",
]  # fmt: skip
