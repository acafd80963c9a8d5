"""Simulated schemes: weights rounded to the values of a small format (see `catalog.formats`), then carried in the baseline's dtype."""

from dataclasses import dataclass

from qdash.catalog.formats import FORMATS, Format
from qdash.catalog.scheme import Family, Params, Scheme
from qdash.catalog.sharing import Sharing

ROUNDS_INPUTS = "it rounds the input of every layer while the model runs, and the files of a model hold weights only"


@dataclass(frozen=True)
class SimulatedParams(Params):
    """Keys of `FORMATS`; `activations` is the one that every layer's input is rounded to, if it is."""

    format: str
    activations: str | None = None

    @property
    def formats(self) -> tuple[str, ...]:
        """That of the weights, and that of the activations if there is one."""
        return (self.format,) if self.activations is None else (self.format, self.activations)


class SimulatedFamily(Family):
    """Exact in its numbers; speed and memory are the stand-in's."""

    engine = "qdash.engine.schemes.simulated"
    group = "Simulated formats"
    saved_as_floats = True

    def sharing(self, scheme: Scheme) -> Sharing:
        """As the format says."""
        number_format = FORMATS[SimulatedParams.of(scheme).format]
        rule = number_format.rule
        searched = rule.search is not None
        return Sharing(rule.shares, number_format.values, number_format.size, rule.affine, rule.spans != "minmax", searched)

    def unsaveable(self, scheme: Scheme) -> str | None:
        """Weights are values, which a file can hold; what happens to inputs is not."""
        return ROUNDS_INPUTS if SimulatedParams.of(scheme).activations is not None else None

    def kernel_work(self, scheme: Scheme, dtype: str) -> str:
        """It has no kernels of its own."""
        also = " and every layer's input is rounded as well, which takes time" if SimulatedParams.of(scheme).activations else ""
        return f"{scheme.label} is simulated: it multiplies in {dtype} like the original{also}, so its speed is not the format's."


class GgufFamily(SimulatedFamily):
    """The block formats of GGUF files, for any model."""

    group = "GGUF formats"


SIMULATED = SimulatedFamily()
GGUF = GgufFamily()


def scheme_of_format(number_format: Format) -> Scheme:
    """The row that shows a format of the catalogue."""
    key = number_format.key
    inputs = key if number_format.activations else None
    return simulated_scheme(number_format.scheme or key, number_format.label, number_format.about, weights=key, activations=inputs)


def simulated_scheme(key: str, label: str, about: str, *, weights: str, activations: str | None = None) -> Scheme:
    """A row: `weights` and `activations` are keys of `FORMATS`; None: inputs are not rounded."""
    number_format = FORMATS[weights]
    family = GGUF if number_format.group == "GGUF" else SIMULATED
    return Scheme(
        key, label, family, "simulated", number_format.bits, FORMATS[activations].bits if activations else 16, about,
        SimulatedParams(number_format.key, activations), stored_bits=number_format.stored_bits,
        row_scale_bits=number_format.row_scale_bits,
        scales_span_rows=activations is not None and FORMATS[activations].rule.needs_tensor,
    )  # fmt: skip
