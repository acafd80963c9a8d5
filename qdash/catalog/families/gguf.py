"""The blocks of a GGUF file, kept as they are: for models that come from one."""

from qdash.catalog.kernel_work import unpacking_weights
from qdash.catalog.scheme import Family, Scheme

FILES_OWN = "the blocks are those of the GGUF file that the model comes from, and from_pretrained reads no others"


class GgufFileFamily(Family):
    """A file says which layer is in which type, so bits and scales differ from layer to layer."""

    engine = "qdash.engine.schemes.gguf"
    group = "GGUF files"
    keeps_file = True
    without_bits = "bits of the file"

    def sharing(self, scheme: Scheme) -> None:
        """As the type of each layer says: `engine.weights.sharing` asks for that."""

    def kernel_work(self, scheme: Scheme, dtype: str) -> str:
        """There is no kernel that multiplies blocks."""
        return unpacking_weights(f"“{scheme.label}” reads the few bits that the file has for")

    def unsaveable(self, scheme: Scheme) -> str:
        """Never mind the model."""
        return FILES_OWN

    def overhead(self, scheme: Scheme) -> str:
        """The same for all types."""
        return "unpacking blocks of a GGUF file"


GGUF_FILE = GgufFileFamily()
