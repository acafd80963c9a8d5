"""Workers that answer the questions of an evaluation by a script."""

from collections.abc import Generator
from threading import Event
from typing import Any

from qdash.errors import QdashError
from qdash.execution import Executor
from qdash.records import BatchAnswered, BatchRequest, BatchStats, Coverage, Loaded, Reply, Step, WorkerSpec

LOADED = Loaded(
    load_s=0.5, load_peak_bytes=300, weights_bytes=200, saved_bytes=190, projected_bytes=None, dtype="float32",
    coverage=Coverage(quantized=3, total=4), snippet="model = …", notes=("The adapter beside it is not applied.",),
)  # fmt: skip


class Script(Executor):
    """Workers that answer with the question's number, wrongly where `wrong` says so, `seconds` a question."""

    def __init__(self, wrong: dict[str, set[int]] | None = None, seconds: dict[str, float] | None = None) -> None:
        self.wrong, self.seconds = wrong or {}, seconds or {}
        self.failing: dict[tuple[str, str], QdashError] = {}
        self.stop_after: int | None = None
        self.reads_padding: bool | None = None  # None: workers do not say
        self.pauses = False  # after every batch
        self.options: list[dict[str, Any]] = []
        self.requests: list[tuple[str, int, bool]] = []
        self.calls: list[tuple[str, str, Any]] = []

    def call(self, spec: WorkerSpec, method: str, *arguments: Any, stop: Event | None = None, **options: Any) -> Generator[Any, None, Any]:
        scheme = str(spec.scheme)
        self.options.append(options)
        if method == "record_reference":  # whether the original's scores are numbers
            return None
        self.calls.append((scheme, method, arguments[0].batches if arguments else None))
        if error := self.failing.get((scheme, method)):
            raise error
        if method == "load":
            yield Step(fraction=0.5)
            return LOADED
        return (yield from self._run_batches(scheme, arguments[0], stop))

    def _run_batches(self, scheme: str, request: BatchRequest, stop: Event | None) -> Generator[Any, None, Any]:
        self.requests.append((scheme, request.batch_size, request.can_share))
        if self.reads_padding and not request.can_share:
            request = request.model_copy(update={"batch_size": 1})
        order = range(len(request.questions))
        batches = [order[start : start + request.batch_size] for start in order[:: request.batch_size]][: request.batches]
        pace, total, last = self.seconds.get(scheme, 1.0), 0.0, len(batches)
        if self.pauses:
            yield Step(detail="waiting for another measurement to finish")
            last = request.first + 1
        for number, batch in enumerate(batches[request.first : last], request.first + 1):
            if stop is not None and number == self.stop_after:
                stop.set()
            if stop is not None and stop.is_set():
                raise QdashError("Stopped.", "Again.", "cancelled")
            replies = [self._reply(scheme, index, request.questions[index].prompt) for index in batch]
            total += pace * len(batch)
            done = number * len(batch)
            yield BatchAnswered(replies=tuple(replies), seconds=pace * len(batch), done=done, total=len(order), eta_s=1.0)
        used = None if self.reads_padding is None else request.batch_size
        return BatchStats(
            total_s=total, peak_bytes=9_000 - request.first, batch_size=used, paused_at=last if last < len(batches) else None
        )  # fmt: skip

    def _reply(self, scheme: str, index: int, prompt: str) -> Reply:
        wrong = index in self.wrong.get(scheme, set())
        text = "wrong" if wrong else f"It is {prompt.rstrip('?')}."
        return Reply(index=index, text=text, tokens=(1, 2, 4 if wrong else 3), margins=(0.9, 0.8, 0.02 if wrong else 0.05, 1.0))

    def round(self, *_: Any, **__: Any) -> Generator[Any, None, Any]:
        raise AssertionError("an evaluation runs batches, not rounds")

    def close(self) -> None: ...
