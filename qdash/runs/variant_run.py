"""What a comparison and an evaluation share: how a variant is checked and loaded, and what its result says before it answers."""

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from qdash import checkpoints
from qdash.catalog.schemes import Scheme, find_scheme, unavailable
from qdash.checkpoints import TABLE_WAIT_S, Checkpoint
from qdash.checkpoints.estimate import Sizes
from qdash.errors import QdashError
from qdash.execution import Executor, Rank, StopSignal
from qdash.execution.client import WorkerClient
from qdash.machine import memory_budget_bytes, this_machine
from qdash.records import Device, Dtype, ErrorRecord, EvaluationRequest, Request, WorkerSpec
from qdash.runs.plan import device_of, dtype_of, labels_of, with_worker, worker_spec
from qdash.runs.workload import Found

Asked = TypeVar("Asked", Request, EvaluationRequest)


@dataclass(kw_only=True)
class VariantRun(Generic[Asked]):
    """The variants of `request` on its device. `found`: their models; `specs`: the workers of those prepared so far, by index."""

    request: Asked
    found: Found
    executor: Executor
    stop: StopSignal | None
    rank: Rank
    specs: dict[int, WorkerSpec] = field(default_factory=dict)

    def prepare(self, index: int) -> Checkpoint:
        """Find out whether variant `index` can run here, and what its worker needs; raises QdashError if it cannot."""
        scheme, here = self.scheme(index), this_machine().on(self.device)
        problem = unavailable(scheme, here)
        if problem:
            raise problem
        checkpoint = self.checkpoint(index)
        problem = checkpoints.unsuited(checkpoint, scheme, here)
        if problem:
            raise problem
        self.specs[index] = worker_spec(checkpoint, scheme.key, self.device, self.dtype)
        return checkpoint

    def worker(self, index: int) -> WorkerClient:
        """The worker of a variant that was prepared."""
        return WorkerClient(self.executor, self.specs[index], self.stop, self.rank)

    def loading_bytes(self, index: int) -> int:
        """Memory to reserve for loading variant `index`, its worker included."""
        room_bytes = memory_budget_bytes(self.device, self.executor.held_bytes(self.device)) // len(self.request.variants)
        return with_worker(self.sizes(index, room_bytes=room_bytes).loading_bytes, self.device)

    def sizes(self, index: int, *, room_bytes: int = 0, wait_s: float = TABLE_WAIT_S) -> Sizes:
        """Estimated sizes of variant `index` (see `checkpoints.sizes_of`)."""
        checkpoint, scheme = self.checkpoint(index), self.scheme(index)
        return checkpoints.sizes_of(checkpoint, scheme, self.dtype, self.device, room_bytes=room_bytes, wait_s=wait_s, stopped=self.stopped)

    def scheme(self, index: int) -> Scheme:
        """The scheme of variant `index`."""
        return find_scheme(self.request.variants[index].scheme)

    def checkpoint(self, index: int) -> Checkpoint:
        """The model of variant `index`; raises QdashError if it cannot be used."""
        found = self.found[self.request.variants[index].model]
        if isinstance(found, QdashError):
            raise found
        return found

    def stopped(self) -> bool:
        """Whether the person has stopped the run."""
        return self.stop is not None and self.stop.is_set()

    @property
    def device(self) -> Device:
        """Where all variants run."""
        return device_of(self.request)

    @property
    def dtype(self) -> Dtype:
        """The baseline's dtype, which is that of everything other variants leave unquantized."""
        baseline = self.found[self.request.variants[0].model]
        return dtype_of(self.request, baseline if isinstance(baseline, Checkpoint) else None)


def known_of(request: Request | EvaluationRequest, found: Found, index: int) -> dict[str, Any]:
    """The fields of variant `index`'s result that are known before anything is measured."""
    variant, scheme = request.variants[index], find_scheme(request.variants[index].scheme)
    located = [checkpoint for checkpoint in found.values() if isinstance(checkpoint, Checkpoint)]
    published = {checkpoint.model: checkpoint.quantization.label for checkpoint in located if checkpoint.quantization is not None}
    return {
        "scheme": scheme.key, "label": labels_of(request.variants, published)[index], "kind": scheme.kind, "model": variant.model,
        "status": "ok", "bits": scheme.bits,
    }  # fmt: skip


def failed(error: QdashError) -> dict[str, Any]:
    """The fields of a result that tell that its variant did not run, or did not finish."""
    status = "skipped" if error.kind in ("unavailable", "cancelled") else "failed"
    return {"status": status, "error": ErrorRecord.of(error)}
