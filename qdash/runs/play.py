"""A game with a model: a worker of its own for as long as somebody plays, which changes its weights at every move and answers."""

from collections.abc import Generator
from dataclasses import dataclass
from threading import Event

from qdash import checkpoints
from qdash.catalog.models import model_name
from qdash.catalog.schemes import find_scheme
from qdash.errors import QdashError
from qdash.execution import Executor
from qdash.execution.client import WorkerClient
from qdash.machine import this_machine
from qdash.records import Played, PlayRequest, Step, WorkerSpec
from qdash.runs.plan import default_dtype, with_worker, worker_spec
from qdash.runs.sensitivity import untrained

BASELINE = "original"


@dataclass(frozen=True)
class Game:
    """Who plays with which model: the worker, and the memory it takes with the original's weights beside the working copy."""

    spec: WorkerSpec
    reserve_bytes: int


def begin_play(
    model: str, owner: str, executor: Executor, stop: Event | None = None, *, device: str = "auto"
) -> Generator[Step, None, Game]:
    """Find the model and set up the game of `owner`, whose worker nobody else gets; loads nothing yet. Raises QdashError."""
    here = this_machine().on(device)
    yield Step(detail="looking for the model")
    located = checkpoints.locate(model, stop)
    problem = untrained(model) or checkpoints.weights_problem(located) or checkpoints.unsuited(located, find_scheme(BASELINE), here)
    if problem is not None:
        raise problem
    if located.quantization is not None:
        said = f"{model_name(model)} was published as {located.quantization.label}: it has no plain weights to play with."
        raise QdashError(said, "Choose the model that it was made from.")
    checkpoint = yield from checkpoints.obtain(located, stop)
    spec = worker_spec(checkpoint, BASELINE, here.device, default_dtype(here.accelerator, checkpoint))
    sizes = checkpoints.sizes_of(checkpoint, find_scheme(BASELINE), spec.dtype, spec.device, wait_s=0)
    reserve_bytes = with_worker(sizes.loading_bytes + sizes.estimated_bytes, spec.device)
    return Game(spec.model_copy(update={"owner": owner}), reserve_bytes)


def play(game: Game, request: PlayRequest, executor: Executor, stop: Event | None = None) -> Generator[Step, None, Played]:
    """One move. A worker that had to make room for others, or died, is started again: the request says all. Raises QdashError."""
    return WorkerClient(executor, game.spec, stop).play(request, reserve_bytes=game.reserve_bytes)


def end_play(game: Game, executor: Executor) -> None:
    """End the worker of the game."""
    executor.end(game.spec)
