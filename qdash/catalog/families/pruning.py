"""Pruning: the weights that matter least become zeros, or the neurons and heads that matter least are cut out of the model.

A key names the method and the share in percent: `prune-rows-30`. Any whole percentage from 1 to 99 makes a scheme; `prune-24` has its share
in its name. What is only zeroed is simulated: the numbers are those of the pruned model, and zeros are held and multiplied like any other
number. What is cut out is real.
"""

from dataclasses import dataclass
from typing import Literal

from qdash.catalog.cutting import Cut
from qdash.catalog.scheme import Family, Params, Scheme
from qdash.errors import QdashError

Method = Literal["rows", "global", "2:4", "neurons", "heads"]

PREFIX = "prune-"
IN_STEPS = "iterative"
"""The method of `families.pruned_in_steps`."""
MASK_BITS = 1
"""A sparse file says of each weight in one bit whether it is zero, and holds the values of the others."""

_TWO_OF_FOUR = f"{PREFIX}24"
_SHOWN_CHARS = 80


@dataclass(frozen=True)
class PruningParams(Params):
    """`percent` is the share that is taken: of a layer's rows, of all weights, of an MLP's neurons or of an attention block's heads."""

    method: Method
    percent: int

    @property
    def cuts(self) -> bool:
        """Whether something is cut out, not only zeroed."""
        return self.method in ("neurons", "heads")


def rows_zeroed(rows: int, percent: int) -> int:
    """How many of a layer's rows become zeros: rounded as `torch.nn.utils.prune` rounds."""
    return round(rows * percent / 100)


def shape_reason(params: PruningParams, shape: tuple[int, ...]) -> str | None:
    """Why a layer of this shape, (outputs, inputs), cannot be pruned; None if it can."""
    outputs, inputs = shape
    if params.method == "rows" and not rows_zeroed(outputs, params.percent):
        return f"{params.percent}% of {outputs} rows is none"
    if params.method == "2:4" and inputs % 4:
        return f"{inputs} inputs are not a multiple of 4"
    return None


class PruningFamily(Family):
    """Floats as loaded, some of them zero, or fewer of them."""

    engine = "qdash.engine.schemes.pruning"
    group = "Pruning"
    saved_as_floats = True
    prunes = True
    without_bits = "floats"

    def sharing(self, scheme: Scheme) -> None:
        """Floats have no scales."""

    def value_bits(self, scheme: Scheme, plain_bits: float, zeros: float) -> float:
        """What is left where something is cut out; else a mask, and the values that are not zero."""
        return plain_bits * (1 - zeros) + (0 if PruningParams.of(scheme).cuts else MASK_BITS)

    def kept(self, scheme: Scheme, shape: tuple[int, ...], cut: Cut | None) -> float | None:
        """Of fused experts nothing is taken. What global pruning keeps of a layer is known once all are read: on average its share."""
        params = PruningParams.of(scheme)
        if params.cuts:
            share = cut.kept(params.percent) if cut is not None and cut.of == params.method else 1.0
            return share if share < 1 else None
        if len(shape) != 2 or shape_reason(params, shape) is not None:
            return None
        return 1 - rows_zeroed(shape[0], params.percent) / shape[0] if params.method == "rows" else 1 - params.percent / 100

    def kernel_work(self, scheme: Scheme, dtype: str) -> str:
        """Zeros are numbers; what was cut out is not there."""
        if PruningParams.of(scheme).cuts:
            return f"“{scheme.label}” multiplies smaller matrices in {dtype}: fewer numbers to read and to multiply, on any device."
        return (
            f"{scheme.label} is simulated: zeros are stored and multiplied in {dtype} like any other number, so nothing gets smaller or "
            "faster."
        )

    def overhead(self, scheme: Scheme) -> str:
        """Of zeros there is none that pays off."""
        return "multiplying matrices of uncommon sizes" if PruningParams.of(scheme).cuts else "multiplying zeros"


PRUNING = PruningFamily()


def is_pruning(key: str) -> bool:
    """Whether `key` is meant as a pruning scheme."""
    return key.startswith(PREFIX)


def pruning_scheme(key: str) -> Scheme:
    """The scheme that a key stands for; raises QdashError for a method or a share that does not exist."""
    if key == _TWO_OF_FOUR:
        return _two_of_four()
    method = key.removeprefix(PREFIX).rpartition("-")[0]
    if method not in _ROWS:
        known = ", ".join((*(f"{PREFIX}{name}-30" for name in (*_ROWS, IN_STEPS)), _TWO_OF_FOUR))
        raise QdashError(f"There is no scheme “{key[:_SHOWN_CHARS]}”.", f"Write a method and a percentage: {known}.")
    return _ROWS[method](percent_of(key))


def percent_of(key: str) -> int:
    """The share at the end of a key; raises QdashError for one that cannot be pruned."""
    method, _, share = key.rpartition("-")
    percent = int(share) if share.isascii() and share.isdecimal() and len(share) <= 3 else 0
    if not 1 <= percent <= 99:
        message = f"“{share[:_SHOWN_CHARS]}” in “{key[:_SHOWN_CHARS]}” is not a share that can be pruned."
        raise QdashError(message, f"Write a whole percentage from 1 to 99, such as {method}-30.")
    return percent


def _rows(percent: int) -> Scheme:
    return Scheme(
        key=f"{PREFIX}rows-{percent}", label=f"Rows zeroed, {percent}%", family=PRUNING, kind="simulated", bits=None, activation_bits=None,
        about=f"The {percent}% of each linear layer's output rows with the smallest L1 norm become zeros. They are stored and multiplied "
        "as before, so nothing gets smaller or faster.",
        params=PruningParams("rows", percent),
    )  # fmt: skip


def _global(percent: int) -> Scheme:
    return Scheme(
        key=f"{PREFIX}global-{percent}", label=f"Small weights zeroed, {percent}%", family=PRUNING, kind="simulated", bits=None,
        activation_bits=None,
        about=f"The {percent}% of all linear layers' weights that are nearest to zero become zeros, wherever they are. They are stored and "
        "multiplied as before, so nothing gets smaller or faster.",
        params=PruningParams("global", percent),
    )  # fmt: skip


def _two_of_four() -> Scheme:
    return Scheme(
        key=_TWO_OF_FOUR, label="2:4 sparsity", family=PRUNING, kind="simulated", bits=None, activation_bits=None,
        about="Of every four neighbours in a row the two nearest to zero become zeros, the pattern that GPUs can skip. Here the zeros are "
        "multiplied as before, so nothing gets smaller or faster.",
        params=PruningParams("2:4", 50),
    )  # fmt: skip


def _neurons(percent: int) -> Scheme:
    return Scheme(
        key=f"{PREFIX}neurons-{percent}", label=f"Neurons cut out, {percent}%", family=PRUNING, kind="real", bits=None,
        activation_bits=None,
        about=f"The {percent}% of each MLP's neurons that matter least are cut out, with all weights that they read and write by: "
        "smaller, and less to compute, on any device.",
        params=PruningParams("neurons", percent), floats_first=True,
    )  # fmt: skip


def _heads(percent: int) -> Scheme:
    return Scheme(
        key=f"{PREFIX}heads-{percent}", label=f"Heads cut out, {percent}%", family=PRUNING, kind="real", bits=None, activation_bits=None,
        about=f"The {percent}% of each attention block's heads that matter least are cut out, or the number nearest to that which leaves "
        "the heads sharing keys and values evenly: smaller, and less to compute, on any device.",
        params=PruningParams("heads", percent), floats_first=True,
    )  # fmt: skip


_ROWS = {"rows": _rows, "global": _global, "neurons": _neurons, "heads": _heads}

PRUNING_SCHEMES = tuple(map(pruning_scheme, ("prune-rows-30", "prune-neurons-30", "prune-heads-25", "prune-global-50", "prune-24")))
"""Those that are listed."""
