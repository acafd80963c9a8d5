"""A tab belongs to the cookie it came with; whoever does not listen is not worked for; folders and lines have room for everybody."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event

import gradio as gr
import pytest
from gradio.queueing import Event as GradioEvent
from gradio.server_messages import ProcessCompletedMessage
from gradio.state_holder import StateHolder
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from qdash.errors import QdashError
from qdash.scratch import prefix
from qdash.ui.server.gradio_sessions import forget_messages, forget_state, keep_no_statistics, unread_messages
from qdash.ui.server.page_routes import is_needed
from qdash.ui.server.run_queue import Line, Visitor
from qdash.ui.server.runs import UNFOLLOWED_S, Runs
from qdash.ui.server.tab_sessions import Sessions
from qdash.ui.server.tabs import AWAY_S, FORGOTTEN_S, MOST_UNREAD, NEW_A_MINUTE, TabGuard, Tabs
from qdash.ui.server.visitors import COOKIE, address_of
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tabs(clock: Clock) -> Tabs:
    return Tabs(clock, most=3)


@pytest.fixture
def client(tabs: Tabs) -> TestClient:
    async def echoed(request: Request) -> PlainTextResponse:
        return PlainTextResponse(await request.body())

    paths = (
        "/gradio_api/queue/join",
        "/gradio_api/cancel",
        "/gradio_api/run/predict",
        "/gradio_api/queue/data",
        "/gradio_api/heartbeat/{tab}",
    )
    routes = [Route(path, echoed, methods=["GET", "POST"]) for path in paths]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(TabGuard, tabs=tabs)]))


def test_who_does_not_read_the_answers_gets_no_more(tabs: Tabs) -> None:
    waiting = {"reads": 3, "never": MOST_UNREAD + 1}

    async def joined(request: Request) -> PlainTextResponse:
        return PlainTextResponse("joined")

    routes = [Route(f"/gradio_api/{path}", joined, methods=["POST"]) for path in ("queue/join", "cancel")]
    client = TestClient(Starlette(routes=routes, middleware=[Middleware(TabGuard, tabs=tabs, unread=waiting.__getitem__)]))
    assert client.post("/gradio_api/queue/join", json={"session_hash": "reads"}).status_code == 200
    refused = client.post("/gradio_api/queue/join", json={"session_hash": "never"})
    assert (refused.status_code, refused.text) == (429, "This tab does not read its answers. Reload the page.")
    assert client.post("/gradio_api/cancel", json={"session_hash": "never"}).status_code == 200


def test_messages_that_no_tab_reads_are_counted_and_forgotten_with_it() -> None:
    async def check() -> None:  # the queue makes its events for the loop that runs
        with gr.Blocks() as blocks:
            gr.Button().click(lambda: None)
        event = GradioEvent("gone", blocks.fns[0], None, None)  # type: ignore[arg-type] - no request
        queue = blocks._queue
        queue.pending_messages_per_session["gone"] = asyncio.Queue()
        queue.pending_event_ids_session["gone"] = {event._id}
        queue.event_ids_to_events[event._id] = event
        queue.send_message(event, ProcessCompletedMessage(output={}, success=True))
        assert (unread_messages(blocks, "gone"), unread_messages(blocks, "never seen")) == (1, 0)
        forget_messages(blocks, "gone")
        assert unread_messages(blocks, "gone") == 0 and not queue.event_ids_to_events
        queue.send_message(event, ProcessCompletedMessage(output={}, success=True))  # a job that has not noticed yet
        assert unread_messages(blocks, "gone") == 0

    asyncio.run(check())


def test_nothing_of_a_tab_s_state_is_left_when_it_is_forgotten(event_loops_closed: None) -> None:
    with gr.Blocks() as blocks:
        gr.State(1)
    holder = StateHolder()
    holder.set_blocks(blocks)
    assert holder["gone"] is holder["gone"] is not holder["here"]
    forget_state(blocks, "gone")
    forget_state(blocks, "never seen")
    assert set(holder.session_data) == set(holder.time_last_used) == {"here"}


def test_no_statistics_of_events_are_kept(event_loops_closed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    keep_no_statistics()
    with gr.Blocks() as blocks:
        gr.Button().click(lambda: None)
    queue = blocks.queue()._queue
    queue.events_recorded = 10**9
    event = {"time": 0.0, "status": "success", "process_time": 1.0, "function": "f", "session_hash": "x"}
    assert queue.ANALYTICS_MAX_EVENTS == 1 and queue.compute_analytics_summary([event]) == {"functions": {}}


def _cookie(owner: str) -> dict[str, str]:
    return {"cookie": f"{COOKIE}={owner}"} if owner else {}


def test_a_tab_is_of_the_cookie_it_came_with(client: TestClient) -> None:
    body = {"session_hash": "abc123", "data": ["é" * 1000]}
    answer = client.post("/gradio_api/queue/join", json=body, headers=_cookie("mine"))
    assert answer.status_code == 200 and answer.json() == body, "the body arrives as it was sent"
    for owner, status in (("mine", 200), ("yours", 403), ("", 403)):
        assert client.get("/gradio_api/queue/data?session_hash=abc123", headers=_cookie(owner)).status_code == status
        assert client.get("/gradio_api/heartbeat/abc123", headers=_cookie(owner)).status_code == status
        for path in ("cancel", "run/predict", "queue/join"):
            assert client.post(f"/gradio_api/{path}", json=body, headers=_cookie(owner)).status_code == status


@pytest.mark.parametrize("number", ["", "a" * 65, "../x", "a b", "é"])
def test_a_number_that_no_tab_makes_up_is_refused(client: TestClient, number: str) -> None:
    assert client.post("/gradio_api/queue/join", json={"session_hash": number}).status_code == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'{"session_hash": 5}', b"\xff"])
def test_what_names_no_tab_is_passed_on(client: TestClient, body: bytes) -> None:
    answer = client.post("/gradio_api/queue/join", content=body)
    assert answer.status_code == 200 and answer.content == body


def test_a_tab_is_here_while_it_listens_and_a_minute_longer(tabs: Tabs, clock: Clock) -> None:
    assert not tabs.is_here("a")
    assert tabs.claim("a", "mine") is None
    tabs.listens("a", 1)
    clock.now += 10 * AWAY_S
    assert tabs.is_here("a")
    tabs.listens("a", -1)
    clock.now += AWAY_S
    assert tabs.is_here("a")
    clock.now += 1
    assert not tabs.is_here("a")


def test_tabs_that_are_gone_are_forgotten_and_so_is_what_they_had(tabs: Tabs, clock: Clock) -> None:
    gone: list[str] = []
    tabs.when_gone.append(gone.append)
    for number in "abc":
        tabs.claim(number, "mine")
    tabs.listens("a", 1)
    tabs.listens("b", 1)
    tabs.listens("b", -1)
    clock.now += AWAY_S + 1
    tabs.forget()
    assert gone == ["c"], "it never had a stream"
    clock.now += FORGOTTEN_S
    tabs.forget()
    assert gone == ["c", "b"] and tabs.claim("b", "yours") is None
    for number in "defg":
        tabs.claim(number, "mine")
    tabs.forget()
    assert gone == ["c", "b", "b", "d", "e"], "of those that are too many, the ones that were away longest"
    assert tabs.is_here("a")


def test_one_address_opens_no_flood_of_tabs(clock: Clock) -> None:
    tabs = Tabs(clock)
    refused = [tabs.claim(f"t{number}", f"cookie {number}", "192.0.2.1") for number in range(NEW_A_MINUTE + 5)]
    assert refused[:NEW_A_MINUTE] == [None] * NEW_A_MINUTE and all(refused[NEW_A_MINUTE:])
    assert tabs.claim("other", "x", "192.0.2.2") is None and tabs.claim("t1", "cookie 1", "192.0.2.1") is None
    clock.now += 60
    assert tabs.claim("later", "x", "192.0.2.1") is None


def test_a_run_that_nobody_listens_to_ends(clock: Clock) -> None:
    """Gradio goes through a stream whether or not somebody reads it."""

    def going(stop: Event) -> Iterator[int]:
        yield 1
        stop.wait(30)

    here = {"a"}
    run = Runs(clock, watch_s=0.01, is_here=here.__contains__).start("v", "compare", going)
    with closing(run.follow("a")) as follower:  # type: ignore[type-var] - a generator, as handlers have it
        assert next(follower) == 1
        clock.now += UNFOLLOWED_S + 1
        assert not run.forsaken and not run.stop.is_set()
        here.clear()
        assert run.forsaken and run.stop.wait(10)
    clock.now += 1e9  # nobody watches it any more


def test_folders_are_made_for_what_is_written_and_deleted_with_their_tab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    here = {str(number) for number in range(300)}
    sessions = Sessions(here.__contains__)
    stop = sessions.start("5", "layer")
    assert not list(tmp_path.iterdir())
    for number in here:
        sessions.folder(number)
    here.clear()
    sessions.folder("last")
    (parent,) = tmp_path.iterdir()
    assert len(list(parent.iterdir())) == 1 and parent.stat().st_mode & 0o077 == 0
    assert parent.name.startswith(prefix("exports")) and stop.is_set()


def test_files_to_take_away_take_their_share_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sessions = Sessions(most_bytes=1000)
    for number in range(10):
        (sessions.folder(str(number % 3)) / f"{number}.json").write_bytes(b"x" * 400)
    left = sorted(path.name for path in tmp_path.rglob("*.json"))
    assert left == ["7.json", "8.json", "9.json"], "at most 1000 before the last was written"


def test_nobody_may_hold_all_places_of_a_line() -> None:
    line = Line(longest=20, each=2, each_address=3)
    with ExitStack() as inside:
        for owner in ("a", "a", "b"):
            inside.enter_context(line.of(Visitor(owner, "192.0.2.1")).join())
        for visitor, words in ((Visitor("a", "192.0.2.2"), "already have 2 runs"), (Visitor("c", "192.0.2.1"), "3 runs from your network")):
            with pytest.raises(QdashError, match=words), line.of(visitor).join():
                pass
        for visitor in (Visitor("c", "192.0.2.9"), Visitor("d", ""), Visitor()):
            inside.enter_context(line.of(visitor).join(alone=False))
    with line.of(Visitor("a", "192.0.2.1")).join() as ticket:
        assert list(ticket.wait(Event())) == [], "and places are given back"


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("8.8.8.8", "", "8.8.8.8"),
        ("8.8.8.8", "9.9.9.9", "8.8.8.8"),
        ("127.0.0.1", "9.9.9.9", "9.9.9.9"),
        ("10.0.0.3", "1.1.1.1, 9.9.9.9, 10.0.0.2", "9.9.9.9"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "192.168.1.7", "192.168.1.7"),
        ("192.168.1.7", "", "192.168.1.7"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("2a00:1450:4001:80e::5", "", "2a00:1450:4001:80e::/64"),
        ("", "", ""),
    ],
)
def test_the_address_that_counts_is_none_a_visitor_can_make_up(peer: str, forwarded: str, address: str) -> None:
    assert address_of(peer, forwarded) == address


def test_only_what_the_page_needs_is_served() -> None:
    needed = ("queue/join", "queue/data", "heartbeat/x", "run/predict", "upload", "file=picture.png")
    assert all(is_needed(path) for path in ("/", "", "/config", "/assets/x.js", "/help/a.md", *(f"/gradio_api/{path}" for path in needed)))
    closed = ("dev/reload", "deep_link", "vibe-edit", "process_recording", "call/x", "proxy=http://x", "stream/a/b/c/d.ts", "runs")
    assert not any(is_needed(path) for path in ("/monitoring", "/manifest.json", "/svelte/x", *(f"/gradio_api/{path}" for path in closed)))
