"""Timed runs: the same input and exactly as many new tokens for every variant, with nothing else in the way.

The clock starts before the picture is preprocessed and is read once a token. On CUDA that reading is an event on the stream, and the
host waits for the device once, at the end. Memory is watched in a run of its own, since a thread that samples it would be timed as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch
from PIL import Image
from transformers import PreTrainedModel
from typing_extensions import override

from qdash.engine.generation import Watch, generate
from qdash.engine.meters import PeakMemory
from qdash.engine.prompting import Processor, build_inputs, check_room
from qdash.records import Measurement, Timed, Timing


@dataclass(frozen=True)
class Run:
    """One timed run in seconds: `ttft_s` includes `preprocess_s`, `total_s` ends with the last token."""

    preprocess_s: float
    ttft_s: float
    total_s: float
    tokens: int

    @property
    def tpot_s(self) -> float:
        """Seconds per token after the first."""
        return (self.total_s - self.ttft_s) / (self.tokens - 1)


def timed(
    model: PreTrainedModel,
    processor: Processor,
    prompt: str,
    image: Image.Image | None,
    measurement: Measurement,
    idle_bytes: int,
    on_run: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> Timed:
    """Warm up, time `measurement.runs` runs, and find the memory peak of one more.

    `on_run(done, total)` is called before every run. Raises QdashError: "bad_input" if prompt and new tokens do not fit the model's
    context, "cancelled".
    """
    n = measurement.max_new_tokens
    check_room(model, build_inputs(processor, prompt, image, model), n)
    # The warm-up doubles as the run in which memory is watched; without one, that run comes last.
    plan = ["warm up"] * measurement.warmup + ["time"] * measurement.runs
    plan = ["watch memory", *plan[1:]] if measurement.warmup else [*plan, "watch memory"]
    runs: list[Run] = []
    memory = PeakMemory(model.device.type, idle_bytes)
    for done, purpose in enumerate(plan):
        on_run(done, len(plan))
        if purpose == "watch memory":
            with memory:
                timed_run(model, processor, prompt, image, n, stop)
        else:
            run = timed_run(model, processor, prompt, image, n, stop)
            runs += [run] if purpose == "time" else []
    return Timed(
        preprocess_s=Timing.of([run.preprocess_s for run in runs]),
        ttft_s=Timing.of([run.ttft_s for run in runs]),
        tpot_s=Timing.of([run.tpot_s for run in runs]),
        total_s=Timing.of([run.total_s for run in runs]),
        tokens_per_s=Timing.of([1 / run.tpot_s for run in runs]),
        peak_bytes=memory.peak_bytes,
        reserved_bytes=memory.reserved_bytes,
        process_bytes=memory.process_bytes,
    )


def timed_run(
    model: PreTrainedModel,
    processor: Processor,
    prompt: str,
    image: Image.Image | None,
    n: int,
    stop: Callable[[], bool],
) -> Run:
    """Preprocess and generate exactly `n` tokens, end-of-sequence suppressed; raises QdashError("cancelled")."""
    clock = CudaClock(model, stop) if model.device.type == "cuda" else Clock(model, stop)
    clock.start()
    inputs = build_inputs(processor, prompt, image, model)
    clock.preprocessed()
    tokens = generate(model, inputs, clock, min_new_tokens=n, max_new_tokens=n)
    first_s, last_s = clock.first_and_last_s()
    assert len(tokens) == n
    return Run(preprocess_s=clock.preprocess_s, ttft_s=first_s, total_s=last_s, tokens=n)


class Clock(Watch):
    """Reads `perf_counter` after every token: on a CPU the token is made when `generate` goes on."""

    def __init__(self, model: PreTrainedModel, stop: Callable[[], bool]) -> None:
        super().__init__(model, stop)
        self.preprocess_s = 0.0
        self._marks: list[float] = []
        self._started = 0.0

    def start(self) -> None:
        """The question is at hand, the work begins."""
        self._started = perf_counter()

    def preprocessed(self) -> None:
        """The model's inputs are on its device."""
        self.preprocess_s = perf_counter() - self._started

    @override
    def on_token(self) -> None:
        self._marks.append(perf_counter())

    def first_and_last_s(self) -> tuple[float, float]:
        """Seconds from the start to the first and to the last token."""
        return self._marks[0] - self._started, self._marks[-1] - self._started


class CudaClock(Clock):
    """Records an event per token. The first one is recorded on an idle stream, so that it tells the same moment as the host's clock."""

    @override
    def start(self) -> None:
        torch.cuda.synchronize()
        self._events = [_event()]
        super().start()

    @override
    def on_token(self) -> None:
        self._events.append(_event())

    @override
    def first_and_last_s(self) -> tuple[float, float]:
        torch.cuda.synchronize()
        started, first, *_, last = self._events
        return started.elapsed_time(first) / 1e3, started.elapsed_time(last) / 1e3


def _event() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event
