"""Prove a mix on the items that the search did not see: beside the original, one scheme for all layers, and a mix drawn by chance."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from qdash.checkpoints import Checkpoint
from qdash.execution import Executor, StopSignal
from qdash.execution.forward import forward_events
from qdash.records import Mix, MixProof, ProofName, Step
from qdash.runs.mix.choice import Choices
from qdash.runs.mix.following import Followed, difference, follow
from qdash.tasks import CalibrationSet

_ALIKE = 1.02
"""Uniform schemes within this factor of the nearest size are of the same size."""


@dataclass(frozen=True)
class Proof:
    """What came of it. `tokens`: of all answers; `snippet`: Python that makes the mix."""

    variants: tuple[MixProof, ...]
    items: tuple[str, ...]
    tokens: int
    snippet: str | None


def rival(choices: Choices, mix: Mix) -> Mix:
    """The best uniform scheme that is not smaller than the mix: of those nearest in size the one of least damage; else the best of all."""
    uniform = [choices.uniform(key) for key in choices.schemes]
    larger = [one for one in uniform if one.weights_bytes >= mix.weights_bytes]
    nearest = min((one.weights_bytes for one in larger), default=0)
    return min([one for one in larger if one.weights_bytes <= nearest * _ALIKE] or uniform, key=lambda one: one.predicted_kl_nats)


def prove(
    choices: Choices, mix: Mix, checkpoint: Checkpoint, held_out: CalibrationSet, executor: Executor, stop: StopSignal | None
) -> Generator[Step, None, Proof]:
    """Follow the answers with all four, yielding progress; a variant that fails says why. Raises QdashError where the original fails."""
    asked: dict[ProofName, Mix] = {
        "original": choices.original, "mix": mix, "uniform": rival(choices, mix), "random": choices.drawn(mix.weights_bytes),
    }  # fmt: skip
    found: list[Followed] = []

    def steps(item: Step | Followed) -> Iterator[Step]:
        if isinstance(item, Followed):
            found.append(item)
        else:
            yield item

    yield from forward_events(follow(list(asked.values()), choices, checkpoint, held_out, executor, stop), steps)
    own = found[1]
    proofs = tuple(
        MixProof(name=name, versus_mix=None if one is own else difference(own.measured, one.measured), **dict(one.measured))
        for name, one in zip(asked, found, strict=True)
    )
    return Proof(proofs, found[0].items, found[0].tokens, own.snippet)
