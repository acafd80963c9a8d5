"""A stand-in for the scheduler of ZeroGPU: an HTTP server on a free port that lends one GPU which is not there.

It answers /startup-report, /schedule, /allow and /release as `spaces` 0.51 expects it, notes what it was asked, and can refuse, queue and
kill. By default every request gets the GPU at once.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Answer:
    """What a request for a GPU gets: a status with a JSON body, or, with `events`, a stream of server-sent events.

    `gate`: the last event waits for it.
    """

    status: int = 200
    body: dict[str, object] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    gate: Event | None = None


def quota(left_s: int, wait_s: int) -> Answer:
    """Too little quota is left."""
    return Answer(429, {"left": left_s, "wait": wait_s})


def a_second_less(parameters: dict[str, str]) -> Answer:
    """The quota is a second short of what was asked for."""
    return quota(int(parameters["durationSeconds"]) - 1, 3600)


class Scheduler:
    """What was asked of it, and what it is to answer next."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.answers: list[Answer | Callable[[dict[str, str]], Answer]] = []
        """For the next requests, in turn; then every request gets the GPU."""
        self.reuses = True
        """Whether a process that is idle gets the next job."""
        self.gates: dict[str, Event] = {}
        """Paths that answer only once the event is set."""
        self.broken: set[str] = set()
        """Paths that answer with status 500."""
        self.lent = 0
        """How often it lent the GPU."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"scheduler": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def serving(self) -> Iterator["Scheduler"]:
        """Answer requests for the length of the block."""
        Thread(target=self._server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def asked(self, path: str) -> list[dict[str, str]]:
        """The parameters of every request to `path`."""
        return [parameters for asked, parameters in self.calls if asked == path]

    def wait_for(self, path: str, count: int, timeout_s: float = 120) -> list[dict[str, str]]:
        """The parameters of the requests to `path`, once there are `count` of them."""
        deadline = time.monotonic() + timeout_s
        while len(self.asked(path)) < count:
            assert time.monotonic() < deadline, f"{path} was asked {len(self.asked(path))} times: {self.calls}"
            time.sleep(0.02)
        return self.asked(path)

    def kill(self) -> None:
        """End the process that was last allowed to use the GPU, as happens when its time is over."""
        os.kill(int(self.asked("/allow")[-1]["pid"]), signal.SIGKILL)

    def lend(self) -> dict[str, object]:
        """The GPU, for a process that has it already or for a new one."""
        self.lent += 1
        idle = self.reuses and self.lent > 1
        return {"idle": idle, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": f"token-{self.lent}"}


class _Handler(BaseHTTPRequestHandler):
    scheduler: Scheduler

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        parameters = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if gate := self.scheduler.gates.get(parts.path):
            gate.wait()
        self.scheduler.calls.append((parts.path, parameters))
        answer = Answer(500 if parts.path in self.scheduler.broken else 200)
        if parts.path == "/schedule":
            following = self.scheduler.answers.pop(0) if self.scheduler.answers else Answer(200, self.scheduler.lend())
            answer = following if isinstance(following, Answer) else following(parameters)
        if answer.events:
            self._stream(answer)
        else:
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        body = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, answer: Answer) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("X-Queuing-Reason", "node")
        self.end_headers()
        for event in answer.events:
            if answer.gate is not None and event == answer.events[-1]:
                answer.gate.wait()
            data = f"data: {json.dumps(self.scheduler.lend())}\n" if event == "succeeded" else ""
            self.wfile.write(f"event: {event}\n{data}\n".encode())
            self.wfile.flush()
            time.sleep(0.1)

    def log_message(self, format: str, *args: object) -> None: ...
