"""The runs that visitors have started. A run belongs to its visitor, not to the stream that shows it: it goes on after a reload, and ends
with Stop or a minute after the last page that showed it has closed.

Each run works in a thread of its own and keeps its latest view; streams follow it, and one that is late gets the latest only. A visitor is
a random number that the page makes and keeps (qdash/ui/static/js/page.js): it names runs, and opens nothing else.
"""

import time
from collections.abc import Callable, Iterator
from contextvars import copy_context
from dataclasses import dataclass, field
from threading import Condition, Event, Lock, Thread
from typing import Any, Generic, TypeVar

UNFOLLOWED_S = 60.0
"""How long a run without followers is kept, finished or not."""

WATCH_S = 1.0

PAUSE_S = 0.2
"""Between two views that a page is shown: one that is redrawn all the time does not take clicks, Stop among them."""

ViewT = TypeVar("ViewT")
Clock = Callable[[], float]


class PageRun(Generic[ViewT]):
    """A run: its latest view and its followers. `stop` ends it; `is_here` tells whether a session still listens."""

    def __init__(self, clock: Clock = time.monotonic, is_here: Callable[[str], bool] = lambda session: True) -> None:
        self.stop = Event()
        self._clock = clock
        self._is_here = is_here
        self._changed = Condition()
        self._views: tuple[int, ViewT | None] = (0, None)
        self._over = False
        self._followers: dict[object, str] = {}
        self._left = clock()

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self._over

    @property
    def forsaken(self) -> bool:
        """Whether it has had no follower for as long as a run is kept."""
        with self._changed:
            followed = any(self._is_here(session) for session in self._followers.values())
            return not followed and self._clock() - self._left > UNFOLLOWED_S

    def work(self, views: Callable[[Event], Iterator[ViewT]]) -> None:
        """Go through all views; `views` gets the stop flag."""
        try:
            for view in views(self.stop):
                with self._changed:
                    self._views = (self._views[0] + 1, view)
                    self._changed.notify_all()
        finally:
            self.stop.set()
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def follow(self, session: str) -> Iterator[ViewT]:
        """The latest view and later ones, as far as `session` keeps up, until the run is over or the session leaves.

        There are at least `PAUSE_S` between two, but for the last.
        """
        me = object()  # a session may follow twice, and one of the two leave
        with self._changed:
            self._followers[me] = session
        seen = 0
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda seen=seen: self._over or self._views[0] > seen or me not in self._followers)
                    (number, view), gone = self._views, me not in self._followers
                if gone or number == seen:
                    return
                seen = number
                assert view is not None
                yield view
                with self._changed:
                    self._changed.wait_for(lambda: self._over or me not in self._followers, PAUSE_S)
        finally:
            self._without([me])

    def leave(self, session: str) -> None:
        """`session` does not follow any more."""
        self._without([follower for follower, its in list(self._followers.items()) if its == session])

    def _without(self, followers: list[object]) -> None:
        with self._changed:
            left = [self._followers.pop(follower, None) for follower in followers]
            if any(session is not None for session in left):
                self._left = self._clock()
                self._changed.notify_all()


@dataclass
class Runs:
    """The runs of all visitors: for each visitor and page the last."""

    clock: Clock = time.monotonic
    watch_s: float = WATCH_S
    is_here: Callable[[str], bool] = lambda session: True
    _runs: dict[tuple[str, str], PageRun[Any]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def start(self, visitor: str, page: str, views: Callable[[Event], Iterator[ViewT]]) -> PageRun[ViewT]:
        """Begin; what this visitor has started on this page before is stopped."""
        run = PageRun[ViewT](self.clock, self.is_here)
        with self._lock:
            before = self._runs.get((visitor, page))
            self._runs[visitor, page] = run
        if before is not None:
            before.stop.set()
        # In the context of the visitor's request, where Spaces looks for the GPU it lends.
        Thread(target=copy_context().run, args=(run.work, views), daemon=True, name=f"{page} run").start()
        Thread(target=self._watch, args=((visitor, page), run), daemon=True, name=f"{page} watch").start()
        return run

    def find(self, visitor: str, page: str) -> PageRun[Any] | None:
        """The last run of this visitor on this page, as long as it is kept."""
        with self._lock:
            return self._runs.get((visitor, page))

    def stop(self, page: str, *names: str) -> None:
        """End what a visitor has started on this page under one of `names`, and nothing else."""
        for name in names:
            run = self.find(name, page)
            if run is not None:
                run.stop.set()

    def leave(self, session: str) -> None:
        """A page is gone; it may come back as another session."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.leave(session)

    def _watch(self, key: tuple[str, str], run: PageRun[Any]) -> None:
        # One that is over and was followed by another can be neither stopped nor found: nobody has to watch it.
        while not run.forsaken and not (run.over and self.find(*key) is not run):
            time.sleep(self.watch_s)
        run.stop.set()
        with self._lock:
            if self._runs.get(key) is run:
                del self._runs[key]
