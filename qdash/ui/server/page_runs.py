"""What all pages do with their runs: start and show one, show it again after a reload, stop it.

Each page supplies the function that draws a view of its run. A stream that yields nothing would empty every component it may change, and
one that raises would leave the page waiting; neither happens here.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Generic, TypeVar

import gradio as gr
from gradio.events import Dependency

from qdash.present.language import _
from qdash.ui.components.events import QUICK
from qdash.ui.components.markup import banner
from qdash.ui.components.visibility import phase_html
from qdash.ui.server.run_errors import internal_error
from qdash.ui.server.run_queue import Line
from qdash.ui.server.runs import PageRun, Runs

Updates = dict[Any, Any]
ViewT = TypeVar("ViewT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Follower(Generic[ResultT]):
    """Who looks at a run: a session, whether its page is dark, and the result that is on it from `before`."""

    session: str
    dark: bool
    before: ResultT | None


@dataclass(frozen=True)
class PageRuns(Generic[ViewT, ResultT]):
    """The runs of the page called `name`, as its handlers need them.

    `drawn`: the updates that show a view to a follower. `opening`: updates before the first view, besides those of the three components.
    """

    runs: Runs
    name: str
    phase: gr.HTML
    banner: gr.HTML
    stop: gr.Button
    drawn: Callable[[ViewT, Follower[ResultT]], Iterator[Updates]]
    opening: Updates = field(default_factory=dict)

    def start(self, request: gr.Request, visitor: str, views: Callable[[Event], Iterator[ViewT]]) -> PageRun[ViewT]:
        """Begin a run; what this visitor has started on this page before is stopped. `views` gets the stop flag."""
        return self.runs.start(visitor or str(request.session_hash), self.name, views)

    def followed(self, run: PageRun[ViewT], request: gr.Request, dark: Any, before: ResultT | None) -> Iterator[Updates]:
        """Show `run` until it is over or its page is gone. Never raises."""
        follower = Follower(str(request.session_hash), bool(dark), before)
        phase = phase_html(self.name, running=True, results=before is not None)
        yield {self.phase: phase, self.stop: _("Stop"), self.banner: "", **self.opening}
        try:
            for view in run.follow(follower.session):
                yield from self.drawn(view, follower)
        except Exception:
            yield {self.banner: banner(internal_error())}

    def resumed(self, request: gr.Request, dark: Any, visitor: str, before: Any) -> Iterator[Updates]:
        """Handler for a page that opens: show what its visitor has started, if there is anything."""
        run = self.runs.find(visitor, self.name)
        if run is None:
            yield {self.phase: gr.skip()}
        else:
            yield from self.followed(run, request, dark, before)

    def at_work(self, request: gr.Request, visitor: str) -> bool:
        """Whether what this visitor has started is still going on, also before a page that opens has heard of it."""
        run = self.runs.find(visitor or str(request.session_hash), self.name)
        return run is not None and not run.over

    def stopped(self, request: gr.Request, visitor: str) -> str:
        """Handler of the Stop button; returns the button's new label."""
        self.runs.stop(self.name, visitor, str(request.session_hash))  # a visitor without a cookie is known by the session
        return _("Stopping …")


def when_over(streams: Iterable[Dependency], over: Callable[..., Any], inputs: Any, outputs: Any) -> None:
    """Call `over` after each of the streams. Only then may a button be seen that starts the next: Gradio ignores a click while it believes
    that the last one is still at work.
    """
    for stream in streams:
        stream.then(over, inputs, outputs, **QUICK)


def streaming(name: str, line: Line) -> dict[str, Any]:
    """Gradio's settings for a handler that streams a run: as many at a time as the queue is long."""
    return {
        "concurrency_id": name, "concurrency_limit": line.longest, "show_progress": "hidden", "api_visibility": "private",
    }  # fmt: skip
