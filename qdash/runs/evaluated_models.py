"""Find and download the models of an evaluation; one that fails costs its own variants only."""

from collections.abc import Generator
from threading import Event as StopEvent

from qdash import checkpoints
from qdash.catalog.models import is_random, model_name
from qdash.catalog.schemes import find_scheme, unavailable
from qdash.errors import QdashError
from qdash.execution.forward import forward_events
from qdash.machine import this_machine
from qdash.records import EvaluationEvent, EvaluationProgress, EvaluationRequest, EvaluationStage, Step
from qdash.runs.plan import check_runnable, device_of
from qdash.runs.workload import Found


def locate_all(request: EvaluationRequest, items: int, stop: StopEvent | None) -> Generator[EvaluationEvent, None, Found]:
    """Find every model; one that fails costs its variants only, unless it is all there is. Random weights have nothing to say."""
    check_runnable(request)
    found: Found = {}
    for index, variant in enumerate(request.variants):
        model = variant.model
        if model in found:
            continue
        yield EvaluationProgress(index=index, stage="locating", total=items)
        try:
            if is_random(model):
                message = f"{model_name(model)} would only guess: its weights are random."
                raise QdashError(message, "Choose a model that has been trained.")
            found[model] = checkpoints.locate(model, stop)
        except QdashError as error:
            found[model] = error
    problems = [item for item in found.values() if isinstance(item, QdashError)]
    if len(problems) == len(found):
        raise problems[0]
    return found


def obtain_all(request: EvaluationRequest, located: Found, items: int, stop: StopEvent | None) -> Generator[EvaluationEvent, None, Found]:
    """`located` with every model on this machine that some variant can run; one that cannot be downloaded costs its variants only."""
    here = this_machine().on(device_of(request))
    found = dict(located)
    for index, variant in enumerate(request.variants):
        checkpoint = found[variant.model]
        if isinstance(checkpoint, QdashError) or checkpoint.folder is not None or unavailable(find_scheme(variant.scheme), here):
            continue
        stage = checkpoint.preparation
        yield EvaluationProgress(index=index, stage=stage, total=items)
        steps = checkpoints.obtain(checkpoint, stop)
        try:
            found[variant.model] = yield from forward_events(
                steps, lambda step, index=index, stage=stage: (progress_of(index, step.preparation or stage, step, items),)
            )
        except QdashError as error:
            found[variant.model] = error
    return found


def progress_of(index: int, stage: EvaluationStage, step: Step, items: int) -> EvaluationProgress:
    """A step of variant `index` before it has answered any of its `items` questions."""
    return EvaluationProgress(index=index, stage=stage, fraction=step.fraction, detail=step.detail, total=items)
