"""The page behind nginx, under a path, as docs/hosting.md configures it: nothing leaves the path, and answers stream."""

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPMessage
from pathlib import Path

import pytest
from playwright.sync_api import expect

from qdash.settings import settings
from tests.browser.conftest import OpenPage
from tests.support.acting import compare, finished
from tests.support.serving import ROOT, Server, free_port, serving

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

pytestmark = [pytest.mark.browser, pytest.mark.skipif(NGINX is None, reason="nginx is not installed")]

DOCUMENT = (ROOT / "docs" / "hosting.md").read_text()
(LOCATION,) = re.findall(r"```nginx\n(location .*?)```", DOCUMENT, re.DOTALL)


@contextmanager
def proxying(location: str, folder: Path) -> Iterator[str]:
    """nginx with one server and this location; yields the server's address."""
    port = free_port()
    folder.mkdir()
    temporary = "".join(f"{kind}_temp_path {folder}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; events {{}} "
        f"http {{ access_log off; {temporary}server {{ listen 127.0.0.1:{port};\n{location}}} }}"
    )
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/qdash/", timeout=5).close()
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=15)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for strangers under /qdash. QDASH_HOST goes before a GRADIO_SERVER_NAME that is no address of this machine."""
    given = {"QDASH_HOST": "127.0.0.1", "GRADIO_SERVER_NAME": "192.0.2.1", "QDASH_PUBLIC": "1", "QDASH_ROOT_PATH": "/qdash"}
    with serving(["-m", "tests.support.scripted"], tmp_path_factory.mktemp("behind"), **given) as server:
        yield server


@pytest.fixture(scope="module")
def proxied(behind: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What visitors see of it."""
    location = LOCATION.replace("http://127.0.0.1:7860", behind.url)
    assert location != LOCATION
    with proxying(location, tmp_path_factory.mktemp("nginx") / "documented") as url:
        yield Server(f"{url}/qdash", behind.pid)


def test_the_page_works_under_a_path(proxied: Server, open_page: OpenPage, tmp_path: Path, png: bytes) -> None:
    # open_page fails the test on every request that leaves the path, and on every error in the console.
    page = open_page(proxied)
    assert page.evaluate("getComputedStyle(document.querySelector('#compare')).backgroundColor") != "rgba(0, 0, 0, 0)"
    picture = tmp_path / "mine.png"
    picture.write_bytes(png)
    page.set_input_files("#picture input[type=file]", picture)
    page.wait_for_function("document.querySelector('#picture .view img').src.startsWith('blob:')")
    compare(page, "slow")
    expect(page.locator(".card.is-answering")).to_be_visible()
    finished(page)
    expect(page.locator(".banner")).to_have_count(0)
    assert page.locator(".card.is-done").count() == 6
    expect(page.locator("#latency .main-svg").first).to_be_visible()
    page.click("#open-export")
    with page.expect_download() as download:
        page.click("#export-json")
    assert json.loads(Path(download.value.path()).read_text())["variants"]


def test_what_is_shared_and_kept_is_found_under_the_path(proxied: Server, open_page: OpenPage) -> None:
    page = open_page(proxied)
    compare(page, "kept under a path")
    finished(page)
    page.get_by_role("tab", name="History").click()
    expect(page.locator(".run")).to_have_count(1)
    page.locator(".run-open").click()
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator(".share-link")).to_have_value(re.compile(rf"^{re.escape(proxied.url)}/\?run=\w{{32}}$"))
    link = page.input_value(".share-link")
    (cookie,) = page.context.cookies()
    assert (cookie.get("name"), cookie.get("path")) == ("qdash_visitor", "/qdash")
    page.reload()
    page.get_by_role("tab", name="History").click()
    expect(page.locator(".run")).to_have_count(1)
    other = open_page(proxied, link.removeprefix(proxied.url))
    expect(other.locator("#history-run-head")).to_contain_text("shared with you, read-only")
    other.get_by_role("button", name="All runs").click()
    expect(other.locator(".run")).to_have_count(0)
    other.wait_for_url(f"{proxied.url}/")


def test_a_link_says_that_it_leads_to_this_machine_only_where_it_does(proxied: Server, open_page: OpenPage) -> None:
    # Browsers look for every name under localhost on their own machine.
    for url, local in ((proxied.url, True), (proxied.url.replace("127.0.0.1", "shown.localhost"), False)):
        page = open_page(Server(url, proxied.pid))
        compare(page, "shared")
        finished(page)
        page.get_by_role("tab", name="History").click()
        page.locator(".run-open").click()
        expect(page.locator(".share")).to_be_visible()
        expect(page.locator(".share [data-local-only]")).to_be_visible(visible=local)


def test_answers_are_passed_on_as_they_come(proxied: Server) -> None:
    # Gradio sends a line at once and the next after 15 seconds: a proxy that collects them would send neither for now.
    with urllib.request.urlopen(f"{proxied.url}/gradio_api/heartbeat/nobody", timeout=10) as stream:
        assert stream.readline().strip()


def test_a_file_of_the_largest_size_passes_and_a_larger_one_does_not(proxied: Server) -> None:
    limit = settings().max_upload_bytes
    assert _uploaded(proxied, limit - 1024) == 200
    assert _uploaded(proxied, limit + 2**20) == 413


def _uploaded(server: Server, size: int) -> int:
    head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.bin"\r\n\r\n'
    request = urllib.request.Request(
        f"{server.url}/gradio_api/upload", head + b"x" * size + b"\r\n--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except (urllib.error.URLError, ConnectionError):  # refused before we had sent everything
        return 413


def test_the_slash_at_the_end_may_be_left_out(proxied: Server) -> None:
    with urllib.request.urlopen(proxied.url, timeout=30) as response:
        assert response.url == f"{proxied.url}/"


def test_a_proxy_may_leave_the_path_on_the_requests(behind: Server, open_page: OpenPage, tmp_path: Path) -> None:
    location = LOCATION.replace("http://127.0.0.1:7860/", behind.url)
    with proxying(location, tmp_path / "nginx") as url:
        page = open_page(Server(f"{url}/qdash", behind.pid))
        compare(page, "with its path")
        finished(page)
        assert [cookie.get("path") for cookie in page.context.cookies()] == ["/qdash"]
        page.close()  # before the proxy ends, and with it the page's streams


def test_a_whole_address_replaces_what_a_proxy_does_not_say(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(["-m", "tests.support.scripted"], tmp_path, QDASH_ROOT_PATH="https://example.org/qdash/", QDASH_PUBLIC="1") as server:
        assert _config(server.url)["root"] == "https://example.org/qdash"
        assert "; Path=/qdash;" in str(_headers(server.url)["set-cookie"])


def _config(url: str) -> dict[str, object]:
    with urllib.request.urlopen(f"{url}/config", timeout=30) as response:
        return json.load(response)


def _headers(url: str) -> HTTPMessage:
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.headers
