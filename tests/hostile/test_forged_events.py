"""Whatever is sent to the endpoints of events: an answer that is no fault of the server's, one line in the log, and no more memory."""

import contextvars
import gc
import io
import json
import os
import random
import urllib.error
import urllib.request
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from gradio import queueing, routes
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from qdash.errors import QdashError
from qdash.ui.server import request_faults
from qdash.ui.server.request_faults import LINES_A_MINUTE, FaultLog
from qdash.ui.server.run_errors import internal_error
from tests.support.serving import Server, serving

PAYLOADS = 10_000 if os.environ.get("SOAK") else 800
WARM = 100
GROWTH_BYTES = 60 * 2**20
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 10**30, "", "x" * 5000, "\ud800", "<script>alert(1)</script>", "../../etc/passwd", [], [[]], {},
    {"path": "/etc/passwd"}, {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
    {"__type__": "update", "value": 1}, ["original"] * 500, "a=b," * 3000,
)  # fmt: skip


class Forged(ValueError):
    """Of a type that can be referred to weakly, as the builtin ones cannot."""


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    folder = tmp_path_factory.mktemp("hosted")
    with serving(["-m", "tests.support.scripted"], folder, QDASH_PUBLIC="1") as server:
        yield server, folder


def _sent(server: Server, path: str, body: bytes, cookie: str = "") -> int:
    headers = {"Content-Type": "application/json", **({"Cookie": cookie} if cookie else {})}
    try:
        with urllib.request.urlopen(urllib.request.Request(server.url + path, body, headers), timeout=60) as response:
            response.read()
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def _event(server_config: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    handler = draw.choice(server_config["dependencies"])
    count = max(0, len(handler["inputs"]) + draw.choice((0, 0, 0, 0, -1, 1, 40)))
    event: dict[str, Any] = {
        "data": [draw.choice(ODD) for _ in range(count)], "fn_index": handler["id"], "session_hash": f"forged{draw.randrange(30)}",
        "trigger_id": draw.choice((None, 1, -5, "x")), "event_data": draw.choice(ODD),
    }  # fmt: skip
    if draw.random() < 0.2:
        event[draw.choice(list(event))] = draw.choice(ODD)
    if draw.random() < 0.05:
        event.pop(draw.choice(list(event)))
    return event


def test_forged_events_are_no_fault_of_the_server(hosted: tuple[Server, Path]) -> None:
    server, folder = hosted
    with urllib.request.urlopen(f"{server.url}/config", timeout=30) as response:
        config = json.load(response)
    draw, process, before = random.Random(5), psutil.Process(server.pid), 0
    for number in range(PAYLOADS):
        if number == WARM:
            before = process.memory_info().rss
        path = draw.choice(("/gradio_api/run/predict", "/gradio_api/queue/join", "/gradio_api/component_server", "/gradio_api/cancel"))
        event = _event(config, draw)
        body = json.dumps(event).encode() if draw.random() < 0.97 else draw.randbytes(50)
        assert _sent(server, path, body) < 500, (path, event)
    assert process.memory_info().rss - before < GROWTH_BYTES
    assert "Traceback" not in (folder / "log").read_text(errors="replace")
    with urllib.request.urlopen(server.url, timeout=30) as response:
        assert response.status == 200


def test_what_a_request_leaves_running_logs_its_own_faults_and_keeps_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio starts its queue within a request: every event that fails later fails in that request's context."""
    stream, contexts, failed = io.StringIO(), [], []
    monkeypatch.setattr(request_faults, "_log", FaultLog(lambda: 0.0, stream))
    for module in (routes, queueing):
        monkeypatch.setattr(module, "traceback", module.traceback)
    request_faults.log_in_lines()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        contexts.append(contextvars.copy_context())
        await PlainTextResponse("started")(scope, receive, send)

    def fail() -> None:
        try:
            raise Forged("a forged event")
        except Forged as error:
            failed.append(weakref.ref(error))
            queueing.traceback.print_exc()  # pyright: ignore[reportPrivateImportUsage] - the name that the page puts its own under

    assert TestClient(request_faults.RequestFaults(app)).get("/gradio_api/startup-events").text == "started"
    contexts[0].run(fail)
    assert "qdash: 'an event' failed: Forged: a forged event" in stream.getvalue()
    gc.collect()
    assert failed[0]() is None, "a fault holds its frames, and these the request with all it has sent"


def test_jobs_that_fail_fill_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, now = io.StringIO(), [0.0]
    monkeypatch.setattr(request_faults, "_log", FaultLog(lambda: now[0], stream))

    def fail() -> QdashError:
        try:
            raise RuntimeError("x" * 10_000)
        except RuntimeError:
            return internal_error()

    for _ in range(500):
        error = fail()
        assert error.kind == "internal" and "xxx" not in str(error)
    # The lines of the faults, and one traceback: its head, each frame's place and source line, and the error.
    lines = [line for line in stream.getvalue().splitlines() if line.startswith("qdash: 'a job' failed: RuntimeError")]
    assert len(lines) == LINES_A_MINUTE and all(len(line) < 300 for line in lines)
    assert stream.getvalue().count("Traceback") == 1 and len(stream.getvalue().splitlines()) < LINES_A_MINUTE + 10
    now[0] = 61
    fail()
    assert f"{500 - LINES_A_MINUTE} more faults" in stream.getvalue() and stream.getvalue().count("Traceback") == 2


def test_faults_fill_no_log() -> None:
    stream, now = io.StringIO(), [0.0]
    log = FaultLog(lambda: now[0], stream)
    for _ in range(1000):
        log.write(ValueError("bad\nvalue\x1b[31m" + "x" * 10_000), "/gradio_api/run/predict")
    lines = stream.getvalue().splitlines()
    assert len([line for line in lines if line.startswith("qdash: ")]) == LINES_A_MINUTE
    assert all(len(line) < 500 for line in lines if line.startswith("qdash: "))
    now[0] = 61
    log.write(ValueError(), "/x")
    assert f"{1000 - LINES_A_MINUTE} more faults" in stream.getvalue()
