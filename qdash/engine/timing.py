"""Timed runs: the same input and exactly as many new tokens for every variant, with nothing else in the way.

The clock starts before the picture is preprocessed and is read once a token. On an accelerator that reading is an event on the stream,
and the host waits for the device once, at the end. Memory is watched in a run of its own, since a thread that samples it would be timed
as well.
"""

from collections.abc import Callable
from contextlib import nullcontext
from time import perf_counter

from PIL import Image
from transformers import PreTrainedModel
from typing_extensions import override

from qdash.engine.accelerator import recorded_event, synchronize, times_events
from qdash.engine.generation import Watch, generate
from qdash.engine.meters import PeakMemory
from qdash.engine.prompting import Processor, build_inputs, check_room
from qdash.records import Measurement, MemoryWatched, TimedRun


def warm_up(
    model: PreTrainedModel,
    processor: Processor,
    prompt: str,
    image: Image.Image | None,
    measurement: Measurement,
    idle_bytes: int,
    on_run: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> MemoryWatched:
    """`measurement.warmup` runs as they will be timed, at least one: in the first, memory is watched.

    `on_run(done, total)` is called before every run. Raises QdashError: "bad_input" if prompt and new tokens do not fit the model's
    context, "cancelled".
    """
    n, runs = measurement.max_new_tokens, max(1, measurement.warmup)
    check_room(model, build_inputs(processor, prompt, image, model), n)
    memory = PeakMemory(model.device, idle_bytes)
    for done in range(runs):
        on_run(done, runs)
        with nullcontext() if done else memory:
            timed_run(model, processor, prompt, image, n, stop)
    return MemoryWatched(peak_bytes=memory.peak_bytes, reserved_bytes=memory.reserved_bytes, process_bytes=memory.process_bytes)


def timed_run(
    model: PreTrainedModel,
    processor: Processor,
    prompt: str,
    image: Image.Image | None,
    n: int,
    stop: Callable[[], bool],
) -> TimedRun:
    """Preprocess and generate exactly `n` tokens, end-of-sequence suppressed; raises QdashError("cancelled")."""
    clock = clock_for(model, stop)
    clock.start()
    inputs = build_inputs(processor, prompt, image, model)
    clock.preprocessed()
    tokens = generate(model, inputs, clock, min_new_tokens=n, max_new_tokens=n)
    first_s, last_s = clock.first_and_last_s()
    assert len(tokens) == n
    return TimedRun(preprocess_s=clock.preprocess_s, ttft_s=first_s, total_s=last_s, tokens=n)


class Clock(Watch):
    """Reads `perf_counter` when a token is made: on a CPU it is when `generate` goes on, an accelerator is waited for."""

    def __init__(self, model: PreTrainedModel, stop: Callable[[], bool]) -> None:
        super().__init__(model, stop)
        self.preprocess_s = 0.0
        self._device = model.device
        self._marks: list[float] = []
        self._started = 0.0

    def start(self) -> None:
        """The question is at hand, the work begins."""
        synchronize(self._device)
        self._started = perf_counter()

    def preprocessed(self) -> None:
        """The model's inputs are on its device."""
        self.preprocess_s = perf_counter() - self._started

    @override
    def on_token(self) -> None:
        synchronize(self._device)
        self._marks.append(perf_counter())

    def first_and_last_s(self) -> tuple[float, float]:
        """Seconds from the start to the first and to the last token."""
        return self._marks[0] - self._started, self._marks[-1] - self._started


class EventClock(Clock):
    """Records an event per token. The first one is recorded on an idle stream, so that it tells the same moment as the host's clock."""

    @override
    def start(self) -> None:
        synchronize(self._device)
        self._events = [recorded_event(self._device)]
        super().start()

    @override
    def on_token(self) -> None:
        self._events.append(recorded_event(self._device))

    @override
    def first_and_last_s(self) -> tuple[float, float]:
        synchronize(self._device)
        started, first, *_, last = self._events
        return started.elapsed_time(first) / 1e3, started.elapsed_time(last) / 1e3


def clock_for(model: PreTrainedModel, stop: Callable[[], bool]) -> Clock:
    """The clock that disturbs the model's device least."""
    return EventClock(model, stop) if times_events(model.device) else Clock(model, stop)
