"""What the server answers to those who do not use the page."""

import gzip
import json
import sys
import urllib.error
import urllib.request
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from qdash.settings import settings
from qdash.ui.serve import SWITCH_S, switch_threads_often
from qdash.ui.server.body_limit import FORM_OVERHEAD_BYTES, MESSAGE_BYTES
from tests.support.serving import Server


def _status(url: str, body: bytes | None = None, content_type: str = "application/json") -> int:
    request = urllib.request.Request(url, body, {"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except (urllib.error.URLError, ConnectionError):  # refused before we had sent everything
        return 413


def test_the_page_is_up_without_torch(server: Server) -> None:
    assert _status(server.url) == 200
    if sys.platform == "linux":
        assert "libtorch" not in Path(f"/proc/{server.pid}/maps").read_text()


def test_the_thread_that_answers_requests_waits_a_short_time_for_others() -> None:
    before = sys.getswitchinterval()
    try:
        switch_threads_often()
        assert sys.getswitchinterval() == pytest.approx(SWITCH_S) and before > 2 * SWITCH_S
    finally:
        sys.setswitchinterval(before)


def test_the_page_goes_out_compressed_and_streams_do_not(scripted: Server) -> None:
    asked = urllib.request.Request(scripted.url, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(asked, timeout=30) as response:
        sent = response.read()
        assert response.headers["content-encoding"] == "gzip"
    with urllib.request.urlopen(scripted.url, timeout=30) as response:
        plain = response.read()
        assert response.headers["content-encoding"] is None
    assert b"<title>" in plain or b"gradio-app" in plain
    assert gzip.decompress(sent)[:200] == plain[:200] and len(sent) < 0.45 * len(plain)
    asked = urllib.request.Request(f"{scripted.url}/gradio_api/heartbeat/nobody", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(asked, timeout=10) as stream:
        assert stream.headers["content-encoding"] is None and stream.readline().strip()


def test_help_is_served_and_no_other_file(scripted: Server) -> None:
    for path, words in (("help/", "qdash"), ("help/verdict.md", "verdict"), ("favicon.ico", "<svg")):
        with urllib.request.urlopen(f"{scripted.url}/{path}", timeout=30) as response:
            assert words in response.read().decode()
    with urllib.request.urlopen(f"{scripted.url}/help/compare.png", timeout=30) as response:
        assert response.read(4) == b"\x89PNG"
    for path in ("help/../app.py", "help/app.py", "help/%2e%2e/app.py", "help/history.sqlite3"):
        assert _status(f"{scripted.url}/{path}") == 404


def test_no_font_or_script_comes_from_elsewhere(scripted: Server) -> None:
    with urllib.request.urlopen(scripted.url, timeout=30) as response:
        page = response.read().decode()
    assert "fonts.googleapis" not in page and "cdnjs" not in page and "cdn.jsdelivr" not in page


def test_bodies_that_are_too_large_are_refused(scripted: Server) -> None:
    message = json.dumps({"data": ["x" * MESSAGE_BYTES], "fn_index": 0, "session_hash": "s"}).encode()
    assert _status(f"{scripted.url}/gradio_api/queue/join", message) == 413
    upload = b"x" * (settings().max_upload_bytes + FORM_OVERHEAD_BYTES + 1)
    assert _status(f"{scripted.url}/gradio_api/upload", upload, "multipart/form-data; boundary=b") == 413


@pytest.mark.parametrize("path", ["/etc/passwd", "app.py", "qdash/assets/models/tiny-vlm/config.json"])
def test_files_are_not_served(scripted: Server, path: str) -> None:
    assert _status(f"{scripted.url}/gradio_api/file={path}") in (403, 404)


def test_there_is_no_public_api(scripted: Server) -> None:
    with urllib.request.urlopen(f"{scripted.url}/gradio_api/info", timeout=30) as response:
        assert json.load(response)["named_endpoints"] == {}


def test_no_change_brings_itself_about(scripted: Server) -> None:
    """Components tell of a change when a handler sets them, too: two that answer each other would keep page and server busy for ever."""
    with urllib.request.urlopen(f"{scripted.url}/config", timeout=30) as response:
        config = json.load(response)
    sources: dict[int, set[int]] = {}
    for handler in config["dependencies"]:
        changed = {component for component, event in handler["targets"] if event == "change"}
        for output in handler["outputs"]:
            sources.setdefault(output, set()).update(changed)
    assert sum(map(len, sources.values())) > 10
    TopologicalSorter(sources).prepare()  # raises CycleError
