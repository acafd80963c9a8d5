"""An evaluation: give every variant the same task in turn, count the right answers, and relay what happens as events.

All variants answer the same questions in the same batches, so that they are compared question by question and their times are of equal
work. The baseline goes first, and answers its first batches again last, which tells how much this machine's speed wanders. Between two
batches the device goes to whoever waits for an answer; no time is taken meanwhile. A variant that fails, or is stopped, costs its own
questions only. Nothing here knows torch, a process or a screen.
"""

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from threading import Event as StopEvent

from qdash.errors import QdashError
from qdash.execution import Executor, StopSignal
from qdash.execution.forward import forward_events
from qdash.records import (
    EvaluatedVariant,
    EvaluatedVariantDone,
    Evaluation,
    EvaluationDone,
    EvaluationEvent,
    EvaluationNoise,
    EvaluationRequest,
    ItemResult,
    ItemsAnswered,
)
from qdash.runs.evaluated_models import locate_all, obtain_all
from qdash.runs.evaluation_answers import EvaluationAnswers, evaluated_known_of
from qdash.runs.plan import host_of
from qdash.runs.variant_run import failed
from qdash.runs.workload import Found, evaluation_work
from qdash.tasks import Item, Task, bundled_items, compare_to_baseline, find_task, stratified_sample, summarize


def evaluate(
    request: EvaluationRequest, executor: Executor, stop: StopEvent | None = None, items: Sequence[Item] | None = None
) -> Iterator[EvaluationEvent]:
    """Run `request` and yield its events, `EvaluationDone` last.

    `items`: the questions; None: the task's own. When `stop` is set, a variant keeps the answers it has, those after it become "skipped",
    and the evaluation ends with that. Raises QdashError only if nothing can be evaluated at all.
    """
    task = find_task(request.task)
    chosen = _chosen(task, request, items)
    located = yield from locate_all(request, len(chosen), stop)
    found = yield from obtain_all(request, located, len(chosen), stop)
    job = partial(_evaluated, request, task, chosen, found)
    work = evaluation_work(request, found, len(chosen), request.max_new_tokens or task.max_new_tokens)
    results: list[EvaluatedVariant] = []
    answers: list[ItemResult] = []
    noise: EvaluationNoise | None = None

    def collected(event: EvaluationEvent) -> Iterator[EvaluationEvent]:
        if isinstance(event, EvaluatedVariantDone):
            results.append(event.result)
            answers.clear()
        elif isinstance(event, ItemsAnswered):
            answers.extend(event.items)
        yield event

    try:
        noise = yield from forward_events(executor.run(job, work, stop), collected)
    except QdashError as error:
        if not results and not answers:
            raise
        # All workers are gone. What was answered stays, and the other variants failed for one reason.
        for index in range(len(results), len(request.variants)):
            result = _cut_off(request, found, chosen, index, error, answers)
            results.append(compare_to_baseline(result, results[0], len(chosen)) if results else result)
            answers.clear()
            yield EvaluatedVariantDone(index=index, result=results[-1])
    evaluation = Evaluation(
        host=host_of(request), request=request, task_label=task.label, rule=request.rule or task.rule,
        max_new_tokens=request.max_new_tokens or task.max_new_tokens, noise_floor=noise, variants=tuple(results),
        questions=tuple(item.question for item in chosen),
    )  # fmt: skip
    yield EvaluationDone(evaluation=evaluation)


def _evaluated(
    request: EvaluationRequest, task: Task, items: tuple[Item, ...], found: Found, executor: Executor, stop: StopSignal | None
) -> Generator[EvaluationEvent, None, EvaluationNoise | None]:
    """The part of an evaluation that needs the device: every variant in turn, then the noise floor."""
    run = EvaluationAnswers(request=request, found=found, executor=executor, stop=stop, task=task, items=items)
    first: EvaluatedVariant | None = None
    for index in range(len(request.variants)):
        result = yield from run.variant(index)
        first = first or result
        yield EvaluatedVariantDone(index=index, result=compare_to_baseline(result, first, len(items)) if index else result)
    assert first is not None
    return (yield from run.noise_floor(first))


def _chosen(task: Task, request: EvaluationRequest, items: Sequence[Item] | None) -> tuple[Item, ...]:
    """The questions to ask; raises QdashError where there are none."""
    own = bundled_items(task.key) if items is None else items
    if own is None:
        raise QdashError(f"The task “{task.key}” was given no questions.", "Choose a file of questions.")
    chosen = stratified_sample(own, request.limit)
    if not chosen:
        raise QdashError("There are no questions to ask.", "Give at least one question.")
    return chosen


def _cut_off(
    request: EvaluationRequest, found: Found, items: tuple[Item, ...], index: int, error: QdashError, answers: Sequence[ItemResult]
) -> EvaluatedVariant:
    """A variant whose workers are gone: the answers it had given stay, how long they took is not known."""
    figures = summarize(answers, [item.question for item in items]) if answers else {}
    return EvaluatedVariant.model_validate(evaluated_known_of(request, found, index) | failed(error) | figures)
