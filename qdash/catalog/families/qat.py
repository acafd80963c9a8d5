"""Healed schemes: the weights of a small format, after the model was trained to say with them what the original says.

The format is that of a simulated scheme, so a healed and an unhealed variant differ in the weights alone. What was trained is kept for each
checkpoint (see `qdash.checkpoints.healed`); where there is nothing yet the scheme says how to make it.
"""

from qdash.catalog.families.simulated import SimulatedFamily, SimulatedParams
from qdash.catalog.formats import FORMATS
from qdash.catalog.scheme import Scheme


class QatFamily(SimulatedFamily):
    """Quantization-aware training, with the original as the teacher."""

    engine = "qdash.engine.schemes.qat"
    group = "Healed by training"
    needs_healing = True

    def unhealed(self, scheme: Scheme) -> str:
        """The scheme that rounds the same layers to the same format."""
        number_format = FORMATS[SimulatedParams.of(scheme).format]
        return number_format.scheme or number_format.key


QAT = QatFamily()


def qat_scheme(key: str, label: str, weights: str) -> Scheme:
    """A row: `weights` is a key of `FORMATS`."""
    number_format = FORMATS[weights]
    name = f"{number_format.label} ({number_format.key})"
    about = f"{name} with weights that “qdash heal” trained for these levels, with the original as teacher."
    return Scheme(
        key, label, QAT, "simulated", number_format.bits, 16, about, SimulatedParams(weights), stored_bits=number_format.stored_bits
    )  # fmt: skip
