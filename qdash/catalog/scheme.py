"""What a row of the catalogue of schemes is, and the family that answers for it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

from qdash.catalog.cutting import Cut
from qdash.catalog.kernel_work import rounding_inputs, unpacking_weights
from qdash.catalog.needs import Need
from qdash.catalog.sharing import Sharing
from qdash.catalog.types import Dtype, Kind


@dataclass(frozen=True)
class Params:
    """What sets a scheme apart from the others of its family: a record of the family's own."""

    @classmethod
    def of(cls, scheme: "Scheme") -> Self:
        """The parameters of a scheme of the family that this record belongs to; raises TypeError for another's."""
        if not isinstance(scheme.params, cls):
            raise TypeError(f"{scheme.key} has {type(scheme.params).__name__}, not {cls.__name__}")
        return scheme.params


class Family(ABC):
    """A group of schemes that work alike.

    It answers every question about its schemes. The rest of qdash asks the family and never tests which one it is, except that recipes are
    recognized by their key (`recipes.is_recipe`).

    This class needs only the standard library, so that the page can use it without loading torch. What the family does to a model is in
    the object `FAMILY` of the module `engine`, a `qdash.engine.schemes.SchemeFamily`; that module is imported when it is first needed.
    """

    engine: ClassVar[str]
    """The module with the half that needs torch."""
    group: ClassVar[str]
    """The heading that its schemes stand under in the list; empty for schemes that are not listed."""
    needs: ClassVar[tuple[Need, ...]] = ()
    """What all its schemes need. They may need more."""
    is_baseline: ClassVar[bool] = False
    """Whether nothing is quantized, so that others may be compared with it."""
    keeps_file: ClassVar[bool] = False
    """Whether nothing is rounded, as a GGUF file has its weights in blocks already: only for models that come from one, and as a whole."""
    needs_healing: ClassVar[bool] = False
    """Whether its weights are trained for each model beforehand: only for models that were healed, and as a whole."""
    silenced: ClassVar[tuple[str, ...]] = ()
    """Loggers whose warnings would be wrong, or harmful in a measurement."""
    dtype_remark: ClassVar[str] = ""
    """A sentence to add where it is explained what `dtype` says of a quantized model."""
    saved_as_floats: ClassVar[bool] = False
    """Whether a saved model holds plain floats, which can then be written in the fewest bits that hold each tensor exactly."""
    uncounted: ClassVar[str] = ""
    """Why torch counts none of its weights as parameters, as a clause; empty where it counts those that are stored."""
    prunes: ClassVar[bool] = False
    """Whether it drops weights and leaves the others as they are: its layers stay floats, and their sizes follow from `kept`."""
    without_bits: ClassVar[str] = ""
    """What is said in place of the bits of a scheme that has none of its own and is no baseline."""

    def unhealed(self, scheme: "Scheme") -> str:
        """The key of the scheme that does the same without training; its own where nothing is trained."""
        return scheme.key

    @abstractmethod
    def sharing(self, scheme: "Scheme") -> Sharing | None:
        """How a layer is stored under `scheme`; None for plain floats."""

    def own_dtype(self, scheme: "Scheme") -> Dtype | None:
        """The type of all that `scheme` does not quantize, where it names one itself; None: the baseline's."""
        return None

    def value_bits(self, scheme: "Scheme", plain_bits: float, zeros: float) -> float:
        """Bits that a weight takes on average as stored, but for scales of whole rows, where a plain one takes `plain_bits`.

        `zeros`: the share of the layer's weights that are zero.
        """
        return scheme.stored_bits

    def kept(self, scheme: "Scheme", shape: tuple[int, ...], cut: Cut | None) -> float | None:
        """The share of a layer's weights that a family that prunes keeps; None: it leaves the layer. See `ConvertibleLayer`."""
        return None

    def calibration_passes(self, scheme: "Scheme", columns: int, sees: bool, alone: int = 0) -> int:
        """What calibrating a model for `scheme` takes, in forward passes: 0 where nothing is calibrated.

        `columns`: inputs of all layers that it quantizes. `sees`: whether the model does. `alone`: of so many layers, each by itself.
        """
        return 0

    def kernel_work(self, scheme: "Scheme", dtype: str) -> str:
        """What is done for every token, as a sentence. `dtype` is that of all that is not quantized."""
        if scheme.rounds_activations:
            return rounding_inputs(f"“{scheme.label}” rounds", "finding its range first")
        return unpacking_weights(f"“{scheme.label}” reads {scheme.bits} bits")

    def unsaveable(self, scheme: "Scheme") -> str | None:
        """Why no saved model can compute what `scheme` does, whatever the model, as a clause; None if there is no such reason.

        Reasons that depend on the model and the device are told by the half that needs torch.
        """
        return None

    def overhead(self, scheme: "Scheme") -> str:
        """What kernels do besides multiplying, as in “… costs more than it saves”."""
        if scheme.rounds_activations:
            return f"rounding activations to {scheme.activation_bits} bits"
        return f"unpacking {scheme.bits}-bit weights"


@dataclass(frozen=True)
class Scheme:
    """One row of the catalogue.

    `bits` and `activation_bits` are what the format stores and computes in (None: the checkpoint's own). `stored_bits` is the average
    per quantized weight with everything but per-row scales; `row_scale_bits` comes once per output row, `input_scale_bits` once per input.
    Together they give the estimate made before loading and the projected size of simulated formats.
    """

    key: str
    label: str
    family: Family
    kind: Kind
    bits: int | None
    activation_bits: int | None
    about: str
    params: Params = Params()
    stored_bits: float = 0.0
    row_scale_bits: int = 0
    more_needs: tuple[Need, ...] = ()
    """What it needs besides what its family does."""
    floats_first: bool = False
    """Whether the whole model is in memory as plain floats before it is quantized, so that loading takes as much as the original."""
    input_scale_bits: int = 0
    calibrated: bool = False
    """Whether what becomes of a weight depends on what its layer is given, so that it is known of a loaded model only."""
    scales_span_rows: bool = False
    """Whether activations of all rows of a batch are rounded with one scale, so that an answer depends on what else is in its batch."""

    @property
    def needs(self) -> tuple[Need, ...]:
        """All that it cannot do without."""
        return (*self.family.needs, *self.more_needs)

    @property
    def is_baseline(self) -> bool:
        """Whether other variants may be compared with it: the plain floating-point schemes."""
        return self.family.is_baseline

    @property
    def own_dtype(self) -> Dtype | None:
        """See `Family.own_dtype`."""
        return self.family.own_dtype(self)

    def weight_bits(self, rows: int, inputs: int, value_bits: float | None = None) -> float:
        """What a weight of this shape takes as stored, scales included; `value_bits`: see `Family`, None: `stored_bits`."""
        each = self.stored_bits if value_bits is None else value_bits
        return rows * (inputs * each + self.row_scale_bits) + inputs * self.input_scale_bits

    @property
    def rounds_activations(self) -> bool:
        """Whether inputs are multiplied in 8 bits or fewer."""
        return self.activation_bits is not None and self.activation_bits <= 8
