"""What quantization did to the weights of a model, layer by layer, and inside one layer."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from qdash import __version__
from qdash.records.base import Kind, Record
from qdash.records.results import Coverage
from qdash.records.types import Device

Shares = Literal["row", "group", "block", "tensor"]
"""What has a scale of its own: an output row, a group of inputs with a minimum beside the scale, a block with a scale alone, everything."""


class Histogram(Record):
    """Counts over equal bins between `low` and `high`, zero in the middle of the middle one; how many bins there are varies, and is odd.

    The outermost bins hold everything beyond, so that all weights are counted.
    """

    low: float
    high: float
    counts: tuple[int, ...]


class WeightError(Record):
    """Error e = Ŵ − W over every weight: SQNR 10·log10(Σw²/Σe²) (None: no error at all), MSE, max |e|, cosine of W and Ŵ.

    `clipped`: share of weights (0 to 1) that lie more than 1% beyond the largest |ŵ| among those that share their scale; `zeroed`: share
    of weights that were not 0 and became 0.
    """

    sqnr_db: float | None
    mse: float
    max_abs_error: float
    cosine: float
    clipped: float = 0.0
    zeroed: float = 0.0


class LayerHistograms(Record):
    """Original and dequantized weights on common bins, and the error on its own."""

    original: Histogram
    dequantized: Histogram
    error: Histogram


class LayerPlace(Record):
    """A layer and where it is in the model. Several layers may have one place, as the experts of a block do."""

    name: str
    """The module's path in the checkpoint."""
    part: str
    """"vision", "projector", "language" or "head"."""
    block: int | None
    """First number in the path; None outside the numbered blocks of a tower."""
    projection: str
    """Last word of the path: "down_proj", "fc1", "mm_projector.0"."""
    shape: tuple[int, ...]


class LayerWeights(LayerPlace, WeightError):
    """Error of one layer."""

    parameters: int
    """Weights it has."""
    nonfinite: int = 0
    """Of these, NaN or infinite before or after; they are in no other figure."""
    row_sqnr_db: tuple[float | None, ...] = ()
    """SQNR from the first output row to the last; entry i of n is over rows ⌊i·rows/n⌋ to ⌊(i + 1)·rows/n⌋ − 1."""
    worst_row: int | None = None
    """The output row of the lowest SQNR; None where no row has an error."""
    histograms: LayerHistograms | None = None


class SchemeWeights(WeightError):
    """Error of a scheme over all layers it quantizes, and layer by layer."""

    scheme: str
    label: str
    kind: Kind
    bits_per_weight: float | None = None
    """As stored, scales included; None where nothing is quantized."""
    parameters: int = 0
    nonfinite: int = 0
    layers: tuple[LayerWeights, ...]
    histograms: LayerHistograms | None = None
    coverage: Coverage | None = None
    """How much of all weights these layers are, and what was not measured and why; None in records of earlier versions."""


class WeightReport(Record):
    """What quantization did to the weights of a model, scheme by scheme."""

    qdash_version: str = __version__
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    model: str
    device: Device = "cpu"
    seconds: float = 0.0
    """What computing took; what was cached took nothing."""
    cached: bool = False
    """Whether all of it was computed earlier and is only opened again."""
    schemes: tuple[SchemeWeights, ...]


class LayerDetail(Record):
    """One layer under one scheme, near enough to see single weights."""

    scheme: str
    label: str
    kind: Kind
    layer: LayerWeights
    """With finer bins and more entries of `row_sqnr_db` than in a report."""
    row: int
    first: int
    last: int
    """In output row `row`, the inputs from `first` up to but not including `last` share a scale."""
    shares: Shares
    scale: float | None
    zero_point: float | None
    """ŵ = scale · (code − zero_point) of these weights; the zero point is 0 where codes are symmetric. None where there is no scale."""
    codes: tuple[float, ...]
    """What the format's codes stand for before scaling, ascending."""
    levels: tuple[float, ...]
    """What these weights can become: a value for each of `codes`, or those that occur where the codes are not known."""
    patch_row: int
    patch_column: int
    """Where the picture's top left corner lies in the layer. It holds `row` and the column that was asked for."""
    original: tuple[tuple[float | None, ...], ...]
    dequantized: tuple[tuple[float | None, ...], ...]
    error: tuple[tuple[float | None, ...], ...]
    """W, Ŵ and |e| of at most 64 × 64 weights, to 4 digits; None for NaN and infinities."""
