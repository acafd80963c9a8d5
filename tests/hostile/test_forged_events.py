"""Whatever is sent to the endpoints of events: an answer that is no fault of the server's, one line in the log, and no more memory."""

import io
import json
import os
import random
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from qdash.ui.server.request_faults import LINES_A_MINUTE, FaultLog
from tests.support.serving import Server, serving

PAYLOADS = 10_000 if os.environ.get("SOAK") else 800
WARM = 100
GROWTH_BYTES = 60 * 2**20
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 10**30, "", "x" * 5000, "\ud800", "<script>alert(1)</script>", "../../etc/passwd", [], [[]], {},
    {"path": "/etc/passwd"}, {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
    {"__type__": "update", "value": 1}, ["original"] * 500, "a=b," * 3000,
)  # fmt: skip


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
