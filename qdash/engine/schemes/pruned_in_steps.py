"""Schemes that are pruned in steps with training between them: layers get the weights that came of it, zeros among them."""

from collections.abc import Collection

from torch import Tensor
from transformers import PreTrainedModel
from typing_extensions import override

from qdash.catalog.families.pruning import PruningParams
from qdash.catalog.scheme import Scheme
from qdash.engine import layers
from qdash.engine.compress.constraints import Constraint
from qdash.engine.compress.pruning_in_steps import PrunedInSteps
from qdash.engine.schemes import QuantizeContext, RowDequantizer
from qdash.engine.schemes.floating import dtype_of
from qdash.engine.schemes.pruning import Pruning
from qdash.engine.schemes.qat import healed_folder, healed_notes, healed_rows, healed_snippet, put_healed
from qdash.records import WorkerSpec


class PrunedAndHealed(Pruning):
    """Puts the trained weights in place; those that are zero were pruned."""

    @override
    def quantize(self, model: PreTrainedModel, names: Collection[str], scheme: Scheme, build: QuantizeContext) -> None:
        put_healed(model, healed_folder(scheme, build.spec), names)
        for name in names:
            layers.mark(model.get_submodule(name), scheme.key)

    @override
    def row_dequantizer(self, weight: Tensor, scheme: Scheme, spec: WorkerSpec) -> RowDequantizer | None:
        raise NotImplementedError("What becomes of a healed weight depends on which layer it is of: ask layer_dequantizer.")

    @override
    def layer_dequantizer(self, name: str, weight: Tensor, scheme: Scheme, spec: WorkerSpec, whole: Scheme) -> RowDequantizer | None:
        healed = healed_rows(healed_folder(scheme, spec), name)
        if healed is None:
            return None
        held = healed.to(dtype_of(scheme, spec))
        return lambda rows, start: held[start : start + len(rows)].to(spec.device).float()

    @override
    def notes(self, scheme: Scheme, spec: WorkerSpec) -> tuple[str, ...]:
        return healed_notes(scheme, spec)

    @override
    def snippet(self, scheme: Scheme, spec: WorkerSpec, skeleton: PreTrainedModel) -> str:
        return healed_snippet(scheme, spec, self.load_kwargs(scheme, spec, skeleton), None)

    def constraint(self, scheme: Scheme) -> Constraint:
        """What its weights are made to be while they are trained."""
        return PrunedInSteps(PruningParams.of(scheme).percent)


FAMILY = PrunedAndHealed()
