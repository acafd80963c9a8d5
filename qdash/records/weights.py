"""What quantization did to the weights of a model, layer by layer, and inside one layer."""

from datetime import UTC, datetime

from pydantic import Field

from qdash import __version__
from qdash.records.agreement import Agreement
from qdash.records.base import Record
from qdash.records.results import Coverage
from qdash.records.types import Device, Granularity, Kind


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


class StoredType(Record):
    """How a tensor is stored: a name of ggml's or of safetensors' types ("Q4_K", "BF16"), and bits a weight with scales.

    Where several stored tensors become one, as the experts of a block do, `type` names each of their types, the most common first.
    """

    type: str
    bits: float


class StoredModel(Record):
    """What the weights of a model take in its files. What is stored twice though the model has it once, as a tied head, counts once."""

    model: str
    label: str
    parameters: int
    """Numbers in its tensors: embeddings, norms and biases included."""
    tensor_bytes: int
    """What these take, scales included."""
    file_bytes: int
    """Of the files that hold them: headers and, in a GGUF file, the tokenizer included."""
    bits_per_weight: float
    """8 · `tensor_bytes` / `parameters`: everything counted."""
    types: dict[str, int]
    """Type → how many weights it holds, the most common first."""


class TypedLayer(Record):
    """How a GGUF file stores a layer of more than one dimension; name, part, block and projection are those of `LayerPlace`."""

    name: str
    part: str
    block: int | None
    projection: str
    parameters: int
    stored: StoredType


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
    stored: StoredType | None = None
    """How the model's own file stores it; None where it was not asked or is not known."""
    other: StoredType | None = None
    """How the other file stores it, where two files are compared."""

    @property
    def identical(self) -> bool:
        """Whether every number is the same in both."""
        return self.sqnr_db is None and self.nonfinite == 0


class SchemeWeights(WeightError):
    """Error of a scheme over all layers it quantizes, and layer by layer; or of another file of the same model (`other`).

    For another file `scheme` is the name that it was asked for by, and Ŵ are its weights: all of them, embeddings, norms and biases
    included.
    """

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
    other: StoredModel | None = None
    """The other file; None for a scheme."""
    not_compared: dict[str, int] = {}
    """Part of the model that only one of the two files has, as the vision tower, → its weights."""
    drift: Agreement | None = None
    """How closely the other file's model follows the first one's along a text; None where that was not measured."""
    drift_problem: str | None = None
    """Why it could not be measured."""


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
    stored: StoredModel | None = None
    """What its files take, where other files are compared with it."""
    types: tuple[TypedLayer, ...] = ()
    """How its GGUF file stores its layers, embeddings and head included; empty where it has none."""


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
    shares: Granularity
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
