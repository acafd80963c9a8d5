"""Inspecting one variant of a request: find its model, load it, count and save it, and answer what people ask about the numbers.

A variant that was just compared is inspected where it is: an equal spec finds the same warm worker.
"""

import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from threading import Event

from qdash import checkpoints
from qdash.catalog.schemes import find_scheme, unavailable
from qdash.checkpoints.disk import check_disk
from qdash.comparison import steps_of
from qdash.errors import QdashError
from qdash.execution import Executor
from qdash.explanations import explain
from qdash.machine import this_machine
from qdash.planning import device_of, dtype_of, host_of, worker_spec
from qdash.records import Comparison, InspectorReport, Loaded, Request, Step
from qdash.settings import settings


def inspect(
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
    checkpoint = yield from checkpoints.obtain(checkpoints.locate(variant.model), stop)
    spec = worker_spec(checkpoint, scheme.key, device_of(request), dtype_of(request))
    problem = checkpoints.published_problem(checkpoint, scheme, here)
    if problem:
        raise problem
    needed = checkpoints.loading_bytes(checkpoint, scheme, dtype_of(request))
    loaded: Loaded = yield from steps_of(executor.call(spec, "load", reserve_bytes=needed, stop=stop))
    with _scratch(variant.model, loaded.saved_bytes) as (folder, not_saved):
        report: InspectorReport = yield from steps_of(executor.call(spec, "inspect", folder, stop=stop))
    known = {"model": variant.model, "host": host_of(request), "not_saved": not_saved or report.not_saved}
    return explained(report.model_copy(update=known), measured)


def explained(report: InspectorReport, measured: Comparison | None) -> InspectorReport:
    """`report` with its explanations; times are those of `measured`, if it is given and has the variant."""
    results = measured.variants if measured else ()
    result = next((result for result in results if (result.model, result.scheme) == (report.model, report.scheme)), None)
    noise = measured.noise_floor.relative if measured and measured.noise_floor else 0.0
    explanations = explain(report, result, results[0] if results else None, noise)
    return report.model_copy(update={"explanations": explanations})


@contextmanager
def _scratch(model: str, needed_bytes: int) -> Iterator[tuple[str | None, str | None]]:
    """A folder with room to save the model in, or why there is none. Removed here, as a worker that is stopped cannot."""
    cache = settings().cache_dir
    problem = None
    try:
        check_disk(model, needed_bytes, cache, "QDASH_CACHE_DIR")
        cache.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix="inspect-", dir=cache, ignore_cleanup_errors=True)
    except (QdashError, OSError) as error:
        folder = nullcontext()
        problem = str(error)
    with folder as path:
        yield path, problem
