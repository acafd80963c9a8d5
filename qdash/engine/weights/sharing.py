"""Which weights of a layer share a scale: its scheme's family says it. A test compares what is said with the weights that layers hold."""

from qdash.catalog.recipes import assigned
from qdash.catalog.schemes import Scheme, find_scheme
from qdash.catalog.sharing import Sharing


def sharing_of(scheme: Scheme, module: str) -> Sharing | None:
    """How the layer at path `module` is stored under `scheme`; None where it stays a plain float."""
    key = assigned(scheme, module)
    if key is None:
        return None
    part = find_scheme(key)
    return part.family.sharing(part)
