"""Who is a visitor: the bearer of a cookie that only the server reads, or a tab without one."""

import asyncio
import re

import pytest

from qdash.ui.server.visitors import COOKIE, VisitorCookie, owner_in

TOKEN = "A" * 43


def _opened(path: str = "/", cookie: str = "", shown_at: str = "", **headers: str) -> list[str]:
    """The cookies that a browser gets when it opens `path` of a page that a proxy shows at `shown_at`."""
    sent = []

    async def page(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message) -> None:
        sent.append(message)

    given = [(b"cookie", cookie.encode())] * bool(cookie) + [
        (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
    ]
    scope = {"type": "http", "path": path, "scheme": "http", "headers": given}
    asyncio.run(VisitorCookie(page, shown_at)(scope, None, send))  # type: ignore[arg-type]
    return [value.decode() for name, value in sent[0]["headers"] if name == b"set-cookie"]


def test_a_new_browser_gets_a_cookie_no_script_can_read() -> None:
    (cookie,) = _opened()
    assert re.fullmatch(rf"{COOKIE}=[\w-]{{43}}; Path=/; Max-Age=\d+; HttpOnly; SameSite=Lax", cookie)
    assert _opened() != [cookie]


def test_behind_https_it_works_in_a_frame_and_is_kept_apart_there() -> None:
    (cookie,) = _opened(x_forwarded_proto="https")
    assert cookie.endswith("HttpOnly; Secure; SameSite=None; Partitioned")


@pytest.mark.parametrize("path", ["/", "/qdash", "/qdash/"])
def test_under_a_path_it_is_for_that_path_whether_the_proxy_takes_it_off_or_not(path: str) -> None:
    (cookie,) = _opened(path, shown_at="/qdash")
    assert "; Path=/qdash; " in cookie
    assert _opened("/qdash/config", shown_at="/qdash") == [] and _opened("/qdash") == []


def test_a_known_visitor_keeps_it_and_a_wrong_one_is_replaced() -> None:
    assert _opened(cookie=f"other=1; {COOKIE}={TOKEN}") == []
    assert len(_opened(cookie=f"{COOKIE}=short")) == 1
    assert _opened("/gradio_api/info") == []


def test_owners_are_digests_of_the_cookie() -> None:
    owner = owner_in({COOKIE: TOKEN}, "tab 1")
    assert owner == owner_in({COOKIE: TOKEN}, "tab 2") and TOKEN not in owner and len(owner) == 64
    assert owner != owner_in({COOKIE: "B" * 43}, "tab 1")


@pytest.mark.parametrize("token", ["", "x", "visitor", TOKEN + "A", "é" * 43])
def test_without_a_proper_cookie_a_tab_is_on_its_own(token: str) -> None:
    assert owner_in({COOKIE: token}, "1") != owner_in({COOKIE: token}, "2")
