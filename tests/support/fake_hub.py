"""A hub on this machine: enough of huggingface.co's HTTP interface for huggingface_hub to list, look into, download and upload models.

`repos` maps ids to folders. Those named in `gated` refuse their files; `chunk_delay_s` makes downloads slow enough to be stopped. While
`held` is not set, no request is answered. Models are uploaded into folders below `made_in`, weights apart from other files as large ones
are; only those who have the `token` may.
"""

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CHUNK = 16 * 1024

_INFO = re.compile(r"/api/(?:models|datasets)/(?P<repo>[^?]+?)(/revision/[^?]+)?(\?.*)?")
_TREE = re.compile(r"/api/(?:models|datasets)/(?P<repo>[^?]+?)/tree/[^?/]+(\?.*)?")
_PREUPLOAD = re.compile(r"/api/models/(?P<repo>[^?]+?)/preupload/main(\?.*)?")
_BATCH = re.compile(r"/(?P<repo>[^?]+?)\.git/info/lfs/objects/batch")
_COMMIT = re.compile(r"/api/models/(?P<repo>[^?]+?)/commit/main(\?.*)?")
_FILE = re.compile(r"/(?:datasets/)?(?P<repo>.+)/resolve/(?P<revision>[^/]+)/(?P<name>[^?]+)(\?.*)?")


class FakeHub(ThreadingHTTPServer):
    """Serves on a free port of 127.0.0.1 until closed; `requests` logs "METHOD path"."""

    daemon_threads = True

    def __init__(self, repos: dict[str, Path], gated: Iterable[str] = (), chunk_delay_s: float = 0, made_in: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos = repos
        self.gated = set(gated)
        self.chunk_delay_s = chunk_delay_s
        self.held = threading.Event()
        self.held.set()
        self.requests: list[str] = []
        self.made_in = made_in
        self.token = "hf_thetokenofthistest"
        self.slow_commit_s = 0.0
        self.private: dict[str, bool] = {}
        self.large: dict[str, bytes] = {}
        """Contents of large files that were sent, by their SHA-256."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        self.shutdown()
        self.server_close()


@contextmanager
def writable_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub with its files below `folder`, and the token of a person who may write there."""
    running = FakeHub({}, made_in=folder / "hub")
    home = folder / "hf"
    for name, value in {"HF_ENDPOINT": running.url, "HF_HOME": str(home), "HF_TOKEN": running.token, "HF_HUB_DISABLE_XET": "1"}.items():
        monkeypatch.setenv(name, value)
    # huggingface_hub reads its environment when it is imported.
    monkeypatch.setattr(constants, "ENDPOINT", running.url)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    try:
        yield running
    finally:
        running.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _hub(self) -> FakeHub:
        assert isinstance(self.server, FakeHub)
        return self.server

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._take()

    def do_PUT(self) -> None:
        self._take()

    def do_DELETE(self) -> None:
        self._take()

    def _take(self) -> None:
        """What changes something."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._hub.requests.append(f"{self.command} {self.path}")
        self._hub.held.wait(30)
        if self.path.startswith("/large/"):
            self._hub.large[self.path.rpartition("/")[2]] = body
            return self._send(b"", {"ETag": '"1"'})
        if self.path == "/api/validate-yaml":
            return self._send(b'{"errors": [], "warnings": []}', {"Content-Type": "application/json"})
        if self.headers.get("Authorization") != f"Bearer {self._hub.token}":
            return self._refuse(403, "Forbidden")
        if self.path == "/api/repos/create":
            self._create(json.loads(body))
        elif self.path == "/api/repos/delete":
            asked = json.loads(body)
            del self._hub.repos[f"{asked['organization']}/{asked['name']}"]
            self._send(b"{}", {})
        elif _PREUPLOAD.fullmatch(self.path):
            modes = [
                {"path": file["path"], "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self._send(json.dumps({"files": modes}).encode(), {})
        elif _BATCH.fullmatch(self.path):
            sent = [
                {"oid": one["oid"], "size": one["size"], "actions": {"upload": {"href": f"{self._hub.url}/large/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            self._send(json.dumps({"transfer": "basic", "objects": sent}).encode(), {"Content-Type": "application/json"})
        elif match := _COMMIT.fullmatch(self.path):
            time.sleep(self._hub.slow_commit_s)
            self._commit(match["repo"], [json.loads(line) for line in body.splitlines()])
        else:
            self._refuse(404, "EntryNotFound")

    def _create(self, asked: dict[str, Any]) -> None:
        repo = f"{asked['organization']}/{asked['name']}"
        assert self._hub.made_in is not None
        folder = self._hub.made_in / repo
        folder.mkdir(parents=True)
        self._hub.repos[repo], self._hub.private[repo] = folder, asked.get("private") or asked.get("visibility") == "private"
        self._send(json.dumps({"url": f"{self._hub.url}/{repo}", "id": repo, "name": repo}).encode(), {})

    def _commit(self, repo: str, lines: list[dict[str, Any]]) -> None:
        folder = self._hub.repos.get(repo)
        if folder is None:
            return self._refuse(404, "RepoNotFound")
        for line in lines:
            change = line["value"]
            if line["key"] == "file":
                (folder / change["path"]).write_bytes(base64.b64decode(change["content"]))
            elif line["key"] == "lfsFile":
                (folder / change["path"]).write_bytes(self._hub.large[change["oid"]])
            elif line["key"] == "deletedFile":
                (folder / change["path"]).unlink()
        self._send(json.dumps({"commitUrl": f"{self._hub.url}/{repo}/commit/{COMMIT}", "commitOid": COMMIT}).encode(), {})

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        self._hub.requests.append(f"{self.command} {self.path}")
        self._hub.held.wait(30)
        if match := _TREE.fullmatch(self.path):
            self._tree(match["repo"])
        elif match := _INFO.fullmatch(self.path):
            self._info(match["repo"])
        elif match := _FILE.fullmatch(self.path):
            self._file(match["repo"], match["name"])
        else:
            self._refuse(404, "EntryNotFound")

    def _info(self, repo: str) -> None:
        folder = self._hub.repos.get(repo)
        if folder is None:
            # What huggingface.co says to those who are not logged in.
            return self._refuse(401, "RepoNotFound")
        files = [file for file in sorted(folder.iterdir()) if file.is_file()]
        siblings = [{"rfilename": file.name, "size": file.stat().st_size} for file in files]
        self._send(json.dumps({"_id": "1", "id": repo, "modelId": repo, "sha": COMMIT, "siblings": siblings}).encode(), {})

    def _tree(self, repo: str) -> None:
        files = [file for file in sorted(self._hub.repos[repo].iterdir()) if file.is_file()]
        entries = [{"type": "file", "path": file.name, "size": file.stat().st_size, "oid": file.name} for file in files]
        self._send(json.dumps(entries).encode(), {})

    def _file(self, repo: str, name: str) -> None:
        folder = self._hub.repos.get(repo)
        if folder is None:
            return self._refuse(401, "RepoNotFound")
        if repo in self._hub.gated:
            return self._refuse(401, "GatedRepo")
        if not (folder / name).is_file():
            return self._refuse(404, "EntryNotFound")
        body = (folder / name).read_bytes()
        self._send(body, {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"})

    def _send(self, body: bytes, headers: dict[str, str]) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted:
            total, first = len(body), int(wanted[1])
            body = body[first : int(wanted[2]) + 1 if wanted[2] else None]
            headers = {**headers, "Content-Range": f"bytes {first}-{first + len(body) - 1}/{total}"}
        self.send_response(206 if wanted else 200)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        for start in range(0, 0 if self.command == "HEAD" else len(body), CHUNK):
            if self._hub.chunk_delay_s and not wanted:
                time.sleep(self._hub.chunk_delay_s)
            try:
                self.wfile.write(body[start : start + CHUNK])
            except OSError:
                return

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()
