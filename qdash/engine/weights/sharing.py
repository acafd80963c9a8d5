"""Which weights of a layer share a scale: its scheme's family says it. A test compares what is said with the weights that layers hold."""

from qdash.catalog.recipes import assigned
from qdash.catalog.schemes import Scheme, find_scheme
from qdash.catalog.sharing import Sharing
from qdash.catalog.stored_blocks import format_of
from qdash.engine.formats.packed import PackedRows
from qdash.engine.schemes import RowDequantizer


def stored_as(scheme: Scheme, module: str, restore: RowDequantizer | None = None) -> Scheme | None:
    """The scheme that says how the layer at path `module` is stored under `scheme`; None where it stays a plain float.

    A GGUF file has a type for each layer, which `restore` knows.
    """
    if isinstance(restore, PackedRows):
        return find_scheme(format_of(restore.kind))
    key = assigned(scheme, module)
    return None if key is None else find_scheme(key)


def sharing_of(scheme: Scheme, module: str, restore: RowDequantizer | None = None) -> Sharing | None:
    """How the weights of that layer share scales; None where it stays a plain float."""
    part = stored_as(scheme, module, restore)
    return None if part is None else part.family.sharing(part)
