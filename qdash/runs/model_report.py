"""Reports what is inside one variant of a request: finds its model, loads it, counts and saves it, and explains the numbers.

A variant that was just compared is inspected where it is: an equal spec finds the same warm worker.
"""

import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event

from qdash import checkpoints
from qdash.catalog.schemes import find_scheme, unavailable
from qdash.checkpoints import Checkpoint
from qdash.checkpoints.disk import check_disk
from qdash.errors import QdashError
from qdash.execution import Executor, StopSignal
from qdash.execution.client import WorkerClient
from qdash.machine import memory_budget_bytes, this_machine
from qdash.records import Comparison, InspectorReport, Request, Step, WorkerSpec
from qdash.remedies import by_reader
from qdash.runs.plan import device_of, dtype_of, host_of, with_worker, worker_spec
from qdash.runs.workload import inspection_work
from qdash.scratch import prefix
from qdash.settings import settings
from qdash.verdict.explanations import explain


def report_model(
    request: Request, index: int, executor: Executor, stop: Event | None = None, measured: Comparison | None = None
) -> Generator[Step, None, InspectorReport]:
    """Look inside variant `index` of `request`, yielding progress.

    With `measured`, a finished comparison that has the variant, the last answer is from its times. Raises QdashError as a comparison
    would for this variant; a disk too small to save it on is no error, the report says so.
    """
    variant = request.variants[index]
    scheme = find_scheme(variant.scheme)
    here = this_machine().on(device_of(request))
    problem = unavailable(scheme, here)
    if problem:
        raise problem
    yield Step(detail="looking for the model")
    checkpoint = yield from checkpoints.obtain(checkpoints.locate(variant.model, stop), stop)
    dtype = dtype_of(request, _baseline(request, stop))
    spec = worker_spec(checkpoint, scheme.key, here.device, dtype)
    problem = checkpoints.unsuited(checkpoint, scheme, here)
    if problem:
        raise problem
    room_bytes = memory_budget_bytes(here.device, executor.held_bytes(here.device))
    stopped = stop.is_set if stop is not None else lambda: False
    needed = checkpoints.sizes_of(checkpoint, scheme, dtype, here.device, room_bytes=room_bytes, stopped=stopped).loading_bytes
    with _scratch() as (folder, no_folder):
        job = partial(_inspected, spec, variant.model, with_worker(needed, here.device), folder, no_folder)
        report = yield from executor.run(job, inspection_work(checkpoint, scheme.key, needed, here.device), stop)
    return explained(report.model_copy(update={"model": variant.model, "host": host_of(request)}), measured)


def _baseline(request: Request, stop: Event | None) -> Checkpoint | None:
    """The baseline's checkpoint; None if it cannot be found, as in a comparison, where that costs the baseline only."""
    try:
        return checkpoints.locate(request.variants[0].model, stop)
    except QdashError as error:
        if error.kind == "cancelled":
            raise
        return None


def explained(report: InspectorReport, measured: Comparison | None) -> InspectorReport:
    """`report` with its explanations; times are those of `measured`, if it is given and has the variant."""
    results = measured.variants if measured else ()
    result = next((result for result in results if (result.model, result.scheme) == (report.model, report.scheme)), None)
    return report.model_copy(update={"explanations": explain(report, result, measured)})


def _inspected(
    spec: WorkerSpec, model: str, needed_bytes: int, folder: str | None, no_folder: str | None, executor: Executor, stop: StopSignal | None
) -> Generator[Step, None, InspectorReport]:
    """Load the variant and report what is inside, saving it in `folder` if it fits there; `no_folder` is why there is none."""
    worker = WorkerClient(executor, spec, stop)
    loaded = yield from worker.load(reserve_bytes=needed_bytes)
    if folder is not None:
        try:
            check_disk(model, loaded.saved_bytes, Path(folder), "QDASH_CACHE_DIR")
        except QdashError as error:
            folder, no_folder = None, str(error)
    report = yield from worker.report_model(folder)
    return report.model_copy(update={"not_saved": no_folder or report.not_saved})


@contextmanager
def _scratch() -> Iterator[tuple[str | None, str | None]]:
    """An empty folder in the cache, or why there is none. Removed here, as a worker that is ended cannot."""
    cache, folder, no_folder = settings().cache_dir, None, None
    try:
        cache.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=prefix("inspect"), dir=cache, ignore_cleanup_errors=True)
    except OSError as error:
        more = by_reader(owner="; set QDASH_CACHE_DIR to a folder that can", visitor="")
        no_folder = f"the cache cannot be written ({error.strerror}){more}"
    try:
        yield folder.name if folder else None, no_folder
    finally:
        if folder:
            folder.cleanup()
