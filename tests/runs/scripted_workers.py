"""Workers that follow a script, so that a test of runs sees every order and every failure without a model."""

from collections.abc import Callable, Generator, Sequence
from typing import Any

from qdash.errors import QdashError
from qdash.execution import Executor, Part, PartMoved, Rank, Round, StopSignal
from qdash.records import (
    Agreement,
    Answer,
    Coverage,
    Loaded,
    MemoryWatched,
    Reference,
    Step,
    TextSoFar,
    TimedRun,
    WorkerSpec,
)

LOADED = Loaded(
    load_s=0.5, load_peak_bytes=300, weights_bytes=200, saved_bytes=190, projected_bytes=None, dtype="float32",
    coverage=Coverage(quantized=3, total=4), snippet="model = …",
)  # fmt: skip


REFERENCE = Reference(
    tokens=(1,), pieces=("a",), vocabulary="", width=9, kept=9, log_probs=b"", ids=b"", tail=b"", own=b"", margins=b"", ppl=1.5
)


AGREEMENT = Agreement(kl_mean_nats=0.0, kl_se=0.01, top1=1.0, ppl_original=1.5, ppl=1.6, first_divergence=None, tokens=1)


Pace = Callable[[str, int], float]


class Script(Executor):
    """An executor whose workers follow a script: `pace` tells how long a scheme takes in a round, `busy` what others take in each round,
    again from the start when it is used up, `failing` maps (scheme, method) to an error.
    """

    def __init__(
        self,
        pace: Pace = lambda scheme, number: 1.0,
        failing: dict[tuple[str, str], QdashError] | None = None,
        busy: Sequence[float | None] = (0.0,),
    ) -> None:
        self.pace, self.busy = pace, busy
        self.failing = failing or {}
        self.rounds: list[tuple[str, ...]] = []
        self.apart: list[bool] = []
        self.tokens: tuple[int, ...] = ()
        self.calls: list[tuple[str | None, str]] = []

    def call(
        self,
        spec: WorkerSpec,
        method: str,
        *arguments: Any,
        reserve_bytes: int = 0,
        stop: StopSignal | None = None,
        rank: Rank | None = None,
        gives_way: bool = False,
    ) -> Generator[Step | TextSoFar, None, Any]:
        self.calls.append((spec.scheme, method))
        if error := self.failing.get((str(spec.scheme), method)):
            raise error
        yield Step(fraction=0.5)
        if method == "load":
            return LOADED.model_copy(update={"weights_bytes": 200 if spec.scheme == "original" else 50})
        if method == "answer":
            yield TextSoFar(text="a cat")
            return Answer(text="a cat", new_tokens=2, complete=True, tokens=self.tokens)
        if method == "record_reference":
            return REFERENCE.model_copy(update={"tokens": arguments[1] if isinstance(arguments[1], tuple) else (7,)})
        if method == "compare_to_reference":
            kl = 0.0 if spec.scheme == "original" else 0.25
            return AGREEMENT.model_copy(update={"kl_mean_nats": kl, "tokens": len(arguments[1].tokens)})
        return MemoryWatched(peak_bytes=400)

    def round(
        self, parts: Sequence[Part], stop: StopSignal | None = None, rank: Rank | None = None, *, together: bool = True
    ) -> Generator[PartMoved, None, Round]:
        assert all((part.ready.method, part.run.method) == ("warm_up", "time") for part in parts)
        number, results = len(self.rounds), []
        self.rounds.append(tuple(str(part.spec.scheme) for part in parts))
        self.apart.append(not together)
        for place, scheme in enumerate(self.rounds[-1]):
            yield PartMoved(place, 0)
            if stop is not None and stop.is_set():
                raise QdashError("Stopped.", "Again.", "cancelled")
            total = self.pace(scheme, number)
            run = TimedRun(preprocess_s=0.1 * total, ttft_s=0.25 * total, total_s=total, tokens=4)
            results.append(self.failing.get((scheme, "time"), run))
            yield PartMoved(place, 1)
        return Round(tuple(results), self.busy[number % len(self.busy)])

    def close(self) -> None: ...


def scoring(failing: dict[tuple[str, str], QdashError] | None = None) -> Script:
    script = Script(failing=failing)
    script.tokens = (5, 6, 2)
    return script
