"""The second half of a comparison: variants that have answered are timed in rounds, each once a round and one at a time.

A machine's speed wanders, most of all when other programs run. What happens to one variant of a round happens to its neighbours as well,
so that ratios are taken within rounds, and rounds in which others took much of the machine are taken again.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from qdash.busyness import OthersLoad
from qdash.errors import QdashError
from qdash.execution import Executor, Part, PartMoved, Rank, Round, StopSignal
from qdash.execution.client import WorkerClient, timed_part
from qdash.execution.forward import forward_events
from qdash.machine import memory_budget_bytes
from qdash.present.formatting import percent
from qdash.records import (
    BUSY_SHARE,
    Device,
    ErrorRecord,
    Event,
    Latency,
    Measurement,
    MemoryWatched,
    Progress,
    Question,
    Rounds,
    Step,
    TimedRun,
    VariantDone,
    VariantResult,
)
from qdash.runs.rounds.counting import LEAST_ROUNDS, Standing, Taken, busy_share, counted, exhausted, rounds_left, worth_judging
from qdash.runs.rounds.figures import in_rounds, latency_of, relative_to
from qdash.runs.rounds.groups import Candidate, Group, groups, order_of
from qdash.verdict.evidence import evidence_of
from qdash.verdict.rules import time_bounds

Result = TypeVar("Result")

LOOK_S = 0.2
WAIT_S = 2.0
"""The longest wait for a quiet moment before one round."""
WAIT_IN_ALL_S = 10.0
"""The same for all rounds together."""


@dataclass
class TimedRounds:
    """Times `candidates`, and keeps what came of it: `baseline` are its times in all rounds, `rounds` tells how they went."""

    candidates: Sequence[Candidate]
    question: Question
    measurement: Measurement
    executor: Executor
    rank: Rank
    stop: StopSignal | None
    baseline: Latency | None = None
    rounds: Rounds | None = None
    _results: dict[int, VariantResult] = field(default_factory=dict)
    _watched: dict[int, MemoryWatched] = field(default_factory=dict)
    _baseline_runs: list[TimedRun] = field(default_factory=list)
    _settled: set[int] = field(default_factory=set)
    _waited_s: float = 0.0

    def run(self) -> Generator[Event, None, None]:
        """Time every candidate; yields `VariantDone` for each when the last round of its group is over, or it failed, or was not begun."""
        budget = memory_budget_bytes(self._device, self.executor.held_bytes(self._device))
        planned = groups(self.candidates, budget)
        for number, group in enumerate(planned):
            if not self._stopped():
                yield from self._group(group, last=number == len(planned) - 1)
        for candidate in self.candidates:
            if candidate.index not in self._results:
                yield self._done(candidate, self._result(candidate, []))

    def _group(self, group: Group, *, last: bool) -> Generator[Event, None, None]:
        load = OthersLoad(self._device)
        members = yield from self._warmed_up([member for member in group.members if member.index not in self._results])
        before = load.share()
        taken = yield from self._rounds(members, group.together, before)
        self._note(members, taken, before)
        for member in members:
            if member.index not in self._results and (member.index or last):
                yield self._done(member, self._result(member, taken))

    def _warmed_up(self, members: Sequence[Candidate]) -> Generator[Event, None, list[Candidate]]:
        """Every member loaded, if it is not (any more), and warm; returns those that are."""
        warm = []
        for member in members:
            yield Progress(index=member.index, stage="warming up")
            try:
                worker = WorkerClient(self.executor, member.spec, self.stop, self.rank)
                yield from _warming_up(member, worker.load(reserve_bytes=member.loading_bytes))
                call = worker.warm_up(self.question, self.measurement, reserve_bytes=member.held_bytes)
                self._watched[member.index] = yield from _warming_up(member, call)
                warm.append(member)
            except QdashError as error:
                if error.kind == "cancelled":
                    break
                yield self._failed(member, error)
        return warm

    def _rounds(self, members: list[Candidate], together: bool, busy: float | None) -> Generator[Event, None, list[Taken]]:
        """As many rounds as it takes; a member that fails, or of which no more is to be learned, is left out from then on."""
        taken: list[Taken] = []
        began = time.monotonic()
        while not self._stopped():
            unclear = self._is_unclear(taken, members)
            if exhausted(taken, self.measurement.runs, time.monotonic() - began, unclear=unclear):
                break
            yield from self._settle(taken, members)
            running = [member for member in members if member.index not in self._results and member.index not in self._settled]
            if not running or (self._settled and not any(member.index for member in running)):
                break
            disturbed = taken[-1].disturbed if taken else (busy or 0.0) > BUSY_SHARE
            if disturbed:
                yield from self._quiet_moment(running[0])
            ordered = [running[place] for place in order_of(len(running), len(taken))]
            try:
                taken.append((yield from self._round(ordered, together, taken)))
            except QdashError as error:
                if error.kind != "cancelled":
                    raise
                break
        return taken

    def _round(self, members: list[Candidate], together: bool, before: list[Taken]) -> Generator[Event, None, Taken]:
        """Every member once, in this order."""
        outcome = yield from self._moving(members, together, before)
        runs = {}
        for member, result in zip(members, outcome.results, strict=True):
            if isinstance(result, QdashError):
                yield self._failed(member, result)
            else:
                runs[member.index] = result
        return Taken(runs, outcome.busy)

    def _moving(self, members: list[Candidate], together: bool, before: list[Taken]) -> Generator[Event, None, Round]:
        """A round's steps as progress of the member whose turn it is."""
        chosen, number = self.measurement.runs, len(before) + 1
        words = f"round {number} of at most {chosen}" if number <= chosen else f"round {number}: times vary much"
        place = done = 0

        def events_of(step: PartMoved | Step) -> Iterator[Event]:
            nonlocal place, done
            if isinstance(step, PartMoved):
                place, done = step.place, step.done
            fraction = self._fraction(before, (place + done) / len(members))
            detail = words if isinstance(step, PartMoved) else step.detail
            yield Progress(index=members[place].index, stage="timing", fraction=fraction, detail=detail)

        steps = self.executor.round([self._part(member) for member in members], self.stop, self.rank, together=together)
        return (yield from forward_events(steps, events_of))

    def _fraction(self, before: Sequence[Taken], of_next: float = 0.0) -> float:
        """How far the rounds are, 0 to 1, if all that were chosen are taken; disturbed ones do not count."""
        chosen, quiet = self.measurement.runs, sum(not taken.disturbed for taken in before)
        return (min(quiet, chosen - 1) + of_next) / chosen

    def _part(self, member: Candidate) -> Part:
        return timed_part(member.spec, self.question, self.measurement, loading_bytes=member.loading_bytes, held_bytes=member.held_bytes)

    def _settle(self, taken: list[Taken], members: list[Candidate]) -> Generator[Event, None, None]:
        """Find the members of which further rounds would tell nothing new: the others need the time more.

        Those that are simulated have no speed of their own, whatever their times: one round tells what their stand-ins take. Where nobody
        else is timed beside the original, they stay until its own times are known.
        """
        simulated = [member.index for member in members if member.result.kind == "simulated"]
        alone = all(member.index in (0, *simulated) for member in members)
        done = simulated if len(taken) >= (LEAST_ROUNDS if alone else 1) else []
        if worth_judging(taken, self.measurement.runs):
            for member, standing in self._standings(taken, members):
                left = rounds_left(taken, self.measurement.runs, unclear=standing.unclear)
                if standing.settled(left):
                    done.append(member.index)
        for index in done:
            if index not in self._settled and index not in self._results:
                self._settled.add(index)
                yield Progress(index=index, stage="timing", fraction=self._fraction(taken), detail="done, others take more rounds")

    def _is_unclear(self, taken: list[Taken], members: list[Candidate]) -> bool:
        """Whether some member's times vary too much to tell a large difference."""
        return any(standing.unclear for _, standing in self._standings(taken, members))

    def _standings(self, taken: list[Taken], members: list[Candidate]) -> Iterator[tuple[Candidate, Standing]]:
        """What is known of the speed of every member that is still being timed."""
        for member in members:
            if member.index and member.index not in self._results and member.index not in self._settled:
                standing = self._standing(member, taken)
                if standing is not None:
                    yield member, standing

    def _standing(self, member: Candidate, taken: Sequence[Taken]) -> Standing | None:
        """What is known of the speed of `member`; None where it has no ratio."""
        result, count = self._result(member, taken), self._counted(member, taken)
        ratios = tuple(one.runs[member.index].total_s / one.runs[0].total_s for one in count if 0 in one.runs)
        if not ratios or result.relative is None or result.relative.total is None:
            return None
        total, bounds = result.relative.total, time_bounds(evidence_of(result, self.candidates[0].result, None))
        return Standing(ratios, bounds, total.noise or 0.0, total.busy)

    def _counted(self, member: Candidate, taken: Sequence[Taken]) -> list[Taken]:
        """The rounds that count for `member`, of those that it took part in."""
        return counted([one for one in taken if member.index in one.runs], self.measurement.runs)

    def _quiet_moment(self, next_one: Candidate) -> Generator[Event, None, None]:
        """Wait, but not for long, until others take less than a small share."""
        began = time.monotonic()
        while not self._stopped() and time.monotonic() - began < min(WAIT_S, WAIT_IN_ALL_S - self._waited_s):
            load = OthersLoad(self._device)
            time.sleep(LOOK_S)
            busy = load.share() or 0.0
            if busy <= BUSY_SHARE:
                break
            words = f"waiting for a quiet moment: other programs take {percent(busy)} of this machine"
            yield Progress(index=next_one.index, stage="timing", fraction=None, detail=words)
        self._waited_s += time.monotonic() - began

    def _note(self, members: Sequence[Candidate], taken: Sequence[Taken], before: float | None) -> None:
        """Add the rounds of a group to what is said of all: the fewest that any ratio rests on, and the busiest."""
        compared = [member for member in members if not member.index or member.result.kind == "real"]
        counts = [count for member in compared if (count := self._counted(member, taken))]
        if not counts:
            return
        fewest, used = min(map(len, counts)), {id(one) for count in counts for one in count}
        known = self.rounds or Rounds(taken=fewest, busy_before=before)
        shares = [share for share in (known.busy, *map(busy_share, counts)) if share is not None]
        self.rounds = Rounds(
            taken=min(known.taken, fewest),
            repeated=known.repeated + len(taken) - len(used),
            busy=max(shares, default=None),
            busy_before=known.busy_before,
        )
        self._baseline_runs += _runs_of(0, counted(taken, self.measurement.runs))
        if self._baseline_runs:
            self.baseline = latency_of(0.0, self._baseline_runs)

    def _result(self, member: Candidate, taken: Sequence[Taken]) -> VariantResult:
        """`member` with its times in the rounds that count, and its ratios."""
        so_far, baseline, count = self._so_far(member), self.candidates[0], self._counted(member, taken)
        runs = _runs_of(member.index, count) if member.index else self._baseline_runs
        if not runs:
            return so_far
        timed = so_far.model_copy(update={"latency": latency_of(member.loaded.load_s, runs)})
        if not member.index:
            return relative_to(timed, timed)
        paired = [taken for taken in count if 0 in taken.runs and member.index in taken.runs]
        if baseline.index or not paired:
            return timed
        ours, theirs = (latency_of(0.0, _runs_of(index, paired)) for index in (member.index, 0))
        with_ratios = relative_to(timed.model_copy(update={"latency": ours}), baseline.result, theirs)
        relative = with_ratios.relative and in_rounds(with_ratios.relative, theirs, busy_share(paired))
        return timed.model_copy(update={"relative": relative})

    def _so_far(self, member: Candidate) -> VariantResult:
        watched, memory = self._watched.get(member.index), member.result.memory
        if watched is None or memory is None:
            return member.result
        return member.result.model_copy(update={"memory": memory.model_copy(update=watched.model_dump())})

    def _failed(self, member: Candidate, error: QdashError) -> VariantDone:
        """A variant that answered and could not be timed: its answer stays, and a baseline's times from earlier groups."""
        if not member.index and self._baseline_runs:
            return self._done(member, self._result(member, []))
        failed: dict[str, Any] = {"status": "failed", "error": ErrorRecord.of(error), "memory": None, "relative": None}
        return self._done(member, member.result.model_copy(update=failed))

    def _done(self, member: Candidate, result: VariantResult) -> VariantDone:
        baseline = self._results.get(0)
        if baseline is not None and baseline.status == "failed":
            result = result.model_copy(update={"relative": None})
        self._results[member.index] = result
        return VariantDone(index=member.index, result=result)

    def _stopped(self) -> bool:
        return self.stop is not None and self.stop.is_set()

    @property
    def _device(self) -> Device:
        return self.candidates[0].spec.device


def _warming_up(member: Candidate, call: Generator[Step, None, Result]) -> Generator[Event, None, Result]:
    """A call's steps as progress of `member`; returns the call's result."""

    def events_of(step: Step) -> Iterator[Event]:
        yield Progress(index=member.index, stage="warming up", fraction=step.fraction, detail=step.detail)

    return (yield from forward_events(call, events_of))


def _runs_of(index: int, rounds: Sequence[Taken]) -> list[TimedRun]:
    return [taken.runs[index] for taken in rounds if index in taken.runs]
