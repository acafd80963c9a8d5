"""What is known of a checkpoint before any weight is read: records, no logic."""

import math
from collections import Counter

from pydantic import Field

from qdash.catalog.models import MODELS, is_random
from qdash.records import ModelTask, Preparation, Record

DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""Names of the floating-point codes of the safetensors format."""

BITS = {"F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16, "U16": 16}
"""Bits a value of the other codes that models hold; all others are 8."""

_BUFFERS = ("running_mean", "running_var", "inv_freq", "e_score_correction_bias", "final_logits_bias", "masked_bias", "layer_scalar")
"""Names of floats that are stored and are no parameters: statistics of batch norms, frequencies, balances of experts."""


class TensorInfo(Record):
    """One tensor of a safetensors header; `dtype` is the format's own code ("BF16")."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def values(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes it takes as stored."""
        return self.values * BITS.get(self.dtype, 8) // 8


class PublishedQuantization(Record):
    """How a checkpoint was quantized before it was published.

    `method` is its name in config.json; `bits` those of a weight, None where they differ from layer to layer or are not told.
    `parameters` counts weights, not the numbers they are packed in; `weights_bytes` is what they take in memory. `stored_bits`: of each
    weight in the tensor that holds it, which may be more than it has.
    """

    method: str
    bits: int | None
    parameters: int
    weights_bytes: int
    stored_bits: int = 4
    needs_cuda: bool = False
    base_model: str | None = None
    """The hub id that the model card gives as the model it was made from."""

    @property
    def name(self) -> str:
        """As in “bitsandbytes 4-bit”."""
        method = self.method.upper() if self.method in ("gptq", "awq") else self.method
        return f"{method} {self.bits}-bit" if self.bits else method

    @property
    def label(self) -> str:
        """What people read in the place of “Original”."""
        return f"As published ({self.name})"


class GgufBlocks(Record):
    """What of a model its GGUF file has in blocks that layers can keep: so many weights in `nbytes`; `beside`: all other numbers."""

    nbytes: int
    weights: int
    beside: int


class Checkpoint(Record):
    """A model that passed every check that needs no weights.

    `folder` is None until a hub model has been downloaded, which takes `download_bytes` for `files`, or until random weights of as many
    bytes have been made or unpacked from a GGUF file. `revision` is the hub's commit, or for a folder a digest that changes with its files.
    """

    model: str
    label: str
    task: ModelTask
    folder: str | None
    revision: str
    model_type: str
    tensors: tuple[TensorInfo, ...] = Field(repr=False)
    copies: tuple[str, ...] = ()
    """Names of stored tensors that take no memory of their own: one with another, as a tied head, or not loaded."""
    notes: tuple[str, ...] = ()
    """What a person should know of its files, a sentence each."""
    context_length: int | None = None
    """In tokens; None where the configuration leaves it to the class."""
    quantization: PublishedQuantization | None = None
    repo: str | None = None
    gguf: str | None = None
    """The GGUF file that it is unpacked from."""
    blocks: GgufBlocks | None = None
    """None for other models, and where the file is still to be fetched."""
    files: tuple[str, ...] = ()
    download_bytes: int = 0

    @property
    def from_gguf(self) -> bool:
        """Whether it comes from a GGUF file, here or still to be fetched."""
        return self.blocks is not None or (self.model in MODELS and MODELS[self.model].package is not None)

    @property
    def preparation(self) -> Preparation:
        """What brings its files to this machine while `folder` is None."""
        if self.gguf is not None:
            return "unpacking"
        return "making" if is_random(self.model) else "downloading"

    @property
    def parameters(self) -> int:
        """How many parameters the files hold; a stored copy of a tied head is not counted again."""
        if self.quantization is not None:
            return self.quantization.parameters
        return sum(tensor.values for tensor in self.own_tensors if tensor.dtype in DTYPES and not tensor.name.endswith(_BUFFERS))

    @property
    def weights_bytes(self) -> int:
        """What its tensors take in the files."""
        return sum(tensor.nbytes for tensor in self.own_tensors)

    @property
    def stored_dtype(self) -> str | None:
        """The floating-point type that most of the weights are stored in; None where there are none."""
        values: Counter[str] = Counter()
        for tensor in self.own_tensors:
            if tensor.dtype in DTYPES:
                values[DTYPES[tensor.dtype]] += tensor.values
        return values.most_common(1)[0][0] if values else None

    @property
    def own_tensors(self) -> tuple[TensorInfo, ...]:
        """The tensors that take memory of their own once loaded."""
        return tuple(tensor for tensor in self.tensors if tensor.name not in self.copies)
