"""Jobs on ZeroGPU as a test sees them: the process that runs them, the scheduler that lends the GPU, and the messages of both."""

import json
import os
import queue
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import psutil

from tests.support.lent_kernels import lend_kernels
from tests.support.serving import ROOT
from tests.support.zerogpu_process import MARK
from tests.support.zerogpu_scheduler import Scheduler

TIMEOUT_S = 240


THREE = ["original", "bnb-nf4", "int3-g64"]


LONG = {"runs": 20, "max_new_tokens": 40}  # seconds a variant, so that a test can step in


Message = dict[str, Any]


def environment(scheduler: Scheduler, folder: Path) -> dict[str, str]:
    """That of a ZeroGPU Space."""
    (folder / "cgroup").write_text("0::/space\n")
    return {
        "SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": scheduler.url,
        "ZEROGPU_PROC_SELF_CGROUP_PATH": str(folder / "cgroup"), "QDASH_CACHE_DIR": str(lend_kernels(folder)), "HF_HUB_OFFLINE": "1",
        "QDASH_THREADS": "1", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip


class Jobs:
    """The process that runs jobs, seen from a test."""

    def __init__(self, scheduler: Scheduler, folder: Path) -> None:
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.zerogpu_process"], cwd=ROOT, env=os.environ | environment(scheduler, folder),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def tell(self, do: str, **details: Any) -> None:
        """Give a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **details}).encode() + b"\n")
        self._process.stdin.flush()

    def next(self) -> Message:
        """The next message."""
        try:
            message = self._messages.get(timeout=TIMEOUT_S)
        except queue.Empty:
            message = None
        assert message is not None, f"no message; the log: {self.log.read_text()[-3000:]}"
        return message

    def until(self, wanted: Callable[[Message], bool]) -> list[Message]:
        """All messages up to the first that is `wanted`."""
        seen = [self.next()]
        while not wanted(seen[-1]):
            assert "end" not in seen[-1], seen[-1]
            seen.append(self.next())
        return seen

    def rest(self) -> list[Message]:
        """All messages until the job is over, its end last."""
        return self.until(lambda message: "end" in message)

    def result_of(self, do: str, **details: Any) -> Message:
        """How a job ends."""
        self.tell(do, **details)
        return self.rest()[-1]

    def close(self) -> None:
        """End the process and, as its idle forks outlive one that is killed, those too."""
        forks = psutil.Process(self._process.pid).children(recursive=True)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(15)
        for process in (self._process, *forks):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(MARK.encode()):
                self._messages.put(json.loads(line[1:]))
        self._messages.put(None)


def comparison_in(messages: list[Message]) -> Message:
    assert messages[-1] == {"end": "done", "result": None}, messages[-1]
    return messages[-2]["comparison"]


def statuses(comparison: Message) -> list[str]:
    return [variant["status"] for variant in comparison["variants"]]


def kept_answers(comparison: Message, others: str) -> int:
    """How many have answered and were not timed, at least one; those after them are all `others`."""
    answered = [variant for variant in comparison["variants"] if variant["status"] == "ok"]
    assert answered and statuses(comparison) == ["ok"] * len(answered) + [others] * (len(comparison["variants"]) - len(answered))
    assert all(variant["answer"] is not None and variant["latency"] is None for variant in answered)
    return len(answered)


def in_stage(index: int, stage: str) -> Callable[[Message], bool]:
    return lambda message: (message.get("index"), message.get("stage")) == (index, stage) and message.get("fraction") is not None
