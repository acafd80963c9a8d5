"""The handlers of the Play tab: starting a game, every move, another question at the side, Stop."""

from collections.abc import Callable, Iterator, Sequence
from secrets import token_hex
from typing import Any

import gradio as gr

from qdash.catalog.format_series import SERIES
from qdash.errors import QdashError
from qdash.records import PlayLayer
from qdash.ui.components.events import QUICK
from qdash.ui.components.markup import banner, hint
from qdash.ui.components.visibility import phase_html
from qdash.ui.controls.page import Shared
from qdash.ui.play.game import PlayView, Table, game
from qdash.ui.play.moves import Asked, Move, Wanted, asking, looked_at, noised, reformatted, removed, restored, undone
from qdash.ui.play.page import PlayPage
from qdash.ui.play.view import answers_html, empty_html, facts_html, histogram_html, place_choices, told_html
from qdash.ui.server.page_runs import Follower, PageRuns, Updates, streaming
from qdash.ui.server.visitors import visitor_behind

Made = Callable[..., Move]
"""The values of a move's controls → the move."""


def wire_play_page(page: PlayPage, shared: Shared) -> None:
    """Connect everything."""
    sidebar, backend, line = shared.sidebar, shared.backend, shared.line
    tables: dict[str, Table] = {}

    def play(request: gr.Request, visitor: str, *values: Any) -> Iterator[Updates]:
        owner, table, entrance = visitor or str(request.session_hash), Table(Wanted(Asked(*values))), line.of(visitor_behind(request))
        tables[owner] = table

        def views(stop: Any) -> Iterator[PlayView]:
            try:
                # A worker for this game alone: that of the game before may still be ending.
                yield from game(table, token_hex(8), backend, entrance, stop)
            finally:
                if tables.get(owner) is table:
                    del tables[owner]

        yield from here.followed(here.start(request, visitor, views), request, False, None)

    def resumed(request: gr.Request, visitor: str) -> Iterator[Updates]:
        placed = False
        for updates in here.resumed(request, False, visitor, None):
            table = tables.get(visitor)
            if not placed and table is not None and page.verdict in updates:
                placed, updates = True, {**updates, **controls(page, table.wanted, table.layers)}
            yield updates

    def moving(made: Made, *, rests: bool = False) -> Callable[..., Any]:
        def moved(request: gr.Request, visitor: str, *values: Any) -> Any:
            table = tables.get(visitor or str(request.session_hash))
            if table is None:
                return gr.skip()
            try:
                table.move(made(*values), rests=rests or (made is reformatted and table.slow))
            except QdashError as error:
                return banner(error)
            return gr.skip()

        return moved

    def over() -> list[Any]:
        return [phase_html("play", running=False, results=False), empty_html(), ""]

    def left(request: gr.Request, visitor: str) -> None:
        shared.runs.stop("play", visitor, str(request.session_hash))

    def seen(view: PlayView, follower: Follower[None]) -> Iterator[Updates]:
        yield shown(page, view)

    here: PageRuns[PlayView, None] = PageRuns(shared.runs, "play", page.phase, page.banner, page.stop, seen)
    visitor, asked = shared.arrival.visitor, [sidebar.model, sidebar.device, sidebar.picture, sidebar.question]
    how = streaming("play", line)
    streams = (
        page.start.click(play, [visitor, *asked], page.outputs, **how),
        shared.arrival.then(resumed, [visitor], page.outputs, **how),
    )
    for stream in streams:
        stream.then(over, None, [page.phase, page.verdict, page.answers], **QUICK)
    page.stop.click(here.stopped, visitor, page.stop, **QUICK)
    sidebar.model.change(left, visitor, None, **QUICK)
    _wire_moves(page, visitor, moving)
    gr.on(
        [sidebar.picture.change, sidebar.question.change], moving(lambda *values: asking(Asked(*values)), rests=True), [visitor, *asked],
        page.banner, trigger_mode="always_last", **QUICK,
    )  # fmt: skip


def _wire_moves(page: PlayPage, visitor: gr.State, moving: Callable[[Made], Callable[..., Any]]) -> None:
    how: dict[str, Any] = {**QUICK, "trigger_mode": "always_last"}
    slider = [visitor, page.series, page.bits, page.where]
    page.bits.input(moving(reformatted), slider, page.banner, **how)
    page.series.input(fitting, [page.series, page.bits], page.bits, **how)
    page.series.input(moving(reformatted), slider, page.banner, **how)
    page.where.input(moving(looked_at), [visitor, page.where], page.banner, **how)
    presses: tuple[tuple[gr.Button, Made, list[Any]], ...] = (
        (page.largest, lambda count, where: removed("largest", count, where), [page.count, page.where]),
        (page.random, lambda count, where: removed("random", count, where), [page.count, page.where]),
        (page.noise, noised, [page.where]),
        (page.restore, restored, [page.where]),
        (page.undo, lambda: undone, []),
    )
    for button, made, inputs in presses:
        button.click(moving(made), [visitor, *inputs], page.banner, trigger_mode="multiple", **QUICK)


def fitting(series: Any, bits: Any) -> Any:
    """The slider for a format: the widths that it has."""
    chosen = SERIES[series if isinstance(series, str) and series in SERIES else next(iter(SERIES))]
    width = chosen.nearest(round(bits)) if isinstance(bits, int | float) else chosen.widest
    fixed = chosen.narrowest == chosen.widest
    return gr.update(minimum=1 if fixed else chosen.narrowest, value=width, interactive=not fixed)


def shown(page: PlayPage, view: PlayView) -> Updates:
    """The component updates that show `view`. What a hand is on is only moved where the game itself did."""
    updates: Updates = {page.banner: hint(view.status, role="status") if view.status else banner(view.error)}
    played, wanted = view.played, view.wanted
    if played is None or wanted is None or view.status or view.error is not None:
        return updates
    updates |= {
        page.phase: phase_html("play", running=True, results=True),
        page.verdict: told_html(played, wanted.last),
        page.answers: answers_html(played),
        page.facts: facts_html(played),
        page.histogram: histogram_html(played.histogram),
    }
    return {**updates, **controls(page, wanted, played.layers)} if not wanted.actions or wanted.placed else updates


def controls(page: PlayPage, wanted: Wanted, layers: Sequence[PlayLayer]) -> Updates:
    """The controls where a state of the game has them."""
    series, bits = wanted.slider
    where = gr.update(choices=place_choices(layers), value=wanted.where)
    return {page.series: series, page.bits: fitting(series, bits), page.where: where}
