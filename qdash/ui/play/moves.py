"""What a person has done so far, and every move as a function from that to what comes of it.

Their values arrive unchecked, so all are checked here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import ValidationError

from qdash.catalog.format_series import SERIES, WIDEST
from qdash.errors import QdashError
from qdash.records import EVERYTHING, MOST_ACTIONS, AddNoise, PlayAction, Reformat, RemoveWeights, Restore

NOISE_SHARE = 0.1
"""Of a layer's standard deviation, what one press of Add noise adds."""

COUNTS = (1, 10, 100)

Action = TypeVar("Action", Reformat, RemoveWeights, AddNoise, Restore)


@dataclass(frozen=True)
class Asked:
    """The sidebar's values that a game needs, unchecked."""

    model: Any
    device: Any
    picture: Any
    question: Any


@dataclass(frozen=True)
class Wanted:
    """A state of the game: what is asked of what. `placed`: whether the controls on the page have to be put where the actions are."""

    asked: Asked
    actions: tuple[PlayAction, ...] = ()
    where: str = EVERYTHING
    placed: bool = False

    @property
    def last(self) -> PlayAction | None:
        """What was done last."""
        return self.actions[-1] if self.actions else None

    @property
    def slider(self) -> tuple[str, int]:
        """The format and the bits that the controls should show."""
        for action in reversed(self.actions):
            if isinstance(action, Reformat):
                return action.series, action.bits
            if isinstance(action, Restore) and action.where == EVERYTHING:
                break
        return next(iter(SERIES)), WIDEST


Move = Callable[[Wanted], Wanted]


def reformatted(series: Any, bits: Any, where: Any) -> Move:
    """The slider at `bits`: a move along it is one action, however many positions it passed."""

    def move(before: Wanted) -> Wanted:
        width = bits if isinstance(bits, int | float) else WIDEST
        chosen = SERIES[series] if isinstance(series, str) and series in SERIES else next(iter(SERIES.values()))
        action = _checked(Reformat, where=where, series=chosen.key, bits=chosen.nearest(round(width)))
        last = before.last
        slides = isinstance(last, Reformat) and (last.where, last.series) == (action.where, action.series)
        return _with(before, before.actions[:-1] if slides else before.actions, action)

    return move


def removed(which: str, count: Any, where: Any) -> Move:
    """The `count` largest weights are gone, or random ones; each time others are drawn."""

    def move(before: Wanted) -> Wanted:
        return _with(before, before.actions, _checked(RemoveWeights, where=where, which=which, count=count, seed=len(before.actions)))

    return move


def noised(where: Any) -> Move:
    """A little more noise."""

    def move(before: Wanted) -> Wanted:
        return _with(before, before.actions, _checked(AddNoise, where=where, share=NOISE_SHARE, seed=len(before.actions)))

    return move


def restored(where: Any) -> Move:
    """As the original again."""

    def move(before: Wanted) -> Wanted:
        action = _checked(Restore, where=where)
        idle = not before.actions or before.last == action
        return before if idle else replace(_with(before, before.actions, action), placed=True)

    return move


def undone(before: Wanted) -> Wanted:
    """Without what was done last."""
    return replace(before, actions=before.actions[:-1], placed=True)


def looked_at(where: Any) -> Move:
    """Another layer is shown."""
    return lambda before: replace(before, where=_place(where), placed=False)


def asking(asked: Asked) -> Move:
    """Another question or picture."""
    return lambda before: replace(before, asked=asked, placed=False)


def _with(before: Wanted, actions: Sequence[PlayAction], action: PlayAction) -> Wanted:
    if len(actions) >= MOST_ACTIONS:
        raise QdashError(f"{MOST_ACTIONS} changes are the most that one game keeps.", "Undo some, or restore everything.")
    return replace(before, actions=(*actions, action), where=action.where, placed=False)


def _checked(kind: Callable[..., Action], **values: Any) -> Action:
    try:
        return kind(**values)
    except ValidationError:
        raise QdashError("This change could not be read.", "Reload the page and choose again.") from None


def _place(where: Any) -> str:
    return where if isinstance(where, str) else EVERYTHING
