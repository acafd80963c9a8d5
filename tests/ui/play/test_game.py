"""A game without a browser: moves, which of them are made, what is said of them, and what comes of values that no page sends."""

from collections.abc import Iterator
from dataclasses import replace
from threading import Event, Thread

import pytest

from qdash.catalog.format_series import SERIES
from qdash.errors import QdashError
from qdash.records import EVERYTHING, MOST_ACTIONS, AddNoise, PlayAction, PlayAnswer, Reformat, RemoveWeights
from qdash.settings import settings
from qdash.ui.play.game import PlayView, Table, game
from qdash.ui.play.moves import Asked, Move, Wanted, asking, looked_at, noised, reformatted, removed, restored, undone
from qdash.ui.play.view import answers_html, histogram_html, place_choices, told_html
from qdash.ui.server.run_queue import Line
from tests.support.scripted import ScriptedBackend
from tests.support.scripted_play import BROKEN, LAYERS, played

ASKED = Asked("tiny-lm", "auto", None, "What is it?")
NF4 = Reformat(where="vision", series="nf4", bits=4)
LARGEST = RemoveWeights(where=EVERYTHING, which="largest", count=10)


def after(*moves: Move) -> Wanted:
    wanted = Wanted(ASKED)
    for move in moves:
        wanted = move(wanted)
    return wanted


def game_of(moves: list[Move], backend: ScriptedBackend | None = None, asked: Asked = ASKED) -> list[PlayView]:
    """The views of a game in which each move is made once the one before has been seen, and which is then stopped."""
    table, stop, left = Table(Wanted(asked)), Event(), list(moves)
    seen: list[PlayView] = []
    for view in game(table, "me", backend or ScriptedBackend(), Line(longest=4), stop):
        seen.append(view)
        if not view.status:
            if not left:
                stop.set()
            else:
                table.move(left.pop(0))
    return seen


def test_a_slide_is_one_action_and_undo_takes_it_back_whole() -> None:
    slid = after(*(reformatted("int-row", bits, EVERYTHING) for bits in range(16, 2, -1)))
    assert slid.actions == (Reformat(where=EVERYTHING, series="int-row", bits=3),)
    assert undone(slid).actions == () and undone(slid).slider == ("int-row", 16) and undone(slid).placed
    both = after(reformatted("int-row", 3, EVERYTHING), reformatted("int-row", 2, "vision"), reformatted("nf4", 2, "vision"))
    assert [(action.where, action.bits) for action in both.actions if isinstance(action, Reformat)] == [
        (EVERYTHING, 3), ("vision", 2), ("vision", 4),
    ]  # fmt: skip
    assert both.slider == ("nf4", 4) and after(reformatted("float", 1, EVERYTHING)).slider == ("float", 3)
    healed = restored(EVERYTHING)(both)
    assert healed.slider == ("int-row", 16) and undone(healed).slider == ("nf4", 4) and restored("vision")(both).slider == ("nf4", 4)
    assert restored(EVERYTHING)(healed) == healed and restored("vision")(Wanted(ASKED)) == Wanted(ASKED)


def test_random_weights_and_noise_are_others_each_time() -> None:
    twice = after(removed("random", 10, EVERYTHING), removed("random", 10, EVERYTHING), noised("vision"), noised("vision"))
    assert len({action.seed for action in twice.actions if isinstance(action, AddNoise | RemoveWeights)}) == 4


@pytest.mark.parametrize(
    "move",
    [reformatted("int-row", 4, None), removed("largest", 10**9, EVERYTHING), removed("random", "all", EVERYTHING), noised(["vision"])],
)
def test_what_no_page_sends_is_refused(move: Move) -> None:
    with pytest.raises(QdashError, match="could not be read"):
        move(Wanted(ASKED))


def test_odd_values_of_the_slider_become_widths_and_a_game_keeps_so_many_changes() -> None:
    assert after(reformatted(None, None, EVERYTHING)).slider == ("int-row", 16)
    assert after(reformatted("int-g64", -5, EVERYTHING)).slider == ("int-g64", 1)
    full = after(*[removed("random", 1, EVERYTHING)] * MOST_ACTIONS)
    with pytest.raises(QdashError, match="the most that one game keeps"):
        noised(EVERYTHING)(full)


def test_a_game_answers_every_move_and_ends_its_worker() -> None:
    backend = ScriptedBackend()
    views = game_of([reformatted("int-row", 3, EVERYTHING), reformatted("int-row", 2, EVERYTHING), undone], backend)
    bits = [[action.bits for action in move.actions if isinstance(action, Reformat)] for move in backend.playing.moves]
    assert bits == [[], [3], [2], []] and backend.playing.ended == ["me"]
    said = [told_html(view.played, view.wanted.last) for view in views if view.played is not None and view.wanted is not None]
    for place, words in enumerate(("This is the original", "changes at “frog”", "The answer is nonsense", "This is the original")):
        assert words in said[place]


def test_only_the_newest_state_is_computed() -> None:
    table = Table(Wanted(ASKED))
    for bits in range(15, 1, -1):
        table.move(reformatted("int-row", bits, EVERYTHING))
    taken = table.take(Event(), None)
    assert taken is not None and taken.slider == ("int-row", 2)
    assert table.take(Event(), 0.0) is None
    table.move(reformatted("int-row", 2, EVERYTHING))
    assert table.take(Event(), 0.0) is None, "nothing was changed"


def test_a_slow_model_waits_until_the_slider_rests() -> None:
    table = Table(Wanted(ASKED))
    assert table.take(Event(), None) is not None
    table.learn(played((), seconds=4.0))
    assert table.slow and table.layers == LAYERS
    waiting = Thread(target=lambda: taken.append(table.take(Event(), None)))
    taken: list[Wanted | None] = []
    waiting.start()
    for bits in (8, 7, 6):
        table.move(reformatted("int-row", bits, EVERYTHING), rests=True)
    waiting.join(30)
    assert [wanted.slider for wanted in taken if wanted is not None] == [("int-row", 6)]
    assert "about 4 s" in told_html(played((), seconds=4.0), None)


def test_what_cannot_be_asked_is_said_and_the_game_goes_on() -> None:
    broken = replace(ASKED, question=BROKEN)
    views = game_of([asking(broken), asking(replace(ASKED, question="")), asking(ASKED), looked_at("vision")])
    errors = [view.error.message for view in views if view.error is not None]
    assert errors == ["The prompt does not fit.", "The question is empty."]
    assert views[-1].error is None and views[-1].wanted is not None and views[-1].wanted.where == "vision"
    assert game_of([], asked=replace(ASKED, model=""))[-1].error is not None


def test_an_idle_game_of_a_public_server_ends(public: None) -> None:
    backend = ScriptedBackend()
    table = Table(Wanted(ASKED))
    assert [view for view in game(table, "me", backend, Line(longest=4), Event())][-1].played is not None
    assert backend.playing.ended == ["me"]


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("QDASH_PUBLIC", "1")
    monkeypatch.setenv("QDASH_PUBLIC_SECONDS", "0.05")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.parametrize(
    ("actions", "last", "words"),
    [
        ((), LARGEST, "The 10 largest weights of 3.0 M are gone."),
        ((LARGEST,), LARGEST, "The answer is nonsense."),
        ((NF4,), NF4, "Vision: NF4, 4 bits. The answer stays."),
        ((LARGEST.model_copy(update={"which": "random", "count": 1}),), LARGEST.model_copy(update={"which": "random", "count": 1}),
         "A random weight of 3.0 M is gone. The answer stays. That is the point."),
    ],
)  # fmt: skip
def test_a_line_says_what_happened(actions: tuple[PlayAction, ...], last: PlayAction, words: str) -> None:
    assert words in told_html(played(actions), last)


def test_the_first_other_word_is_marked_and_markup_is_not() -> None:
    found = played((Reformat(where=EVERYTHING, series="int-row", bits=3),))
    assert "a <mark>frog</mark>." in answers_html(found) and "a <mark>star</mark>." in answers_html(found)
    evil = PlayAnswer(pieces=("<script>", " x"), differs=0)
    assert "<script>" not in answers_html(found.model_copy(update={"answer": evil}))
    comma = found.model_copy(update={"answer": PlayAnswer(pieces=("Two", ",", " cats", "!"), differs=1)})
    assert "Two<mark>, cats</mark>!" in answers_html(comma)
    chinese = found.model_copy(update={"answer": PlayAnswer(pieces=("一个", "白色", "方形"), differs=1)})
    assert "一个<mark>白</mark>色方形" in answers_html(chinese)
    short = found.model_copy(update={"answer": PlayAnswer(pieces=("Two", ""), differs=1)})
    assert "ends sooner" in told_html(short, LARGEST)


def test_the_histogram_has_a_bar_for_each_level_and_places_are_offered() -> None:
    drawn = histogram_html(played((Reformat(where=EVERYTHING, series="int-row", bits=2),)).histogram)
    dark = drawn.split('class="now" d="')[1].split('"')[0]
    assert dark.count("M") == 4 and "4 levels are left" in drawn
    assert [key for _, key in place_choices(LAYERS)][:4] == [EVERYTHING, "vision", "projector", "language"]
    assert [key for _, key in place_choices(LAYERS[2:])] == [EVERYTHING, LAYERS[2].name, LAYERS[3].name]


@pytest.mark.parametrize("series", list(SERIES))
def test_every_format_has_a_name(series: str) -> None:
    assert f"{SERIES[series].nearest(1)} bit" in told_html(played(()), Reformat(where=EVERYTHING, series=series, bits=1))
