"""Better rounding: the numbers of a plain format, chosen with regard to more than one weight at a time. Nothing is trained."""

from dataclasses import dataclass
from typing import Literal

from qdash.catalog.calibration import moment_passes
from qdash.catalog.families.simulated import SimulatedFamily
from qdash.catalog.formats import FORMATS
from qdash.catalog.scheme import Params, Scheme
from qdash.catalog.sharing import Sharing

Method = Literal["gptq", "hqq", "awq"]

CALIBRATED: tuple[Method, ...] = ("gptq", "awq")
"""Those that look at what a layer multiplies its weights with."""

COLUMNS_A_PASS = 400
"""About as many columns does GPTQ round in the time of a pass: some ten operations each, where a pass of a small model has thousands."""

INPUT_SCALE_BITS = 16
"""AWQ's scale of each input of a layer. It is counted, because only in some places the layer before can take it in."""


@dataclass(frozen=True)
class RoundingParams(Params):
    """`format` is a key of `FORMATS`, whose scales are those of groups with a minimum."""

    method: Method
    format: str


class RoundingFamily(SimulatedFamily):
    """As stored and as fast as the format; other numbers of it are chosen."""

    engine = "qdash.engine.schemes.rounding"
    group = "Better rounding"

    def sharing(self, scheme: Scheme) -> Sharing:
        """The format's; the range is that of weights changed on the way, and AWQ's numbers are divided by a scale of each input besides."""
        params = RoundingParams.of(scheme)
        number_format = FORMATS[params.format]
        codes = () if params.method == "awq" else number_format.values
        return Sharing("group", codes, number_format.size, affine=True, includes_zero=params.method == "gptq", searched=True)

    def unsaveable(self, scheme: Scheme) -> str | None:
        """Weights are values, which a file can hold."""
        return None

    def calibration_passes(self, scheme: Scheme, columns: int, sees: bool, alone: int = 0) -> int:
        """Reading and writing; and GPTQ rounds column by column."""
        rounding = columns // COLUMNS_A_PASS if RoundingParams.of(scheme).method == "gptq" else 0
        return moment_passes(sees, alone) + rounding if scheme.calibrated else 0

    def kernel_work(self, scheme: Scheme, dtype: str) -> str:
        """It has no kernels of its own."""
        return f"{scheme.label} is simulated: it multiplies in {dtype} like the original, so its speed is not the format's."


ROUNDING = RoundingFamily()


def rounding_scheme(method: Method, number_format: str, label: str, about: str) -> Scheme:
    """A row; `number_format` is a key of `FORMATS`."""
    own = FORMATS[number_format]
    return Scheme(
        f"{method}-int{own.bits}", label, ROUNDING, "simulated", own.bits, 16, about, RoundingParams(method, number_format),
        stored_bits=own.stored_bits, input_scale_bits=INPUT_SCALE_BITS if method == "awq" else 0, calibrated=method in CALIBRATED,
    )  # fmt: skip
