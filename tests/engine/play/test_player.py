"""Every verb of a game, against the simulated schemes, bitsandbytes, numpy and plain forward passes of transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bitsandbytes import functional as bnb
from torch import Tensor

from qdash.catalog.format_series import SERIES
from qdash.engine.formats import round_to
from qdash.engine.layers import convertible_layers, rows
from qdash.engine.worker import Worker
from qdash.errors import QdashError
from qdash.records import (
    EVERYTHING,
    AddNoise,
    PlayAction,
    Played,
    PlayRequest,
    Question,
    Reformat,
    RemoveWeights,
    Restore,
)
from tests.engine.conftest import ignore, never
from tests.support.held import generated, model_of

FEW = 8  # tokens of an answer
Loaded = Callable[..., Worker]


class Game:
    """A worker that is played with."""

    def __init__(self, worker: Worker, question: Question) -> None:
        self.worker, self.question = worker, question
        self.model = model_of(worker)
        self.names = list(convertible_layers(self.model))

    def play(self, *actions: PlayAction, where: str = EVERYTHING, question: Question | None = None) -> Played:
        request = PlayRequest(actions=actions, question=question or self.question, max_tokens=FEW, where=where)
        return self.worker.play(request, emit=ignore, stop=never)

    def weights(self) -> dict[str, Tensor]:
        return {name: rows(self.model.get_submodule(name)).detach().clone() for name in self.names}

    def flat(self) -> np.ndarray:
        return np.concatenate([weight.numpy().ravel() for weight in self.weights().values()])


@pytest.fixture
def game(own_worker: Callable[[str], Worker], question: Callable[[str], Question]) -> Game:
    return Game(own_worker("llava"), question("llava"))


def everywhere(series: str, bits: int) -> Reformat:
    return Reformat(where=EVERYTHING, series=series, bits=bits)


@pytest.mark.parametrize(("series", "bits", "scheme"), [("int-g64", 3, "int3-g64"), ("float", 4, "fp4-e2m1")])
def test_a_format_gives_the_weights_the_answer_and_the_size_of_its_scheme(
    game: Game, worker: Loaded, series: str, bits: int, scheme: str
) -> None:
    played = game.play(everywhere(series, bits))
    simulated = worker("llava", scheme)
    theirs = {name: rows(model_of(simulated).get_submodule(name)) for name in game.names}
    assert all(torch.equal(weight, theirs[name]) for name, weight in game.weights().items())
    answer = simulated.answer(game.question, FEW, emit=ignore, stop=never)
    assert "".join(played.answer.pieces) == answer.text
    assert simulated.held is not None and played.bytes == pytest.approx(simulated.held.loaded.projected_bytes, abs=len(game.names))
    assert played.original_bytes > played.bytes and played.changed == len(game.names)


def test_nf4_is_that_of_bitsandbytes_where_blocks_of_64_are_groups() -> None:
    weight = torch.randn(16, 128, generator=torch.Generator().manual_seed(1))
    codes, state = bnb.quantize_4bit(weight, blocksize=64, quant_type="nf4")
    torch.testing.assert_close(round_to(weight, SERIES["nf4"].at(4)), bnb.dequantize_4bit(codes, state), rtol=1e-6, atol=0)


@pytest.mark.parametrize("series", list(SERIES))
def test_a_row_takes_as_many_values_as_the_bits_allow_and_errors_fall_with_bits(series: str) -> None:
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(2))
    errors = []
    for bits in range(SERIES[series].narrowest, SERIES[series].widest + 1):
        rounded = round_to(weight, SERIES[series].at(bits))
        assert max(len(row.unique()) for row in rounded) <= 2**bits
        errors.append(float((rounded - weight).square().mean()))
    # Scales in 16 bits bound what groups gain; floats gain where a bit is one of fraction.
    best = errors[: 9 - SERIES[series].narrowest] if series == "int-g64" else errors
    assert best == sorted(best, reverse=True) or series == "float"


def test_the_divergence_is_that_of_torch(game: Game) -> None:
    untouched = game.play()
    assert untouched.kl_mean_nats == 0 and untouched.answer == untouched.original and untouched.changed == 0
    player: Any = game.worker._player
    asked = player._asked
    expected = _logits(game, asked.inputs, asked.tokens)
    played = game.play(everywhere("int-g64", 2))
    found = _logits(game, asked.inputs, asked.tokens)
    nats = torch.nn.functional.kl_div(found.log_softmax(-1), expected.log_softmax(-1), reduction="batchmean", log_target=True)
    assert played.kl_mean_nats == pytest.approx(float(nats), rel=1e-4) and float(nats) > 1e-4


@torch.no_grad()
def _logits(game: Game, inputs: dict[str, Tensor], tokens: tuple[int, ...]) -> Tensor:
    """What the model predicts at each token, from one pass without qdash."""
    said = torch.tensor([tokens])
    ids = torch.cat([inputs["input_ids"], said], 1)
    given = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
    first = inputs["input_ids"].shape[1] - 1
    return game.model(**given).logits[0, first : first + len(tokens)].double()


def test_undo_and_restore_give_the_same_bits_back(game: Game) -> None:
    original, before = game.flat(), game.play()
    actions = (
        everywhere("int-row", 4),
        RemoveWeights(where="language", which="largest", count=10),
        AddNoise(where="vision", share=0.5, seed=3),
        Reformat(where="projector", series="nf4", bits=4),
    )
    states = []
    for count in range(len(actions) + 1):
        game.play(*actions[:count])
        states.append(game.flat())
    for count in reversed(range(len(actions) + 1)):
        game.play(*actions[:count])
        assert np.array_equal(game.flat(), states[count])
    assert np.array_equal(game.flat(), original)
    healed = game.play(*actions, Restore(where=EVERYTHING))
    assert np.array_equal(game.flat(), original) and healed.answer == before.answer and healed.bytes == before.original_bytes


def test_one_part_or_layer_is_changed_and_healed_alone(game: Game) -> None:
    original = game.weights()
    played = game.play(Reformat(where="vision", series="int-row", bits=1))
    changed = {name for name, weight in game.weights().items() if not torch.equal(weight, original[name])}
    assert changed == {layer.name for layer in played.layers if layer.part == "vision"} and len(changed) == played.changed
    layer = sorted(changed)[0]
    game.play(Reformat(where="vision", series="int-row", bits=1), Restore(where=layer))
    assert {name for name, weight in game.weights().items() if not torch.equal(weight, original[name])} == changed - {layer}
    assert game.play(where=layer).histogram.layer == layer


@pytest.mark.parametrize("count", [1, 100])
def test_the_largest_weights_are_those_that_numpy_finds(game: Game, count: int) -> None:
    original = game.flat()
    game.play(RemoveWeights(where=EVERYTHING, which="largest", count=count))
    gone = np.flatnonzero(game.flat() != original)
    assert len(gone) == count and not game.flat()[gone].any()
    assert set(gone) == set(np.argsort(-np.abs(original), kind="stable")[:count])


def test_random_weights_are_drawn_by_the_seed(game: Game) -> None:
    original = game.flat()

    def gone(seed: int) -> set[int]:
        game.play(RemoveWeights(where=EVERYTHING, which="random", count=100, seed=seed))
        return set(np.flatnonzero((game.flat() == 0) & (original != 0)).tolist())

    first = gone(1)
    assert len(first) == 100 and gone(1) == first and len(gone(2) & first) < 20


def test_noise_has_the_share_of_each_layers_spread_and_follows_the_rounding(game: Game) -> None:
    original = game.weights()
    game.play(AddNoise(where=EVERYTHING, share=0.2, seed=7))
    noisy = game.weights()
    for name, weight in original.items():
        assert float((noisy[name] - weight).std() / weight.std()) == pytest.approx(0.2, rel=0.1)
    game.play(everywhere("int-g64", 4))
    rounded = game.weights()
    game.play(everywhere("int-g64", 4), AddNoise(where=EVERYTHING, share=0.2, seed=7))
    for name, weight in game.weights().items():
        torch.testing.assert_close(weight - rounded[name], noisy[name] - original[name], rtol=0, atol=1e-6)


def test_what_differs_first_is_told(game: Game, own_worker: Callable[[str], Worker]) -> None:
    played = game.play(everywhere("int-row", 1))
    player: Any = game.worker._player
    said = generated(game.model, player._asked.inputs, max_new_tokens=FEW).tolist()
    differs = next(place for place, pair in enumerate(zip(player._asked.tokens, said, strict=False)) if pair[0] != pair[1])
    assert played.answer.differs == played.original.differs == differs
    other = Question(prompt="How many things are there?", png=game.question.png)
    fresh = Game(own_worker("llava"), other).play()
    assert game.play(everywhere("int-row", 1), question=other).original.pieces == fresh.original.pieces


def test_the_histogram_collapses_to_the_levels(game: Game) -> None:
    largest = max(game.weights().items(), key=lambda entry: entry[1].numel())
    for bits in (1, 2, 3):
        levels = game.play(everywhere("int-row", bits)).histogram
        assert levels.layer == largest[0] and levels.levels == (2 if bits == 1 else 2**bits - 1)
        assert sum(count > 0 for count in levels.now) == levels.levels
        assert sum(levels.now) == sum(levels.original) == largest[1].numel()
    whole = game.play().histogram
    assert whole.now == whole.original and whole.levels is None


def test_places_and_formats_that_do_not_exist_are_refused(game: Game) -> None:
    with pytest.raises(QdashError, match="no layers at “nowhere”"):
        game.play(Restore(where="nowhere"))
    with pytest.raises(QdashError, match="no format “int-7”"):
        game.play(Reformat(where=EVERYTHING, series="int-7", bits=4))


def test_a_text_model_is_played_with_too(own_worker: Callable[[str], Worker], checkpoint: Callable[[str], Path]) -> None:
    played = Game(own_worker("qwen3"), Question(prompt="What is it?")).play(everywhere("int-g64", 2), where="language")
    assert {layer.part for layer in played.layers} == {"language"} and played.kl_mean_nats is not None
