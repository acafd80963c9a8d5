"""Other sites cannot let a visitor's browser do anything here, and no name but the server's own is answered to on one's own machine."""

import asyncio
import re
from collections.abc import Callable
from functools import partial

import pytest
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Message, Receive

from qdash.ui.server.response_headers import ResponseHeaders, policy
from qdash.ui.server.same_origin import Hosts, SameOrigin, hosts_of

ANY = Hosts(frozenset(), addresses=True)
OWN = hosts_of("127.0.0.1", ["demo.example"], "https://qdash.example/qdash")
EVERYWHERE = hosts_of("0.0.0.0", [], "")


def _status(hosts: Hosts | None = None, method: str = "POST", public: str = "", **headers: str) -> int:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    named = {"host": "qdash.test:7860", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http", "path": "/gradio_api/queue/join", "method": method, "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }  # fmt: skip
    asyncio.run(SameOrigin(PlainTextResponse("done"), hosts, public)(scope, receive, send))
    return sent[0]["status"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://qdash.test:7861", "http://qdash.test.evil.example:7860", "null", "", "nonsense", "http://["]
)
def test_a_foreign_origin_is_refused(origin: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        assert _status(method=method, origin=origin) == 403


def test_the_page_itself_is_not() -> None:
    assert _status() == 200
    assert _status(origin="http://qdash.test:7860", sec_fetch_site="same-origin") == 200
    assert _status(host="qdash.test", origin="https://qdash.test:443") == 200
    assert _status(host="127.0.0.1:7860", x_forwarded_host="qdash.test", origin="https://qdash.test") == 200
    assert _status(host="127.0.0.1:7860", public="https://qdash.test/qdash", origin="https://qdash.test") == 200
    assert _status(host="127.0.0.1:7860", public="/qdash", origin="https://qdash.test") == 403


def test_another_site_may_only_open_the_page() -> None:
    assert _status(sec_fetch_site="cross-site") == 403
    assert _status(method="GET", sec_fetch_site="cross-site", sec_fetch_mode="no-cors") == 403
    assert _status(sec_fetch_site="cross-site", sec_fetch_mode="navigate") == 403, "a form that is sent from elsewhere"
    assert _status(method="GET", sec_fetch_site="cross-site", sec_fetch_mode="navigate") == 200, "a link, or the frame of a Space"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:7860", "127.0.0.1:80", "[::1]:7860", "a.localhost", "demo.example", "qdash.example"]
)
def test_names_of_ones_own_machine_are_answered_to(host: str) -> None:
    assert _status(OWN, host=host) == 200


@pytest.mark.parametrize(
    "host", ["evil.example:7860", "localhost.evil.example", "192.0.2.7", "demo.example.evil", "", "[", "127.0.0.1.evil"]
)
def test_other_names_are_not(host: str) -> None:
    assert _status(OWN, host=host) == 403


def test_a_server_that_listens_everywhere_answers_to_addresses_and_not_to_names() -> None:
    assert _status(EVERYWHERE, host="192.168.1.7:7860") == 200
    assert _status(EVERYWHERE, host="evil.example:7860") == 403


def test_a_public_server_answers_to_every_name() -> None:
    assert _status(None, host="qdash.example") == 200


Made = Callable[[str], Response]


def _page(path: str = "/", body: str = "<script>a</script>", response: Made = HTMLResponse) -> tuple[str, dict[str, str]]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return await asyncio.Future()

    unused: Receive = receive
    asyncio.run(ResponseHeaders(response(body), "")({"type": "http", "path": path, "method": "GET", "headers": []}, unused, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return b"".join(message.get("body", b"") for message in sent[1:]).decode(), headers


def test_only_scripts_that_the_server_has_sent_run() -> None:
    sent = '<script>a</script><script type="module" src="x"></script>{"head":"\\u003cscript\\u003eb"}'
    body, headers = _page(body=sent)
    (nonce,) = set(re.findall(r"nonce=(\w{32})", body))
    assert body.count(f"nonce={nonce}") == 3
    assert headers["content-security-policy"] == policy(nonce) and headers["content-length"] == str(len(body))
    assert _page(body=sent)[0] != body, "nobody can know the next number"
    assert "unsafe-inline" not in policy(nonce).partition("style-src")[0]
    assert "frame-ancestors 'self' https://huggingface.co" in policy(nonce) and "connect-src 'self';" in policy(nonce)
    assert "connect-src 'self' https://huggingface.co" in policy(nonce, space=True)


@pytest.mark.parametrize("response", [HTMLResponse, PlainTextResponse])
def test_every_answer_says_what_the_browser_must_not_do(response: type) -> None:
    body, headers = _page("/gradio_api/file=x", "<script>a</script>", response)
    assert body == "<script>a</script>", "a file stays as it is, and none of its scripts may run"
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
    assert "nonce" not in headers["content-security-policy"] and "script-src 'self' ;" in headers["content-security-policy"]


def test_a_browser_keeps_what_has_its_hash_in_its_name_and_nothing_else() -> None:
    def kept(path: str, response: Made = PlainTextResponse) -> str | None:
        return _page(path, "let a", response)[1].get("cache-control")

    assert kept("/assets/Index-Akn07EZk.js") == "public, max-age=31536000, immutable"
    assert kept("/static/a.js") is kept("/") is kept("/assets/Index-gone.js", partial(PlainTextResponse, status_code=404)) is None
