"""Healed schemes: layers get the weights that were trained for the checkpoint, which are then rounded like any others.

What was trained is kept as floats from before the rounding: rounding them here gives the very numbers that the training was scored with,
and in another type what that type makes of them.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import PreTrainedModel
from typing_extensions import override

from qdash.catalog.families.simulated import SimulatedParams
from qdash.catalog.healed_files import REPORT, WEIGHTS
from qdash.catalog.scheme import Scheme
from qdash.engine import layers
from qdash.engine.compress.constraints import Constraint, Rounded
from qdash.engine.parameters import Experts
from qdash.engine.schemes import QuantizeContext, RowDequantizer
from qdash.engine.schemes.simulated import Simulated, round_layer
from qdash.engine.schemes.snippet import from_pretrained
from qdash.errors import CHOOSE_ANOTHER, QdashError
from qdash.records import HealReport, WorkerSpec


class Healed(Simulated):
    """Puts the trained weights in place and rounds them."""

    @override
    def quantize(self, model: PreTrainedModel, names: Collection[str], scheme: Scheme, build: QuantizeContext) -> None:
        put_healed(model, healed_folder(scheme, build.spec), names)
        super().quantize(model, names, scheme, build)

    @override
    def unsupported_experts_reason(self, experts: Experts, scheme: Scheme, spec: WorkerSpec) -> str | None:
        return f"“{scheme.label}” trains linear layers only"

    @override
    def round_trip(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> Tensor | None:
        raise NotImplementedError("What becomes of a healed weight depends on which layer it is of: ask layer_dequantizer.")

    @override
    def row_dequantizer(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> RowDequantizer | None:
        raise NotImplementedError("What becomes of a healed weight depends on which layer it is of: ask layer_dequantizer.")

    @override
    def layer_dequantizer(self, name: str, weight: Tensor, scheme: Scheme, spec: WorkerSpec, whole: Scheme) -> RowDequantizer | None:
        healed = healed_rows(healed_folder(scheme, spec), name)
        if healed is None:
            return None
        rounded = Simulated.row_dequantizer(self, healed, scheme, spec)
        assert rounded is not None
        return lambda rows, start: rounded(healed[start : start + len(rows)].to(spec.device), start)

    @override
    def notes(self, scheme: Scheme, spec: WorkerSpec) -> tuple[str, ...]:
        return healed_notes(scheme, spec)

    @override
    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        return healed_snippet(scheme, spec, self.load_kwargs(scheme, spec, skeleton), SimulatedParams.of(scheme).format)

    def constraint(self, scheme: Scheme) -> Constraint:
        """What its weights are made to be while they are trained."""
        return Rounded(SimulatedParams.of(scheme).format)


FAMILY = Healed()


def healed_folder(scheme: Scheme, spec: WorkerSpec) -> str:
    """Where the weights are that were trained for `scheme`; raises QdashError("unavailable") where there are none."""
    found = [folder for folder in spec.healed if Path(folder).name.startswith(f"{scheme.key}-")]
    if not found:
        message = f"The model in {spec.folder} was not healed for “{scheme.label}” yet."
        raise QdashError(message, CHOOSE_ANOTHER, "unavailable")
    return found[-1]


def healed_notes(scheme: Scheme, spec: WorkerSpec) -> tuple[str, ...]:
    """How the weights came about, in a sentence."""
    try:
        report = HealReport.model_validate_json((Path(healed_folder(scheme, spec)) / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValidationError):  # the weights can be used without it
        return ()
    minutes, before, after = f"{report.best.seconds / 60:.1f}", f"{report.unhealed_kl:.3g}", f"{report.best.held_out_kl:.3g}"
    note = (
        f"The weights of {scheme.label} were trained for {minutes} min on {report.source}; on what was held out its divergence from "
        f"the original fell from {before} to {after} nats per token."
    )
    return (note,)


def healed_snippet(scheme: Scheme, spec: WorkerSpec, load_kwargs: Mapping[str, Any], weights: str | None) -> str:
    """The code that makes a healed version; `weights`: see `load_healed`."""
    rounded = "" if weights is None else "rounded to their format and "
    return f"""{from_pretrained(spec, dict(load_kwargs))}
# {scheme.label}: weights that “qdash heal” trained for this model, {rounded}carried in {spec.dtype}.
from qdash.engine.schemes.qat import load_healed

load_healed(model, {healed_folder(scheme, spec)!r}, {weights!r})
"""


def load_healed(model: PreTrainedModel, folder: str, weights: str | None) -> None:
    """Give a model in plain floats the weights in `folder`, in place, rounded to the format `weights` of `catalog.formats` (None: as they
    are).
    """
    names = _names(folder)
    put_healed(model, folder, names)
    if weights is not None:
        for name in names:
            round_layer(model.get_submodule(name), weights)


@torch.no_grad()
def put_healed(model: PreTrainedModel, folder: str, names: Collection[str]) -> None:
    """Give the layers at `names` the floats that were trained; raises QdashError("unavailable") for a folder that cannot be read."""
    with _opened(folder) as tensors:
        for name in names:
            layers.rows(model.get_submodule(name)).copy_(tensors.get_tensor(name))


def _names(folder: str) -> list[str]:
    with _opened(folder) as tensors:
        return list(tensors.keys())


def healed_rows(folder: str, name: str) -> Tensor | None:
    """The floats of a layer, (out, in); None if it was not trained."""
    with _opened(folder) as tensors:
        return tensors.get_tensor(name) if name in set(tensors.keys()) else None


def _opened(folder: str) -> Any:
    """The file with the trained weights, to be used as a context."""
    try:
        return safe_open(Path(folder) / WEIGHTS, framework="pt")
    except (OSError, SafetensorError):
        raise QdashError(f"The healed weights in {folder} cannot be read.", "Heal the model again.", "unavailable") from None
