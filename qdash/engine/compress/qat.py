"""Quantization-aware training: a model learns to say, with its weights rounded or zero in part, what it said before.

The teacher is the model as it was published; the loss is the Kullback–Leibler divergence KL(teacher ‖ student) of the next token, averaged
over the tokens to be said (Hinton et al. 2015; for quantization Liu et al. 2023, LLM-QAT). Only the weights that the scheme changes are
trained, with AdamW; the learning rate of a layer falls with the number of its inputs, as in µP (Yang et al. 2022), and with the time that
is spent. Passages that are not trained on are scored meanwhile. The best weights by these, and the state to go on from, are on the disk
from then on, so that a stop at any moment loses some seconds of training and nothing else.
"""

import copy
import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import torch
from pydantic import TypeAdapter
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from qdash.catalog.healed_files import STATE, WEIGHTS
from qdash.engine.compress.constraints import Constraint
from qdash.engine.compress.passages import Batches, EncodedPassage, batch_size, can_share, said_logits
from qdash.engine.generation import Watch
from qdash.engine.layers import shape
from qdash.engine.meters import trim
from qdash.engine.teacher_forcing import vocab_size
from qdash.errors import QdashError
from qdash.records import Healing, HealJob, HealPoint, Passage, candidates
from qdash.scratch import scratch_folder

RATE = 0.256
"""Learning rate times inputs of a layer: 1e-3 for 256 inputs."""
WARM_UP_STEPS = 20
LOWEST_RATE = 0.01
SAMPLE = 32
"""Passages whose length decides how many a step has."""
POINTS = 20
"""How often held-out passages are scored in the time that was asked for, at most."""
SCORING_SHARE = 0.15
"""Of the time, what scoring may take."""
SHOWN_EVERY_S = 0.5

_POINTS = TypeAdapter(tuple[HealPoint, ...])
Encode = Callable[[Passage], EncodedPassage]


@dataclass(frozen=True)
class Subject:
    """What is trained: a float32 model, the layers that a scheme changes, by path, what their weights have to be, and how passages are
    encoded.

    `compute_dtype`: what products are computed in while training; scores are computed in the model's own type.
    """

    model: PreTrainedModel
    layers: Sequence[str]
    constraint: Constraint
    encode: Encode
    compute_dtype: torch.dtype


@dataclass
class Progress:
    """How far training is; `points` begin with the score of the weights that are only rounded or pruned."""

    seconds: float = 0.0
    steps: int = 0
    points: list[HealPoint] = field(default_factory=list)

    @property
    def best(self) -> float:
        """The lowest held-out divergence so far."""
        return min(point.held_out_kl for point in candidates(self.points))


@dataclass(frozen=True)
class Trained:
    """What came of it."""

    points: tuple[HealPoint, ...]
    parameters: int
    batch: int


def train(subject: Subject, job: HealJob, emit: Callable[[Healing], None], stop: Callable[[], bool]) -> Trained:
    """Train until `job.seconds` are spent, from where the state in the job's folder ends; the model itself stays as it is.

    Raises QdashError("cancelled"), and "not_finite" where training diverges.
    """
    student = copy.deepcopy(subject.model).requires_grad_(False)
    with subject.constraint.on({path: student.get_submodule(path) for path in subject.layers}) as weights:
        return _Training(subject, student, weights, job, emit, stop).run()


class _Training:
    """The student, its optimizer, and how far it is."""

    def __init__(
        self,
        subject: Subject,
        student: PreTrainedModel,
        weights: Mapping[str, nn.Parameter],
        job: HealJob,
        emit: Callable[[Healing], None],
        stop: Callable[[], bool],
    ) -> None:
        self.subject, self.student, self.weights, self.job, self.emit, self.stop = subject, student, weights, job, emit, stop
        self.optimizer = torch.optim.AdamW(_groups(subject.model, weights), betas=(0.9, 0.98), weight_decay=0.0, fused=True)
        sample = [subject.encode(passage) for passage in job.passages[:SAMPLE]]
        self.size = batch_size(sample, vocab_size(student))
        pair = sorted(sample, key=lambda item: item.length)[:: max(1, len(sample) - 1)]
        with torch.no_grad():
            if len(pair) > 1 and not can_share(subject.model, pair):
                self.size = 1
        self.batches = Batches(job.passages, self.size, job.seed)
        self.held_out = [subject.encode(passage) for passage in job.held_out]
        self.progress = self._resumed() or Progress()

    def run(self) -> Trained:
        """Train to the end."""
        progress, scored_s, shown_s, losses = self.progress, 0.0, 0.0, list[Tensor]()
        with Watch(self.student, self.stop), Watch(self.subject.model, self.stop):
            if not progress.points:
                self.subject.constraint.tighten(1.0)
                scored_s = self._score(losses)
                self.subject.constraint.loosen()
            self._show()
            began_s, last_s = perf_counter() - progress.seconds, perf_counter()
            while progress.seconds < self.job.seconds:
                losses.append(self._step(progress.seconds / self.job.seconds))
                progress.seconds, progress.steps = perf_counter() - began_s, progress.steps + 1
                if perf_counter() - last_s > max(self.job.seconds / POINTS, scored_s / SCORING_SHARE):
                    scored_s = self._score(losses)
                    last_s, progress.seconds = perf_counter(), perf_counter() - began_s
                if perf_counter() - shown_s > SHOWN_EVERY_S:
                    shown_s = perf_counter()
                    self._show(losses)
            if losses:
                self._score(losses)
            elif progress.steps:
                self._keep()  # the time of the last score is spent too
        return Trained(tuple(progress.points), sum(weight.numel() for weight in self.weights.values()), self.size)

    def _step(self, spent: float) -> Tensor:
        """One update, when `spent` of the time is over; returns the loss."""
        self.subject.constraint.tighten(spent)
        rate = max(LOWEST_RATE, (1 + math.cos(math.pi * spent)) / 2) * min(1.0, (self.progress.steps + 1) / WARM_UP_STEPS)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["full_rate"]
        batch = [self.subject.encode(passage) for passage in self.batches.at(self.progress.steps)]
        loss = self._divergence(batch, self._computing).mean()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(list(self.weights.values()), 1.0)
        if not norm.isfinite():
            raise _diverged()
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.student.device.type == "cpu":
            trim(self.student.device)  # steps have many shapes, and the holes that tensors leave would add up to several times the peak
        return loss.detach()

    @torch.no_grad()
    def _score(self, losses: list[Tensor]) -> float:
        """Score the held-out passages, keep what is best and where training is, and empty `losses`; returns the seconds that it took."""
        began, size, total, count = perf_counter(), self.size, 0.0, 0
        for start in range(0, len(self.held_out), size):
            found = self._divergence(self.held_out[start : start + size], nullcontext)
            total, count = total + float(found.double().sum()), count + len(found)
        point = HealPoint(
            seconds=self.progress.seconds,
            steps=self.progress.steps,
            train_kl=_mean(losses),
            held_out_kl=total / count,
            zeros=self.subject.constraint.zeros,
        )
        if not math.isfinite(point.held_out_kl):
            raise _diverged()
        losses.clear()
        before = self.progress.points
        is_best = bool(before) and point in candidates([*before[:1], point]) and point.held_out_kl < self.progress.best
        before.append(point)
        if is_best:
            _write(Path(self.job.folder), WEIGHTS, self._trained(), {})
        if len(self.progress.points) > 1:
            self._keep()
        self._show()
        return perf_counter() - began

    def _divergence(self, batch: Sequence[EncodedPassage], computing: Callable[[], AbstractContextManager[object]]) -> Tensor:
        """KL(teacher ‖ student) of every token to be said, float32 [tokens]."""
        with computing():
            with torch.no_grad():
                teacher = said_logits(self.subject.model, batch).log_softmax(-1)
            student = said_logits(self.student, batch).log_softmax(-1)
        return nn.functional.kl_div(student, teacher, reduction="none", log_target=True).sum(-1)

    def _computing(self) -> AbstractContextManager[object]:
        if self.subject.compute_dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.student.device.type, self.subject.compute_dtype)

    def _show(self, losses: Sequence[Tensor] = ()) -> None:
        points, progress = self.progress.points, self.progress
        words = f"step {progress.steps:,}: divergence {points[-1].held_out_kl:.4f}, unhealed {points[0].held_out_kl:.4f}"
        fraction, loss = min(1.0, progress.seconds / self.job.seconds), _mean(losses)
        self.emit(Healing(fraction=fraction, detail=words, points=tuple(points), steps=progress.steps, train_kl=loss))

    def _trained(self) -> dict[str, Tensor]:
        """The weights before they are rounded, or with their zeros, (out, in)."""
        stored = ((path, isinstance(self.student.get_submodule(path), Conv1D)) for path in self.subject.layers)
        return {path: self._held(path).T if transposed else self._held(path) for path, transposed in stored}

    def _held(self, path: str) -> Tensor:
        return self.subject.constraint.kept(path, self.weights[path].detach())

    def _keep(self) -> None:
        """Write all that training goes on from."""
        tensors = {f"weight/{name}": self._held(name) for name in self.weights}
        for name, weight in self.weights.items():
            for moment in ("exp_avg", "exp_avg_sq"):
                tensors[f"{moment}/{name}"] = self.optimizer.state[weight][moment]
        about = {"seconds": self.progress.seconds, "steps": self.progress.steps, "points": _POINTS.dump_python(tuple(self.progress.points))}
        _write(Path(self.job.folder), STATE, tensors, about | _what(self.job))

    @torch.no_grad()
    def _resumed(self) -> Progress | None:
        """Where an earlier training of the same passages got to, its weights and moments put in place; None if there was none."""
        file = Path(self.job.folder) / STATE
        if not file.is_file():
            return None
        with safe_open(file, framework="pt", device=str(self.student.device)) as state:
            about = json.loads(state.metadata()["about"])
            if any(about[name] != value for name, value in _what(self.job).items()):
                return None
            for name, weight in self.weights.items():
                weight.copy_(state.get_tensor(f"weight/{name}"))
                moments = {moment: state.get_tensor(f"{moment}/{name}") for moment in ("exp_avg", "exp_avg_sq")}
                self.optimizer.state[weight] = {"step": torch.tensor(float(about["steps"]), device=weight.device), **moments}
        return Progress(about["seconds"], about["steps"], list(_POINTS.validate_python(about["points"])))


def _mean(losses: Sequence[Tensor]) -> float | None:
    return float(torch.stack(list(losses)).mean()) if losses else None


def _what(job: HealJob) -> dict[str, object]:
    """What must be the same for a training to be gone on with."""
    return {"scheme": job.scheme, "digest": job.digest, "seed": job.seed}


def _groups(model: nn.Module, weights: Mapping[str, nn.Parameter]) -> list[dict[str, object]]:
    """The weights of layers by their number of inputs, with the rate that this gives."""
    by_inputs: dict[int, list[nn.Parameter]] = {}
    for path, weight in weights.items():
        by_inputs.setdefault(shape(model.get_submodule(path))[1], []).append(weight)
    return [{"params": members, "lr": 0.0, "full_rate": RATE / inputs} for inputs, members in by_inputs.items()]


def _write(folder: Path, name: str, tensors: Mapping[str, Tensor], about: Mapping[str, object]) -> None:
    """Write a file, whole or not at all."""
    part = scratch_folder(folder, "part")
    try:
        on_cpu = {path: tensor.detach().cpu().contiguous() for path, tensor in tensors.items()}
        save_file(on_cpu, part / name, {"about": json.dumps(about)})
        (part / name).replace(folder / name)
    finally:
        (part / name).unlink(missing_ok=True)
        part.rmdir()


def _diverged() -> QdashError:
    message = "Training diverged: the numbers are no longer finite."
    return QdashError(message, "Give it other passages, or a scheme with more bits.", "not_finite")
