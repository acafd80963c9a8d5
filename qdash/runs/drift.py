"""Drift: how closely the models of other files follow the first one's along a text, token by token.

The first model's next-token distributions along the text are recorded; each of the others reads the same tokens. There is no chat template
and no answer, so files whose templates differ are compared by their weights alone.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event

from qdash import checkpoints
from qdash.catalog.models import ASSETS, is_random
from qdash.catalog.schemes import find_scheme
from qdash.checkpoints import Checkpoint
from qdash.errors import QdashError
from qdash.execution import Executor, StopSignal
from qdash.execution.client import WorkerClient
from qdash.machine import this_machine
from qdash.records import Agreement, Device, Question, SchemeWeights, Step, WeightReport, WorkerSpec
from qdash.records.agreement import MAX_SCORED_TOKENS
from qdash.runs.plan import default_dtype, with_worker, worker_spec
from qdash.runs.workload import drift_work

Found = list[Agreement | QdashError]


def bundled_text() -> str:
    """The text that comes with qdash: English prose with some numbers and a few lines of code."""
    return (ASSETS / "texts" / "drift.txt").read_text(encoding="utf-8")


def measure_drift(
    report: WeightReport, text: str, executor: Executor, stop: Event | None = None, *, device: str = "auto"
) -> Generator[Step, None, WeightReport]:
    """`report`, which compares files, with the drift of each of the others along `text`; raises QdashError.

    A model that cannot follow the first, because its vocabulary is another, has a reason in place of a drift.
    """
    names = [report.model, *(scheme.scheme for scheme in report.schemes)]
    random = next((name for name in names if is_random(name)), None)
    if random is not None:
        raise QdashError(
            f"{random} has random weights: what it says of a text means nothing.", "Choose another model, or leave out the text."
        )
    first, said = _divided(text)
    files = yield from _files(names, this_machine().resolve(device), stop)
    job = partial(_drifted, files, Question(prompt=first, plain=True, png=None), said)
    work = drift_work([file.checkpoint for file in files], [file.loading_bytes for file in files], MAX_SCORED_TOKENS, files[0].spec.device)
    found: Found = yield from executor.run(job, work, stop)
    return report.model_copy(update={"schemes": tuple(map(_with_drift, report.schemes, found))})


@dataclass(frozen=True)
class _File:
    checkpoint: Checkpoint
    spec: WorkerSpec
    loading_bytes: int


def _files(names: Sequence[str], device: Device, stop: Event | None) -> Generator[Step, None, list[_File]]:
    files: list[_File] = []
    for name in names:
        checkpoint = yield from checkpoints.obtain(checkpoints.locate(name, stop), stop)
        # All in one type: only then is what sets them apart in their files.
        dtype = files[0].spec.dtype if files else default_dtype(this_machine().on(device).accelerator, checkpoint)
        sizes = checkpoints.sizes_of(checkpoint, find_scheme("original"), dtype, device, wait_s=0)
        files.append(_File(checkpoint, worker_spec(checkpoint, "original", device, dtype), with_worker(sizes.loading_bytes, device)))
    return files


def _divided(text: str) -> tuple[str, str]:
    """The first word, which a model reads before it is asked for anything, and the rest with the space before it."""
    words = text.split(maxsplit=1)
    if len(words) < 2:
        raise QdashError("The text has one word only, so that there is nothing to follow.", "Give a longer one.")
    return words[0], text[text.index(words[0]) + len(words[0]) :]


def _drifted(
    files: Sequence[_File], question: Question, said: str, executor: Executor, stop: StopSignal | None
) -> Generator[Step, None, Found]:
    own, *others = (WorkerClient(executor, file.spec, stop) for file in files)
    yield from own.load(reserve_bytes=files[0].loading_bytes)
    reference = yield from own.record_reference(question, said)
    found: Found = []
    for worker, file in zip(others, files[1:], strict=True):
        yield from worker.load(reserve_bytes=file.loading_bytes)
        try:
            found.append((yield from worker.compare_to_reference(question, reference)))
        except QdashError as error:
            if error.kind != "bad_input":
                raise
            found.append(error)
    return found


def _with_drift(scheme: SchemeWeights, found: Agreement | QdashError) -> SchemeWeights:
    known = {"drift_problem": found.message} if isinstance(found, QdashError) else {"drift": found}
    return scheme.model_copy(update=known)
