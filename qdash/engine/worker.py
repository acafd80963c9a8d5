"""A worker: one variant of a model, loaded once and asked many times. What one worker process hosts, and what runs inline in tests.

It knows nothing of processes: progress goes to `emit`, `stop` is polled, and what went wrong comes out as a `QdashError`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import torch
from transformers import PreTrainedModel
from transformers.utils import logging

from qdash.catalog.schemes import find_scheme
from qdash.engine.exercise import solve
from qdash.engine.failures import cancelled, memory_errors
from qdash.engine.generation import answer, greedy
from qdash.engine.inspector import inspect
from qdash.engine.layers import coverage
from qdash.engine.loading import load_model, load_processor, load_skeleton
from qdash.engine.meters import PeakMemory, copy_out_of_file, private_bytes, release_freed, trim
from qdash.engine.prompting import (
    Inputs,
    Processor,
    before_marker,
    build_inputs,
    check_no_marker,
    check_question,
    read_image,
    tokenizer_of,
)
from qdash.engine.quality import agree, refer
from qdash.engine.schemes import Build, family_for, restorer_of, why_unfit
from qdash.engine.sizes import projected_bytes, saved_bytes, weights_bytes
from qdash.engine.timing import timed
from qdash.engine.weights import go_on, weigh
from qdash.engine.weights.detail import Spot, look_at
from qdash.records import (
    Agreement,
    Answer,
    BatchAnswered,
    Exercise,
    Exercised,
    InspectorReport,
    LayerDetail,
    Loaded,
    Measurement,
    Question,
    Reference,
    Step,
    TextSoFar,
    Timed,
    WeighedLayer,
    WeightReport,
    WorkerSpec,
)

Emit = Callable[[Step | TextSoFar | WeighedLayer | BatchAnswered], None]
Stop = Callable[[], bool]


@dataclass(frozen=True)
class Held:
    """What a loaded worker keeps."""

    model: PreTrainedModel
    processor: Processor
    idle_bytes: int
    loaded: Loaded


class Worker:
    """Holds one variant. Every method emits progress, and raises QdashError: "cancelled", "out_of_memory", "checkpoint", "bad_input"."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self.held: Held | None = None  # once loaded
        # transformers reports on stderr what a worker reports as an error or not at all.
        logging.set_verbosity_error()
        torch.set_num_threads(spec.threads)

    def load(self, *, emit: Emit, stop: Stop) -> Loaded:
        """Load the variant, or answer at once if that is done. Also "unavailable" for a package that is missing."""
        if self.held is None:
            with memory_errors("loading the model", self.spec.device):
                self.held = self._load(emit, stop)
        return self.held.loaded

    def answer(self, question: Question, max_tokens: int, *, emit: Emit, stop: Stop) -> Answer:
        """One greedy answer of at most `max_tokens` tokens; emits the text so far."""
        self.load(emit=emit, stop=stop)
        held = self._ready(question)
        with memory_errors("answering", self.spec.device):
            inputs = build_inputs(held.processor, question.prompt, read_image(question), held.model)
            on_text = partial(_report_text, emit)
            return answer(held.model, tokenizer_of(held.processor), inputs, max_tokens, on_text, stop)

    def time(self, question: Question, measurement: Measurement, *, emit: Emit, stop: Stop) -> Timed:
        """Warm-up and timed runs of equal length; emits a step per run."""
        self.load(emit=emit, stop=stop)
        held = self._ready(question)
        with memory_errors("timing", self.spec.device):
            on_run = partial(_report_run, emit)
            image = read_image(question)
            return timed(held.model, held.processor, question.prompt, image, measurement, held.idle_bytes, on_run, stop)

    def refer(self, question: Question, said: tuple[int, ...] | str, *, emit: Emit, stop: Stop) -> Reference:
        """What this variant says at every token of `said` after the question: of an answer given by its tokens, or of a text."""
        with self._scoring(question, emit, stop) as (held, inputs):
            tokenizer = tokenizer_of(held.processor)
            if isinstance(said, str):
                check_no_marker(held.processor, said, "reference text")
                said = tuple(tokenizer(said, add_special_tokens=False)["input_ids"])
            return refer(held.model, tokenizer, inputs, before_marker(held.processor, said), partial(_report_token, emit), stop)

    def score(self, question: Question, reference: Reference, *, emit: Emit, stop: Stop) -> Agreement:
        """How closely this variant follows `reference`. Also "bad_input" for a variant with another vocabulary."""
        with self._scoring(question, emit, stop) as (held, inputs):
            return agree(held.model, tokenizer_of(held.processor), inputs, reference, partial(_report_token, emit), stop)

    def exercise(self, exercise: Exercise, *, emit: Emit, stop: Stop) -> Exercised:
        """Many questions in batches; emits each batch's answers."""
        self.load(emit=emit, stop=stop)
        assert self.held is not None
        torch.set_num_threads(self.spec.threads)
        with memory_errors("answering", self.spec.device):
            return solve(self.held.model, self.held.processor, exercise, self.held.idle_bytes, emit, stop)

    def inspect(self, folder: str | None, *, emit: Emit, stop: Stop) -> InspectorReport:
        """What is inside the variant; it is saved in `folder` for a moment, to see what that gives. None: it is not saved."""
        self.load(emit=emit, stop=stop)
        assert self.held is not None
        _report(emit, stop, None, "counting" if folder is None else "counting and saving")
        with memory_errors("inspecting", self.spec.device):
            scheme, projected = find_scheme(self.spec.scheme or ""), self.held.loaded.projected_bytes
            return inspect(self.held.model, scheme, projected, None if folder is None else Path(folder))

    def weigh(self, schemes: Sequence[str], *, emit: Emit, stop: Stop) -> WeightReport:
        """Error statistics of the checkpoint's weights under `schemes`; needs no loaded model. Emits what is known of each layer."""
        chosen = [find_scheme(key) for key in schemes]
        with self._weighing():
            restores = {scheme.key: partial(restorer_of, scheme, self.spec) for scheme in chosen}
            folder, device = Path(self.spec.folder), self.spec.device
            return weigh(folder, load_skeleton(self.spec), chosen, restores, emit=emit, stop=stop, device=device)

    def weigh_layer(self, scheme: str, layer: str, row: int | None, column: int, *, emit: Emit, stop: Stop) -> LayerDetail:
        """One layer of the checkpoint, near enough to see single weights; needs no loaded model."""
        chosen = find_scheme(scheme)
        with self._weighing():
            restore, spot = partial(restorer_of, chosen, self.spec), Spot(layer, row, column)
            folder, skeleton = Path(self.spec.folder), load_skeleton(self.spec)
            return look_at(folder, skeleton, chosen, restore, spot, partial(go_on, stop), self.spec.device)

    @contextmanager
    def _scoring(self, question: Question, emit: Emit, stop: Stop) -> Iterator[tuple[Held, Inputs]]:
        self.load(emit=emit, stop=stop)
        held = self._ready(question)
        with memory_errors("comparing word by word", self.spec.device):
            yield held, build_inputs(held.processor, question.prompt, read_image(question), held.model)
        # What scoring needed must not count as the memory of a later run.
        trim()

    @contextmanager
    def _weighing(self) -> Iterator[None]:
        torch.set_num_threads(self.spec.threads)
        with memory_errors("comparing weights", self.spec.device):
            yield

    def _load(self, emit: Emit, stop: Stop) -> Held:
        spec = self.spec
        torch.set_num_threads(spec.threads)
        scheme = find_scheme(spec.scheme or "")
        skeleton = load_skeleton(spec)
        family = family_for(scheme, skeleton)
        arguments, snippet = family.load_kwargs(scheme, spec, skeleton), family.snippet(scheme, spec, skeleton)
        del skeleton
        idle_bytes = _idle_bytes(spec.device)
        started = perf_counter()
        with PeakMemory(spec.device, idle_bytes) as memory:
            model = load_model(spec, arguments, partial(_report, emit, stop, words="loading weights"))
            copy_out_of_file(model, Path(spec.folder))
            processor = load_processor(spec)
            family.transform(model, scheme, Build(spec, processor, partial(_report, emit, stop)))
            saved = saved_bytes(model)
            family.settle(model)
        load_s = perf_counter() - started
        _decode_greedily(model)
        release_freed()
        loaded = Loaded(
            load_s=load_s,
            load_peak_bytes=memory.peak_bytes,
            weights_bytes=weights_bytes(model),
            saved_bytes=saved,
            projected_bytes=projected_bytes(model) if scheme.kind == "simulated" else None,
            dtype=str(arguments["dtype"]).removeprefix("torch."),
            coverage=coverage(model, scheme, partial(why_unfit, scheme, spec)),
            snippet=snippet,
        )
        return Held(model, processor, idle_bytes, loaded)

    def _ready(self, question: Question) -> Held:
        assert self.held is not None
        # Threads are the process's; inline, another worker may have set them since.
        torch.set_num_threads(self.spec.threads)
        check_question(self.held.processor, question)
        return self.held


def _idle_bytes(device: str) -> int:
    """Private memory before the model, when all that is not the model is there: code, thread pools, the CUDA context."""
    probe = torch.ones(256, 256, device=device)
    torch.mm(probe, probe)
    del probe
    release_freed()
    return private_bytes()


def _decode_greedily(model: PreTrainedModel) -> None:
    config = greedy(model.generation_config)
    if config.pad_token_id is None and config.eos_token_id is not None:
        # `generate` would choose the same and say so at every call.
        config.pad_token_id = config.eos_token_id if isinstance(config.eos_token_id, int) else config.eos_token_id[0]
    model.generation_config = config


def _report(emit: Emit, stop: Stop, fraction: float | None, words: str) -> None:
    if stop():
        raise cancelled()
    emit(Step(fraction=fraction, detail=words))


def _report_text(emit: Emit, text: str) -> None:
    emit(TextSoFar(text=text))


def _report_token(emit: Emit, done: int, total: int) -> None:
    emit(Step(fraction=done / total, detail=f"token {done} of {total}"))


def _report_run(emit: Emit, done: int, total: int) -> None:
    emit(Step(fraction=done / total, detail=f"run {done + 1} of {total}"))
