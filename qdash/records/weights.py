"""What quantization did to the weights of a model, layer by layer."""

from datetime import UTC, datetime

from pydantic import Field

from qdash import __version__
from qdash.records.base import Kind, Record


class Histogram(Record):
    """Counts over equal bins between `low` and `high`; the outermost bins hold everything beyond, so that all weights are counted."""

    low: float
    high: float
    counts: tuple[int, ...]


class WeightError(Record):
    """Error e = Ŵ − W over every weight: SQNR 10·log10(Σw²/Σe²) (None: no error at all), MSE, max |e|, cosine of W and Ŵ."""

    sqnr_db: float | None
    mse: float
    max_abs_error: float
    cosine: float


class LayerHistograms(Record):
    """Original and dequantized weights on common bins, and the error on its own."""

    original: Histogram
    dequantized: Histogram
    error: Histogram


class LayerWeights(WeightError):
    """Error of one layer; `name` is the module's path in the checkpoint."""

    name: str
    shape: tuple[int, ...]
    histograms: LayerHistograms | None = None


class SchemeWeights(WeightError):
    """Error of a scheme over all layers it quantizes, and layer by layer."""

    scheme: str
    label: str
    kind: Kind
    layers: tuple[LayerWeights, ...]
    histograms: LayerHistograms | None = None


class WeightReport(Record):
    """What quantization did to the weights of a model, scheme by scheme."""

    qdash_version: str = __version__
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    model: str
    schemes: tuple[SchemeWeights, ...]
