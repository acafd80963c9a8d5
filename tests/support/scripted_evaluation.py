"""An invented evaluation: fewer bits make more mistakes, question by question the same at every run, batches of eight."""

import random
from collections.abc import Iterator, Sequence
from threading import Event as StopEvent

from qdash.catalog.schemes import find_scheme
from qdash.records import (
    Coverage,
    ErrorRecord,
    EvaluatedVariant,
    EvaluatedVariantDone,
    Evaluation,
    EvaluationDone,
    EvaluationEvent,
    EvaluationNoise,
    EvaluationProgress,
    EvaluationRequest,
    ItemResult,
    ItemsAnswered,
    TaskItem,
    Variant,
)
from qdash.runs import plan
from qdash.tasks import Item, accuracy_of, bundled_items, compare_to_baseline, find_task, stratified_sample, summarize

BATCH = 8
MISTAKES = {16: 0.05, 8: 0.06, 6: 0.08, 4: 0.15, 3: 0.4, 2: 0.9}
SECONDS_PER_ITEM = 0.02
INVENTED = tuple(
    Item(TaskItem(prompt=f"Question {number} <b>?</b>", answer=str(number), group="even" if number % 2 == 0 else "odd"))
    for number in range(200)
)


def play_evaluation(
    request: EvaluationRequest, stop: StopEvent, items: Sequence[Item] | None = None, pause_s: float = 0.01
) -> Iterator[EvaluationEvent]:
    """The events of an evaluation in which the second variant named “fail” in `request.source` runs out of memory."""
    own = items if items is not None else bundled_items(request.task) or INVENTED
    questions = tuple(item.question for item in stratified_sample(own, request.limit))
    results: list[EvaluatedVariant] = []
    for index in range(len(request.variants)):
        yield EvaluationProgress(index=index, stage="loading", fraction=0.5, total=len(questions))
        answered: list[ItemResult] = []
        failing = index == 1 and "fail" in (request.source or "")
        for start in range(0, 0 if failing else len(questions), BATCH):
            if stop.is_set():
                break
            batch = [
                invented_answer(request.variants[index].scheme, i, questions[i]) for i in range(start, min(start + BATCH, len(questions)))
            ]
            answered += batch
            accuracy = accuracy_of(answered)
            assert accuracy is not None
            yield ItemsAnswered(index=index, items=tuple(batch), accuracy=accuracy)
            yield EvaluationProgress(
                index=index, stage="answering", fraction=len(answered) / len(questions), detail=f"{len(answered)} of {len(questions)}",
                done=len(answered), total=len(questions), eta_s=(len(questions) - len(answered)) * SECONDS_PER_ITEM,
            )  # fmt: skip
            stop.wait(pause_s)
        results.append(variant_of(request.variants[index], answered, questions, failing=failing))
        if index:
            results[-1] = compare_to_baseline(results[-1], results[0], len(questions))
        yield EvaluatedVariantDone(index=index, result=results[-1])
    yield EvaluationDone(evaluation=_evaluation(request, tuple(results), questions, stopped=stop.is_set()))


def invented_answer(scheme: str, index: int, question: TaskItem) -> ItemResult:
    """Right or wrong by chance, the same chance at every run; what is wrong under more bits is wrong under fewer too."""
    bits = find_scheme(scheme).bits or 16
    limit = next(share for most, share in sorted(MISTAKES.items()) if bits <= most or most == 16)
    wrong = random.Random(f"question {index}").random() < limit
    answer = f"<i>{scheme}</i> is wrong" if wrong else question.answer
    parted = {} if scheme == "original" or not wrong else {"margin_original": round(index % 7 / 35, 3), "margin": 0.3}
    return ItemResult(index=index, answer=answer, correct=not wrong, last_word=not wrong, **parted)


def variant_of(variant: Variant, answered: list[ItemResult], questions: Sequence[TaskItem], *, failing: bool = False) -> EvaluatedVariant:
    """The result of a variant that has answered some of the questions: all (“ok”), fewer (“skipped”), or failed."""
    scheme = find_scheme(variant.scheme)
    whole = len(answered) == len(questions)
    error = ErrorRecord(kind="cancelled", message="Stopped.", remedy="Evaluate again to run it.")
    if failing:
        error = ErrorRecord(kind="out_of_memory", message="This variant needs more memory than there is.", remedy="Choose fewer bits.")
    slowdown = 1.0 if scheme.is_baseline else 1.3
    return EvaluatedVariant.model_validate(
        {
            "scheme": scheme.key, "label": scheme.label, "kind": scheme.kind, "model": variant.model, "bits": scheme.bits,
            "status": "ok" if whole else "failed" if failing else "skipped", "error": None if whole else error,
            "load_s": 0.4, "weights_bytes": int(20e6 * (scheme.bits or 32) / 32), "dtype": "float32",
            "coverage": Coverage(quantized=0 if scheme.is_baseline else 60, total=62),
            "peak_bytes": int(30e6 * (scheme.bits or 32) / 32) + 10_000_000,
            "projected_bytes": int(20e6 * (scheme.bits or 32) / 32) if scheme.kind == "simulated" else None,
            **(summarize(answered, questions) if answered else {}),
            **({"total_s": len(answered) * SECONDS_PER_ITEM * slowdown, "per_item_s": SECONDS_PER_ITEM * slowdown} if answered else {}),
        }
    )  # fmt: skip


def evaluation_of(request: EvaluationRequest, questions: Sequence[TaskItem] | None = None) -> Evaluation:
    """A finished evaluation; by default of the first questions of the request's task."""
    if questions is None:
        questions = [item.question for item in stratified_sample(bundled_items(request.task) or INVENTED, request.limit or 40)]
    results: list[EvaluatedVariant] = []
    for variant in request.variants:
        answered = [invented_answer(variant.scheme, index, question) for index, question in enumerate(questions)]
        result = variant_of(variant, answered, questions)
        results.append(compare_to_baseline(result, results[0], len(questions)) if results else result)
    return _evaluation(request, tuple(results), tuple(questions), stopped=False)


def _evaluation(
    request: EvaluationRequest, results: tuple[EvaluatedVariant, ...], questions: tuple[TaskItem, ...], *, stopped: bool
) -> Evaluation:
    task = find_task(request.task)
    noise = None if stopped else EvaluationNoise(relative=0.04, first_s=1.0, again_s=1.04, items=len(questions) // 2)
    return Evaluation(
        host=plan.host_of(request), request=request, task_label=task.label, rule=request.rule or task.rule,
        max_new_tokens=request.max_new_tokens or task.max_new_tokens, noise_floor=noise, variants=results, questions=questions,
    )  # fmt: skip
