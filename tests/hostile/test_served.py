"""The server as it is started: what it answers to strangers, and to those who have no password."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from tests.support.serving import Server, serving


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    folder = tmp_path_factory.mktemp("hosted")
    with serving(["-m", "tests.support.scripted"], folder, QDASH_PUBLIC="1", QDASH_PUBLIC_DISK_BYTES="30000000") as server:
        yield server, folder


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(["-m", "tests.support.scripted"], tmp_path_factory.mktemp("locked"), QDASH_PASSWORD="open sesame") as server:
        yield server


def _asked(url: str, body: bytes | None = None, **headers: str) -> tuple[int, Message, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, named), timeout=60) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def _upload(server: Server, size: int, name: str = "a.png") -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    status, _, answer = _asked(
        f"{server.url}/gradio_api/upload", head + b"x" * size + b"\r\n--b--\r\n", Content_Type="multipart/form-data; boundary=b"
    )
    assert status == 200
    return answer


def test_every_answer_has_its_headers_and_no_other_site_gets_one(hosted: tuple[Server, Path]) -> None:
    url = hosted[0].url
    for path in ("/", "/config", "/help/", "/favicon.ico"):
        status, headers, _ = _asked(url + path)
        assert status == 200 and headers["x-content-type-options"] == "nosniff" and "frame-ancestors" in headers["content-security-policy"]
        assert _asked(url + path, Origin="https://evil.example")[0] == 403
    _, headers, _ = _asked(f"{url}/config", Origin="https://evil.example")
    assert headers["access-control-allow-origin"] is None
    asked = urllib.request.Request(f"{url}/gradio_api/queue/join", method="OPTIONS")
    for name, value in (("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")):
        asked.add_header(name, value)
    with urllib.request.urlopen(asked, timeout=30) as response:
        assert response.headers["access-control-allow-origin"] is None
    body = json.dumps({"data": [], "fn_index": 0, "session_hash": "x1"}).encode()
    assert _asked(f"{url}/gradio_api/queue/join", body, Content_Type="application/json", Origin="https://evil.example")[0] == 403
    for path in ("dev/reload", "deep_link", "vibe-code/", "runs"):
        assert _asked(f"{url}/gradio_api/{path}")[0] == 404


def test_uploads_are_for_nobody_else_and_do_not_fill_the_disk(hosted: tuple[Server, Path]) -> None:
    server, folder = hosted
    uploads = folder / "uploads"
    for number in range(6):
        (path,) = json.loads(_upload(server, 4_000_000 + number, f"{number}.png"))
        assert Path(path).stat().st_mode & 0o077 == 0
    left = [file.stat().st_size for file in uploads.rglob("*") if file.is_file()]
    assert 4_000_005 in left and sum(left) <= 30_000_000 and folder.stat().st_mode & 0o077 == 0


def test_without_the_password_there_is_nothing(locked: Server) -> None:
    assert _asked(f"{locked.url}/config")[0] == 401
    body = json.dumps({"data": [], "fn_index": 0, "session_hash": "x1"}).encode()
    assert _asked(f"{locked.url}/gradio_api/queue/join", body, Content_Type="application/json")[0] == 401
    form = "application/x-www-form-urlencoded"
    for given in ("", "open", "open sesame ", "öpen"):
        said = urllib.parse.urlencode({"username": "x", "password": given}).encode()
        assert _asked(f"{locked.url}/login", said, Content_Type=form)[0] in (400, 422)
    said = urllib.parse.urlencode({"username": "anybody", "password": "open sesame"}).encode()
    status, headers, _ = _asked(f"{locked.url}/login", said, Content_Type=form)
    cookies = "; ".join(cookie.partition(";")[0] for cookie in headers.get_all("set-cookie") or [])
    assert status == 200 and _asked(f"{locked.url}/config", Cookie=cookies)[0] == 200
