"""A hub on this machine: enough of huggingface.co's HTTP interface for huggingface_hub to list, look into and download models.

`repos` maps ids to folders. Those named in `gated` refuse their files; `chunk_delay_s` makes downloads slow enough to be stopped. While
`held` is not set, no request is answered.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CHUNK = 16 * 1024

_INFO = re.compile(r"/api/(?:models|datasets)/(?P<repo>[^?]+?)(/revision/[^?]+)?(\?.*)?")
_TREE = re.compile(r"/api/(?:models|datasets)/(?P<repo>[^?]+?)/tree/[^?/]+(\?.*)?")
_FILE = re.compile(r"/(?:datasets/)?(?P<repo>.+)/resolve/(?P<revision>[^/]+)/(?P<name>[^?]+)(\?.*)?")


class FakeHub(ThreadingHTTPServer):
    """Serves on a free port of 127.0.0.1 until closed; `requests` logs "METHOD path"."""

    daemon_threads = True

    def __init__(self, repos: dict[str, Path], gated: Iterable[str] = (), chunk_delay_s: float = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos = repos
        self.gated = set(gated)
        self.chunk_delay_s = chunk_delay_s
        self.held = threading.Event()
        self.held.set()
        self.requests: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeHub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        self.server.held.wait(30)
        if match := _TREE.fullmatch(self.path):
            self._tree(match["repo"])
        elif match := _INFO.fullmatch(self.path):
            self._info(match["repo"])
        elif match := _FILE.fullmatch(self.path):
            self._file(match["repo"], match["name"])
        else:
            self._refuse(404, "EntryNotFound")

    def _info(self, repo: str) -> None:
        folder = self.server.repos.get(repo)
        if folder is None:
            # What huggingface.co says to those who are not logged in.
            return self._refuse(401, "RepoNotFound")
        files = [file for file in sorted(folder.iterdir()) if file.is_file()]
        siblings = [{"rfilename": file.name, "size": file.stat().st_size} for file in files]
        self._send(json.dumps({"_id": "1", "id": repo, "modelId": repo, "sha": COMMIT, "siblings": siblings}).encode(), {})

    def _tree(self, repo: str) -> None:
        files = [file for file in sorted(self.server.repos[repo].iterdir()) if file.is_file()]
        entries = [{"type": "file", "path": file.name, "size": file.stat().st_size, "oid": file.name} for file in files]
        self._send(json.dumps(entries).encode(), {})

    def _file(self, repo: str, name: str) -> None:
        folder = self.server.repos.get(repo)
        if folder is None:
            return self._refuse(401, "RepoNotFound")
        if repo in self.server.gated:
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
        for start in range(0, len(body) if self.command == "GET" else 0, CHUNK):
            if self.server.chunk_delay_s and not wanted:
                time.sleep(self.server.chunk_delay_s)
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
