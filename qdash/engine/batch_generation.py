"""Answering many questions: sorted by length so that padding stays short, batch after batch, each told as soon as it is done.

Batches come in a fixed, mixed order, so that what was answered when somebody stops is a fair sample, and the same one for every variant.
A batch that memory is too small for is answered in halves, and a model whose answers depend on what else is in their batch gets its
questions one by one.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from time import perf_counter

from transformers import PreTrainedModel

from qdash.engine.accelerator import synchronize
from qdash.engine.batches import Encoded, Made, alike, answers, can_share
from qdash.engine.failures import cancelled, is_out_of_memory
from qdash.engine.generation import bare_probabilities
from qdash.engine.meters import PeakMemory, trim
from qdash.engine.prompting import Inputs, Processor, build_inputs, check_question, check_room, plain_inputs, read_image, tokenizer_of
from qdash.records import BatchAnswered, BatchRequest, BatchStats, Reply


def run_batches(
    model: PreTrainedModel,
    processor: Processor,
    request: BatchRequest,
    idle_bytes: int,
    on_batch: Callable[[BatchAnswered], None],
    stop: Callable[[], bool],
    pause: Callable[[], bool] = lambda: False,
) -> BatchStats:
    """Answer the questions of `request`, after a warm-up that does not count; `on_batch` gets each batch's answers.

    If `pause()` after a batch that is not the last, others are to have the device: what is left is another request, warm-up and all, since
    caches are cold by then.

    The warm-up is the largest batch, and memory is watched in it: a thread that does so while time is taken would be timed as well.
    `idle_bytes`: what the process used of the device before it had a model.

    Raises QdashError: "bad_input" for a question that does not fit the model or its context, "cancelled".
    """
    runner = BatchRunner(model, processor, request, stop)
    if not runner.can_share():
        runner = BatchRunner(model, processor, request.model_copy(update={"batch_size": 1}), stop)
    # Texts to continue are decoded as lm-eval does, questions as the model's users get their answers.
    with bare_probabilities(model) if request.plain else nullcontext():
        batches = runner.planned()
        with PeakMemory(model.device, idle_bytes) as memory:
            runner.replies(max(batches, key=runner.cost))
        total_s, answered = _timed(runner, batches, on_batch, pause)
    paused_at = answered if answered < len(batches) else None
    return BatchStats(total_s=total_s, peak_bytes=memory.peak_bytes, batch_size=runner.request.batch_size, paused_at=paused_at)


def _timed(
    runner: "BatchRunner", batches: list[list[int]], on_batch: Callable[[BatchAnswered], None], pause: Callable[[], bool]
) -> tuple[float, int]:
    """The seconds it took, and the number of batches that are answered by now."""
    first = number = runner.request.first
    costs, total = [runner.cost(batch) for batch in batches], sum(map(len, batches))
    started, done = perf_counter(), sum(map(len, batches[:first]))
    for number, batch in enumerate(batches[first:], first + 1):
        before = perf_counter()
        replies = runner.replies(batch)
        synchronize(runner.model.device)
        now, done = perf_counter(), done + len(batch)
        eta_s = (now - started) / sum(costs[first:number]) * sum(costs[number:])
        on_batch(BatchAnswered(replies=tuple(replies), seconds=now - before, done=done, total=total, eta_s=eta_s))
        if pause():
            break
    return perf_counter() - started, number


@dataclass(frozen=True)
class BatchRunner:
    """A loaded model and what it is to answer."""

    model: PreTrainedModel
    processor: Processor
    request: BatchRequest
    stop: Callable[[], bool]

    @cached_property
    def lengths(self) -> list[int]:
        """Tokens of each prompt, its chat template and picture not counted: enough to sort by."""
        tokenizer = tokenizer_of(self.processor)
        return [len(tokenizer.encode(question.prompt)) for question in self.request.questions]

    def planned(self) -> list[list[int]]:
        """The questions in batches of like length, in a fixed, mixed order. Raises QdashError for one that cannot be asked."""
        for question in self.request.questions:
            check_question(self.processor, question)
        order = self._by_length()
        self.encoded(order[-1])  # the longest fits, or nothing is begun
        size = self.request.batch_size
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        random.Random(0).shuffle(batches)
        return batches[: self.request.batches]

    def can_share(self) -> bool:
        """Whether questions may share a batch: two of different length are asked together and alone, where that is not known yet."""
        if self.request.batch_size == 1 or self.request.can_share or len(self.lengths) == 1:
            return True
        order = self._by_length()
        some = order[: len(order) // 2 + 1]  # the shorter half does, and takes less time
        alike_ones = max(alike([self.encoded(index) for index in some[:: max(1, len(some) // 8)]]), key=len)
        pair = [alike_ones[0], max(alike_ones, key=lambda item: item.length)]
        return pair[0].length == pair[1].length or can_share(self.model, pair, self.stop)

    def _by_length(self) -> list[int]:
        """The numbers of the questions, those of the shortest first."""
        return sorted(range(len(self.lengths)), key=lambda index: self.lengths[index])

    def cost(self, batch: Sequence[int]) -> int:
        """Tokens of a batch, padding and answers included: about as long as it takes."""
        return len(batch) * (max(self.lengths[index] for index in batch) + self.request.max_new_tokens)

    def encoded(self, index: int) -> Encoded:
        """Question `index` as the model reads it; raises QdashError if it does not fit."""
        if self.stop():
            raise cancelled()
        question = self.request.questions[index]
        if self.request.plain:
            inputs: Inputs = plain_inputs(self.processor, question.prompt, self.model)
        else:
            inputs = build_inputs(self.processor, question.prompt, read_image(question), self.model)
        check_room(self.model, inputs, self.request.max_new_tokens)
        return Encoded(index, inputs, self._target(index, inputs))

    def replies(self, batch: Sequence[int]) -> list[Reply]:
        """Answers to the questions of a batch."""
        return [reply for part in alike([self.encoded(index) for index in batch]) for reply in self._part(part)]

    def _part(self, part: Sequence[Encoded]) -> list[Reply]:
        # A target longer than the answer is still looked for: it takes its own length to know whether greedy decoding makes it.
        length = max([self.request.max_new_tokens, *(len(item.target) for item in part)])
        try:
            made = answers(self.model, part, length, self.stop)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error) or len(part) == 1:
                raise
        else:
            return [self._reply(item, row) for item, row in zip(part, made, strict=True)]
        trim(self.model.device)
        middle = len(part) // 2
        return self._part(part[:middle]) + self._part(part[middle:])

    def _reply(self, item: Encoded, made: Made) -> Reply:
        kept = made.tokens[: self.request.max_new_tokens]
        text = str(tokenizer_of(self.processor).decode(kept, skip_special_tokens=True))
        on_target = tuple(made.tokens[: len(item.target)]) == item.target if item.target else None
        margins = tuple(None if isnan(margin) else round(margin, 6) for margin in made.margins[: self.request.max_new_tokens])
        return Reply(index=item.index, text=text, tokens=tuple(kept), margins=margins, on_target=on_target)

    def _target(self, index: int, inputs: Inputs) -> tuple[int, ...]:
        """The tokens that the target adds to the prompt, as lm-eval cuts them: those of both together after those of the prompt."""
        target = self.request.targets[index] if self.request.targets else ""
        if not target:
            return ()
        whole = tokenizer_of(self.processor).encode(self.request.questions[index].prompt + target)
        return tuple(whole[inputs["input_ids"].shape[1] :])
