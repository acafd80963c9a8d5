"""Simulated schemes: weights rounded to the values of a small format (see `catalog.formats`), then carried in the baseline's dtype."""

from dataclasses import dataclass

from qdash.catalog.formats import FORMATS
from qdash.catalog.scheme import Family, Params, Scheme
from qdash.catalog.sharing import Sharing


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

    def sharing(self, scheme: Scheme) -> Sharing:
        """As the format says."""
        number_format = FORMATS[SimulatedParams.of(scheme).format]
        rule = number_format.rule
        shares = "block" if rule == "mx" or rule == "nvfp4" else rule
        return Sharing(shares, number_format.values, number_format.size, affine=rule in ("group", "tensor"))

    def kernel_work(self, scheme: Scheme, dtype: str) -> str:
        """It has no kernels of its own."""
        also = " and every layer's input is rounded as well, which takes time" if SimulatedParams.of(scheme).activations else ""
        return f"{scheme.label} is simulated: it multiplies in {dtype} like the original{also}, so its speed is not the format's."


SIMULATED = SimulatedFamily()


def simulated_scheme(key: str, label: str, about: str, *, weights: str | None = None, activations: str | None = None) -> Scheme:
    """A row; `weights` is the format of the scheme's own name unless it is given."""
    number_format = FORMATS[weights or key]
    return Scheme(
        key, label, SIMULATED, "simulated", number_format.bits, FORMATS[activations].bits if activations else 16, about,
        SimulatedParams(number_format.key, activations), stored_bits=number_format.stored_bits,
        row_scale_bits=number_format.row_scale_bits,
        scales_span_rows=activations is not None and FORMATS[activations].rule in ("nvfp4", "tensor"),
    )  # fmt: skip
