"""What a page is to the rest: a tab with a name, how it is built, and how it is connected to all that pages share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import gradio as gr
from gradio.events import Dependency

from qdash.ui.controls.arrival import Arrival
from qdash.ui.controls.sidebar import Sidebar
from qdash.ui.server.backend import Backend
from qdash.ui.server.run_queue import Line
from qdash.ui.server.runs import Runs
from qdash.ui.server.tab_sessions import Sessions

Built = TypeVar("Built")


@dataclass(frozen=True)
class Page(Generic[Built]):
    """One page. `build` makes its components inside its tab and returns them; `wire` connects them when all pages are built.

    `key` is the tab's, so a page is opened by an event that sets the tabs to it.
    """

    key: str
    title: str
    build: Callable[[], Built]
    wire: Callable[[Built, "Shared"], None]


@dataclass(frozen=True)
class Shared:
    """What the pages share. `ended`: the events that end a comparison, which are known once the Compare page is wired."""

    blocks: gr.Blocks
    tabs: gr.Tabs
    sidebar: Sidebar
    arrival: Arrival
    backend: Backend
    line: Line
    runs: Runs
    sessions: Sessions
    built: dict[str, tuple[gr.Tab, Any]]
    ended: list[Dependency] = field(default_factory=list)

    def of(self, page: Page[Built]) -> Built:
        """The components of a page."""
        return self.built[page.key][1]

    def tab_of(self, page: Page[Any]) -> gr.Tab:
        """The tab of a page."""
        return self.built[page.key][0]
