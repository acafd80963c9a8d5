"""Where the blocks of a GGUF file lie once it is unpacked: beside the floats, for whoever wants them as they are."""

from qdash.catalog.formats import FORMATS

BLOCKS = "gguf/blocks.safetensors"
"""Below the folder that a file was unpacked to: bytes (rows, bytes) under the names of parameters, rows in the order of the parameters."""
KINDS = "kinds"
"""Entry of that file's metadata: in which of ggml's types ("Q4_K") the GGUF file has a parameter, by name, as JSON; also plain floats."""

PACKED_KINDS = frozenset(key.upper() for key, row in FORMATS.items() if row.group == "GGUF")
"""The types whose blocks can be kept; each is a format of the catalogue."""


def format_of(kind: str) -> str:
    """The key of the format that a type is."""
    return kind.lower()


SOURCES = "gguf_sources.json"
"""In an unpacked folder: path of each parameter → the tensors of the GGUF file that it was made from."""
