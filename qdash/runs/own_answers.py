"""A model's own answers as what it learns from: for models whose training data are not at hand, which are nearly all.

The original is asked questions that come with qdash, in its own chat template, and answers as it always does in qdash, greedily. These
answers are what it should still say with few bits. No data set is needed, and texts that a model makes itself keep its distribution better
than those of others (Liu et al. 2023, LLM-QAT, section 3.1). A model that sees is asked about drawings.
"""

from collections.abc import Generator
from contextlib import closing
from functools import partial
from hashlib import sha256
from time import monotonic

from qdash import checkpoints
from qdash.catalog.types import ModelTask
from qdash.checkpoints import Checkpoint
from qdash.execution import Executor, StopSignal
from qdash.execution.client import WorkerClient
from qdash.execution.work import VariantWork, Work
from qdash.records import BatchAnswered, BatchRequest, Passage, Question, Reply, Step, WorkerSpec
from qdash.runs.healing_passages import LEAST, QUESTIONS, Lessons, about_drawing, check_font, divided
from qdash.tasks.generators.chat import chat_questions

SOURCE = "its own answers"
NUMBER = 400
ENOUGH, MOST_S = 100, 240.0
"""After `MOST_S` seconds this many answers are enough: a large model on a slow machine would take long for all."""
ANSWER_TOKENS = 96
BATCH = 32


def questions_for(reads: ModelTask) -> tuple[Question, ...]:
    """What a model is asked; raises QdashError for one that sees where drawings cannot be made."""
    if reads == "image-text-to-text":
        check_font()
        return tuple(passage.question for number in range(NUMBER // QUESTIONS) for passage in about_drawing(number))
    return tuple(Question(prompt=prompt) for prompt in chat_questions(NUMBER))


def own_answers(
    checkpoint: Checkpoint, spec: WorkerSpec, reserve_bytes: int, executor: Executor, stop: StopSignal | None
) -> Generator[Step, None, Lessons]:
    """What the original answers: asked once, and remembered beside what is healed. Raises QdashError, also for too few answers."""
    questions = questions_for(checkpoint.task)
    name = _digest(questions)
    answers = checkpoints.kept_answers(checkpoint, name)
    if answers is None:
        request = BatchRequest(questions=questions, plain=False, max_new_tokens=ANSWER_TOKENS, batch_size=BATCH)
        passes = ANSWER_TOKENS * -(-len(questions) // BATCH)
        work = Work(spec.device, (VariantWork("answer", checkpoint.model, "original", reserve_bytes, passes),))
        replies = yield from executor.run(partial(_asked, spec, request, reserve_bytes), work, stop)
        answers = {reply.index: (reply.text, len(reply.tokens) < ANSWER_TOKENS) for reply in replies if reply.text.strip()}
        if len(answers) >= LEAST:
            checkpoints.keep_answers(checkpoint, name, answers)
    said = [Passage(question=questions[index], answer=text, ends=ends) for index, (text, ends) in sorted(answers.items())]
    return divided(said, SOURCE)


def _asked(
    spec: WorkerSpec, request: BatchRequest, reserve_bytes: int, executor: Executor, stop: StopSignal | None
) -> Generator[Step, None, list[Reply]]:
    worker, replies = WorkerClient(executor, spec, stop), list[Reply]()
    yield Step(detail="loading weights")
    yield from worker.load(reserve_bytes=reserve_bytes)
    yield Step(fraction=0.0, detail="answering questions to learn from")
    began = monotonic()
    with closing(worker.run_batches(request, reserve_bytes=reserve_bytes)) as batches:
        for batch in batches:
            if not isinstance(batch, BatchAnswered):
                continue
            replies += batch.replies
            enough = min((monotonic() - began) / MOST_S, len(replies) / ENOUGH)
            if enough >= 1:
                break
            yield Step(fraction=max(enough, batch.done / batch.total), detail="answering questions to learn from")
    return replies


def _digest(questions: tuple[Question, ...]) -> str:
    found = sha256(f"{ANSWER_TOKENS}".encode())
    for question in questions:
        found.update(sha256(question.prompt.encode() + b"\0" + (question.png or b"")).digest())
    return found.hexdigest()[:12]
