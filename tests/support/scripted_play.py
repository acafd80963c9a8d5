"""Games whose answers follow the bits: with 4 or more it is the original's, with 3 one word is another, with fewer it is nonsense."""

from collections.abc import Generator

from qdash.catalog.format_series import SERIES
from qdash.errors import QdashError
from qdash.records import (
    AddNoise,
    Levels,
    PlayAction,
    PlayAnswer,
    Played,
    PlayLayer,
    PlayRequest,
    Reformat,
    RemoveWeights,
    Restore,
    Step,
    WorkerSpec,
)
from qdash.runs.play import Game

LAYERS = tuple(
    PlayLayer(name=name, part=part, weights=750_000)
    for name, part in (
        ("model.vision_tower.layers.0.fc1", "vision"),
        ("model.projector.linear_1", "projector"),
        ("model.language_model.layers.0.mlp.up_proj", "language"),
        ("model.language_model.layers.0.mlp.down_proj", "language"),
    )
)
ORIGINAL = ("Two", " red", " hearts", " and", " a", " star", ".")
OTHER = ("Two", " red", " hearts", " and", " a", " frog", ".")
NONSENSE = ("the",) * 7
BROKEN = "broken"
"""A question that no move answers."""


class ScriptedPlay:
    """All games. `moves`: what was asked for, in order; `ended`: whose games are over; `seconds`: what a move is said to take."""

    def __init__(self) -> None:
        self.moves: list[PlayRequest] = []
        self.ended: list[str] = []
        self.seconds = 0.1

    def begin(self, model: str, owner: str) -> Generator[Step, None, Game]:
        """A game with any model."""
        yield Step(detail="looking for the model")
        known = {"folder": model, "revision": "r", "task": "image-text-to-text", "scheme": "original"}
        return Game(WorkerSpec.model_validate({**known, "device": "cpu", "dtype": "float32", "threads": 1, "owner": owner}), 0)

    def play(self, game: Game, request: PlayRequest) -> Generator[Step, None, Played]:
        """At once."""
        self.moves.append(request)
        if BROKEN in request.question.prompt:
            raise QdashError("The prompt does not fit.", "Shorten it.")
        yield Step()
        return played(request.actions, self.seconds)


def played(actions: tuple[PlayAction, ...], seconds: float = 0.1) -> Played:
    """What comes of `actions`, by the last format and whether the largest weights are gone."""
    healed = [place for place, action in enumerate(actions) if isinstance(action, Restore)]
    actions = actions[healed[-1] + 1 :] if healed else actions
    formats = [action for action in actions if isinstance(action, Reformat)]
    bits = SERIES[formats[-1].series].nearest(formats[-1].bits) if formats else 16
    hurt = any(isinstance(action, AddNoise) or (isinstance(action, RemoveWeights) and action.which == "largest") for action in actions)
    tokens = NONSENSE if bits < 3 or hurt else OTHER if bits == 3 else ORIGINAL
    differs = next((place for place, pair in enumerate(zip(ORIGINAL, tokens, strict=True)) if pair[0] != pair[1]), None)
    bell = tuple(max(0, 4000 - (place - 63) ** 2) for place in range(127))
    step = 127 // min(2**bits - 1, 127)
    return Played(
        original=PlayAnswer(pieces=ORIGINAL, differs=differs), answer=PlayAnswer(pieces=tokens, differs=differs),
        kl_mean_nats={ORIGINAL: 0.001, OTHER: 0.2, NONSENSE: 6.0}[tokens] if actions else 0.0, bytes=1_250_000 * bits,
        original_bytes=20_000_000, changed=len(LAYERS) if actions else 0, layers=LAYERS, seconds=seconds,
        histogram=Levels(
            layer=LAYERS[2].name, original=bell, now=tuple(count * (place % step == 0) for place, count in enumerate(bell)),
            levels=2**bits if bits < 9 else None,
        ),
    )  # fmt: skip
