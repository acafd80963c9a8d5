"""A game has a worker of its own, which ends with it and can come back; what cannot be played with is said."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.execution.inline import InlineExecutor
from qdash.records import EVERYTHING, PlayRequest, Question, Reformat
from qdash.runs.play import begin_play, end_play, play

BROKEN = PlayRequest(actions=(Reformat(where=EVERYTHING, series="int-row", bits=2),), question=Question(prompt="What is it?"), max_tokens=4)


def test_a_game_has_its_own_worker_which_can_come_back(checkpoint: Callable[[str], Path]) -> None:
    executor = InlineExecutor()
    mine, other = (result_of(begin_play(str(checkpoint("qwen3")), owner, executor)) for owner in ("me", "other"))
    first = result_of(play(mine, BROKEN, executor))
    untouched = result_of(play(other, BROKEN.model_copy(update={"actions": ()}), executor))
    assert first.changed and not untouched.changed and untouched.answer == first.original.model_copy(update={"differs": None})
    assert [spec.owner for spec in executor.workers()] == ["me", "other"]
    end_play(mine, executor)
    assert [spec.owner for spec in executor.workers()] == ["other"]
    again = result_of(play(mine, BROKEN, executor))
    assert again == first.model_copy(update={"seconds": again.seconds})
    executor.close()


def test_random_weights_are_not_played_with() -> None:
    with pytest.raises(QdashError, match="random weights"):
        result_of(begin_play("random:qwen3-4b", "me", InlineExecutor()))
