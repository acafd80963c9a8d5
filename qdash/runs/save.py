"""Saves one version of a model as files that load without qdash, and proves it before it says so.

What is written is loaded again by another worker, as anybody would load it, and its logits along a fixed text (and picture) are compared
with those of the version that was saved. Only then the folder gets its name, with a model card. Whatever goes wrong before, a full disk, a
crash, Stop, leaves nothing behind.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

from qdash import checkpoints
from qdash.catalog.models import ASSETS, MODELS
from qdash.catalog.schemes import Scheme, find_scheme, saveable_instead, unavailable
from qdash.checkpoints import Checkpoint
from qdash.checkpoints.licence import licence_in
from qdash.checkpoints.new_folder import NewFolder, disk_errors
from qdash.checkpoints.zipping import zip_folder
from qdash.errors import QdashError
from qdash.execution import Executor, StopSignal
from qdash.execution.client import WorkerClient
from qdash.machine import Machine, this_machine
from qdash.records import Host, Question, ReloadCheck, Request, Saved, SavedFile, Step, WorkerSpec, Written
from qdash.runs.plan import device_of, dtype_of, host_of, with_worker, worker_spec
from qdash.runs.workload import save_work

Card = Callable[[Saved], str]
"""Writes the model card of what was saved, as Markdown."""

CARD = "README.md"
PROMPT = "What can you say about this?"
TEXT = "The quick brown fox jumps over the lazy dog, and nobody in the village noticed."
"""Logits are compared at each of its first tokens, after the prompt."""

_PICTURE = ASSETS / "samples" / "t1-square.png"


@dataclass(frozen=True)
class SavePlan:
    """What is to be saved: the worker of the version, the memory that it takes, and what is known of its model."""

    scheme: Scheme
    checkpoint: Checkpoint
    spec: WorkerSpec
    needed_bytes: int
    host: Host


def save_version(
    request: Request, index: int, target: NewFolder, card: Card, executor: Executor, stop: Event | None = None
) -> Generator[Step, None, Saved]:
    """Save variant `index` of `request` at `target`, yielding progress.

    Raises QdashError: "bad_input" for a place that cannot be used, "unavailable" for a version that cannot be saved, with what can be
    instead, "download" for a disk that is too small, "checkpoint" if what was written does not load as the version that it was; and as a
    comparison would for this variant.
    """
    check_saveable(request, index)
    target.check()
    plan = yield from planned(request, index, stop)
    target.check(Path(plan.spec.folder))
    with target.filled() as part:
        saved = yield from checked_files(plan, part / target.path.name, target, (str(target.place), target.path.name), card, executor, stop)
        made = part / target.path.name
        if target.zipped:
            with disk_errors(target.place):
                yield from zip_folder(made, part / target.place.name, target.path.name, stop)
            made = part / target.place.name
        _go_on(stop)
        target.put(made)
    return saved


def check_saveable(request: Request, index: int) -> None:
    """Raise QdashError("unavailable") if no version of any model under the scheme of variant `index` can be saved."""
    scheme = find_scheme(request.variants[index].scheme)
    why = scheme.family.unsaveable(scheme)
    if why is not None:
        raise not_saveable(scheme, why, this_machine().on(device_of(request)))


def not_saveable(scheme: Scheme, why: str, here: Machine, *, others_only: bool = False) -> QdashError:
    """The error for a scheme that cannot be saved, with those that can be instead; `others_only`: of other families."""
    keys = [other.key for other in saveable_instead(scheme, here, others_only=others_only)][:3]
    bits = f" and have {scheme.bits}-bit weights too" if scheme.bits is not None else ""
    remedy = (
        f"{', '.join(keys)} can be saved{bits}." if keys else "Save the model under a scheme that rounds weights only, such as bnb-nf4."
    )
    return QdashError(f"{scheme.label} cannot be saved: {why}.", remedy, "unavailable")


def checked_files(
    plan: SavePlan, folder: Path, target: NewFolder, named: tuple[str, str], card: Card, executor: Executor, stop: Event | None
) -> Generator[Step, None, Saved]:
    """Write the version into the new `folder`, with its card, and check it; `named`: where it will be, and what from_pretrained takes."""
    with disk_errors(target.place):
        folder.mkdir()
    job = partial(_written_and_checked, plan, str(folder), target)
    work = save_work(plan.checkpoint, plan.scheme.key, plan.needed_bytes, plan.spec.device)
    written, check, snippet = yield from executor.run(job, work, stop)
    where, loads_from = named
    scheme, checkpoint = plan.scheme, plan.checkpoint
    assert written.files is not None
    entry = MODELS.get(checkpoint.model)
    saved = Saved(
        model=checkpoint.model, scheme=scheme.key, label=scheme.label, kind=scheme.kind, host=plan.host, where=where, loads_from=loads_from,
        files=written.files, narrowed=written.narrowed, loaded=written.loaded, check=check,
        snippet=snippet.replace(repr(str(folder)), repr(loads_from)), base_model=_base_model(checkpoint),
        licence=licence_in(Path(plan.spec.folder)) or (entry.licence.lower() if entry is not None else None),
    )  # fmt: skip
    with disk_errors(target.place):
        text = card(saved)
        (folder / CARD).write_text(text, encoding="utf-8")
    own = SavedFile(name=CARD, size_bytes=len(text.encode()))
    return saved.model_copy(update={"files": tuple(sorted((own, *saved.files), key=lambda file: file.name))})


def _base_model(checkpoint: Checkpoint) -> str | None:
    """The hub id of the model that the checkpoint is, or was made from; None where it has none."""
    return checkpoint.repo or (checkpoint.quantization.base_model if checkpoint.quantization is not None else None)


def planned(request: Request, index: int, stop: Event | None) -> Generator[Step, None, SavePlan]:
    """Find the model of variant `index`, bring it here, and see what its worker takes."""
    variant = request.variants[index]
    scheme, here = find_scheme(variant.scheme), this_machine().on(device_of(request))
    problem = unavailable(scheme, here)
    if problem:
        raise problem
    yield Step(detail="looking for the model")
    checkpoint = yield from checkpoints.obtain(checkpoints.locate(variant.model, stop), stop)
    problem = checkpoints.published_problem(checkpoint, scheme, here)
    if problem:
        raise problem
    baseline = request.variants[0].model
    dtype = dtype_of(request, checkpoint if baseline == variant.model else checkpoints.locate(baseline, stop))
    stopped = stop.is_set if stop is not None else lambda: False
    sizes = checkpoints.sizes_of(checkpoint, scheme, dtype, here.device, stopped=stopped)
    spec = worker_spec(checkpoint, scheme.key, here.device, dtype)
    return SavePlan(scheme, checkpoint, spec, with_worker(sizes.loading_bytes, here.device), host_of(request))


def _written_and_checked(
    plan: SavePlan, folder: str, target: NewFolder, executor: Executor, stop: StopSignal | None
) -> Generator[Step, None, tuple[Written, ReloadCheck, str]]:
    """Write the version into `folder` and load it again; also returns the Python that loaded it."""
    worker = WorkerClient(executor, plan.spec, stop)
    why = yield from worker.saving_problem()
    if why is not None:
        raise not_saveable(plan.scheme, why, this_machine().on(plan.spec.device), others_only=True)
    written = yield from worker.save(folder, target.room_bytes(), reserve_bytes=plan.needed_bytes)
    if written.files is None:
        raise target.too_small(plan.checkpoint.label, written.needed_bytes)
    question = Question(prompt=PROMPT, png=_PICTURE.read_bytes() if plan.spec.task == "image-text-to-text" else None)
    yield Step(detail="reading a text with it")
    expected = yield from worker.logits(question, TEXT)
    again = plan.spec.model_copy(update={"folder": folder, "scheme": "original", "dtype": written.loaded.dtype})
    yield Step(detail="loading what was saved")
    try:
        reader = WorkerClient(executor, again, stop)
        loaded = yield from _load_again(reader, plan)
        yield Step(detail="reading the same text with what was saved")
        check = yield from reader.compare_logits(question, TEXT, expected)
    finally:
        executor.end(again)
    if not check.passed:
        apart = f"its log-probabilities are {check.apart_nats:.3g} nats apart, where {check.allowed_nats:.3g} is allowed"
        message = f"{plan.scheme.label} was written, but it loads as another model: {apart}. Nothing was saved."
        others = [other.key for other in saveable_instead(plan.scheme, this_machine().on(plan.spec.device), others_only=True)][:3]
        raise QdashError(
            message, f"Choose another scheme, such as {', '.join(others)}." if others else "Choose another scheme.", "checkpoint"
        )
    return written, check, loaded


def _load_again(reader: WorkerClient, plan: SavePlan) -> Generator[Step, None, str]:
    try:
        loaded = yield from reader.load(reserve_bytes=plan.needed_bytes)
    except QdashError as error:
        if error.kind not in ("checkpoint", "internal"):
            raise
        message = f"{plan.scheme.label} was written, but it does not load again. Nothing was saved. {error.message}"
        raise QdashError(message, "Choose another scheme.", "checkpoint") from error
    return loaded.snippet


def _go_on(stop: Event | None) -> None:
    if stop is not None and stop.is_set():
        raise QdashError("Saving was stopped.", "Start again; nothing was left behind.", "cancelled")
