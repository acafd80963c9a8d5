"""A worker: one variant of a model, loaded once and asked many times. What one worker process hosts, and what runs inline in tests.

It knows nothing of processes: progress goes to `emit`, `stop` is polled, and what went wrong comes out as a `QdashError`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
from transformers.utils import logging

from qdash.catalog.schemes import Scheme, find_scheme
from qdash.engine import accelerator
from qdash.engine.batch_generation import run_batches
from qdash.engine.compress.healing import heal
from qdash.engine.compress.sensitivity import Sensitivity
from qdash.engine.context_peak import context_peak
from qdash.engine.failures import cancelled, memory_errors, model_errors
from qdash.engine.generation import answer
from qdash.engine.loaded_variant import LoadedVariant, load_variant
from qdash.engine.loading import begin, load_skeleton
from qdash.engine.meters import release_freed, trim
from qdash.engine.model_report import report_model
from qdash.engine.play.player import Player
from qdash.engine.prompting import (
    Inputs,
    before_marker,
    build_inputs,
    check_no_marker,
    check_question,
    inputs_of,
    plain_inputs,
    read_image,
    tokenizer_of,
)
from qdash.engine.quality import compare_to_reference, record_reference
from qdash.engine.same_logits import compare_logits, logits_along
from qdash.engine.schemes import Calibrated, QuantizeContext, family_for, held_rows, row_dequantizer_of
from qdash.engine.schemes.published import is_published_quantized
from qdash.engine.teacher_forcing import GeneratedLogits, recording_logits
from qdash.engine.timing import timed_run, warm_up
from qdash.engine.vocabulary import check_tokens
from qdash.engine.weights import Restore, go_on, measure_weight_error
from qdash.engine.weights.against import Side, compare_files
from qdash.engine.weights.detail import WeightPosition, layer_detail
from qdash.engine.writing import Writing
from qdash.records import (
    Agreement,
    Answer,
    BatchRequest,
    BatchStats,
    Emitted,
    Healed,
    HealJob,
    InspectorReport,
    LayerDetail,
    Loaded,
    Logits,
    Measurement,
    MemoryWatched,
    Played,
    PlayRequest,
    Question,
    Reference,
    ReloadCheck,
    SchemeWeights,
    SensitivityBegun,
    SensitivityRequest,
    Step,
    TextSoFar,
    TimedRun,
    WeightFile,
    WeightReport,
    WorkerSpec,
    Written,
)

CHANGES_ITSELF = "it changes its own weights when it is first called, and would change those of the saved model once more"

Emit = Callable[[Emitted], None]
Stop = Callable[[], bool]


class Worker:
    """Holds one variant. Every method emits progress, and raises QdashError: "cancelled", "out_of_memory", "checkpoint", "bad_input"."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self.held: LoadedVariant | None = None  # once loaded
        self._generated: tuple[Question, GeneratedLogits] | None = None  # of the last answer
        self._device = torch.device(spec.device)
        self._warmed: dict[str, MemoryWatched] = {}
        self._player: Player | None = None
        self._untrimmed = False
        # transformers reports on stderr what a worker reports as an error or not at all.
        logging.set_verbosity_error()

    def load(self, *, emit: Emit, stop: Stop) -> Loaded:
        """Load the variant, or answer at once if that is done. Also "unavailable" for a package that is missing."""
        if self.held is None:
            with self._working("loading the model"):
                self.held = self._load(emit, stop)
        return self.held.loaded

    def answer(self, question: Question, max_tokens: int, *, emit: Emit, stop: Stop) -> Answer:
        """One greedy answer of at most `max_tokens` tokens; emits the text so far."""
        held = self._loaded(emit, stop)
        with self._working("answering"):
            check_question(held.processor, question)
            inputs = build_inputs(held.processor, question.prompt, read_image(question), held.model)
            with recording_logits(held.model) as scores:
                given = answer(held.model, tokenizer_of(held.processor), inputs, max_tokens, partial(_report_text, emit), stop)
            self._generated = (question, GeneratedLogits(given.tokens[: len(scores)], torch.stack(scores))) if scores else None
            return given

    def warm_up(self, question: Question, measurement: Measurement, *, emit: Emit, stop: Stop) -> MemoryWatched:
        """Runs before those that are timed; answers at once if that is done. Emits a step per run."""
        held, key = self._loaded(emit, stop), _key_of(question, measurement)
        if key not in self._warmed:
            with self._working("warming up"):
                check_question(held.processor, question)
                on_run, image, idle_bytes = partial(_report_run, emit), read_image(question), self._idle_bytes(held)
                self._warmed[key] = warm_up(held.model, held.processor, question.prompt, image, measurement, idle_bytes, on_run, stop)
        return self._warmed[key]

    def time(self, question: Question, tokens: int, *, emit: Emit, stop: Stop) -> TimedRun:
        """One timed run of `tokens` new tokens."""
        held = self._loaded(emit, stop)
        # What this run frees stays with the worker, so that the next one finds memory as it would in a program that goes on.
        with self._working("timing", trims=False):
            return timed_run(held.model, held.processor, question.prompt, read_image(question), tokens, stop)

    def measure_context(self, tokens: int, conversations: int, *, emit: Emit, stop: Stop) -> MemoryWatched:
        """The peak of `conversations` texts of `tokens` tokens each, read together and continued by a few. Also "bad_input"."""
        held = self._loaded(emit, stop)
        with self._working("reading the context"):
            return context_peak(held.model, tokens, conversations, self._idle_bytes(held), stop)

    def measure_sensitivity(self, request: SensitivityRequest, *, emit: Emit, stop: Stop) -> SensitivityBegun:
        """What quantizing each layer alone does to this variant's own answers; emits how that is found out, then layer by layer.

        Also "bad_input". The model is as it was afterwards.
        """
        held = self._loaded(emit, stop)
        with self._working("measuring what layers cost"):
            build = QuantizeContext(self.spec, held.processor, partial(_report, lambda step: None, stop), Calibrated())
            return Sensitivity(held.model, held.processor, build, emit, stop).find(request)

    def heal(self, job: HealJob, *, emit: Emit, stop: Stop) -> Healed:
        """Train what the job's scheme rounds to say with it what this variant, the original in float32, says.

        Emits the steps, and a point whenever the held-out passages were scored; from then on the best weights are in the job's folder. Also
        "bad_input", and "unavailable" where there is nothing to train.
        """
        held = self._loaded(emit, stop)
        with self._working("training"):
            return heal(held.model, held.processor, self.spec, job, self._idle_bytes(held), emit, stop)

    def play(self, request: PlayRequest, *, emit: Emit, stop: Stop) -> Played:
        """Change this variant, the original, as the request says, and answer. For a worker with an owner: its model stays changed."""
        held = self._loaded(emit, stop)
        with self._working("playing"):
            self._player = self._player or Player(held.model, held.processor)
            return self._player.move(request, stop)

    def record_reference(
        self, question: Question, said: tuple[int, ...] | str, stepwise: bool = False, *, emit: Emit, stop: Stop
    ) -> Reference:
        """What this variant says at every token of `said` after the question: of an answer given by its tokens, or of a text.

        `stepwise`: the tokens are scored one at a time.
        """
        with self._scoring(question, emit, stop) as (held, inputs):
            tokenizer = tokenizer_of(held.processor)
            if isinstance(said, str):
                check_no_marker(held.processor, said, "reference text")
                said = self._tokens(held, said)
            generated = self._generated[1] if self._generated is not None and self._generated[0] == question else None
            tokens, on_token = before_marker(held.processor, said), partial(_report_token, emit)
            return record_reference(held.model, tokenizer, inputs, tokens, on_token, stop, generated, stepwise=stepwise)

    def compare_to_reference(self, question: Question, reference: Reference, *, emit: Emit, stop: Stop) -> Agreement:
        """How closely this variant follows `reference`. Also "bad_input" for a variant with another vocabulary.

        After a plain text it reads the reference's own tokens, so that tokenizers that begin a text in other ways make no difference.
        """
        with self._scoring(question, emit, stop) as (held, inputs):
            if question.plain:
                inputs = inputs_of(reference.prompt, held.model)
            return compare_to_reference(held.model, tokenizer_of(held.processor), inputs, reference, partial(_report_token, emit), stop)

    def run_batches(self, request: BatchRequest, *, emit: Emit, stop: Stop, pause: Stop = lambda: False) -> BatchStats:
        """Many questions in batches; emits each batch's answers, and after each returns early if `pause()`."""
        held = self._loaded(emit, stop)
        with self._working("answering"):
            return run_batches(held.model, held.processor, request, self._idle_bytes(held), emit, stop, pause)

    def report_model(self, folder: str | None, *, emit: Emit, stop: Stop) -> InspectorReport:
        """What is inside the variant; it is saved in `folder` for a moment, to see what that gives. None: it is not saved."""
        held = self._loaded(emit, stop)
        _report(emit, stop, None, words="counting" if folder is None else "counting and saving")
        with self._working("inspecting"):
            scheme, projected = find_scheme(self.spec.scheme or ""), held.loaded.projected_bytes
            unsaveable = held.family.unsaveable(scheme, self.spec, load_skeleton(self.spec)) if folder is not None else None
            report = report_model(held.model, scheme, held.family, projected, None if folder is None else Path(folder), unsaveable)
            return report.model_copy(update={"coverage": held.loaded.coverage})

    def saving_problem(self, *, emit: Emit, stop: Stop) -> str | None:
        """Why this variant cannot be saved so that it loads again, as a clause; None if nothing is known. Needs no loaded model."""
        with self._working("looking at the model's layers"):
            scheme, skeleton = find_scheme(self.spec.scheme or ""), load_skeleton(self.spec)
            if not is_published_quantized(skeleton.config) and begin(skeleton):
                return CHANGES_ITSELF
            return family_for(scheme, skeleton).unsaveable(scheme, self.spec, skeleton)

    def save(self, folder: str, room_bytes: int, *, emit: Emit, stop: Stop) -> Written:
        """Load the variant anew and write it into an empty folder, with all that turns a question into its inputs.

        Anew, because what a first call repacks cannot always be packed back to the same bits. Nothing is written where it would take more
        than `room_bytes`.
        """
        self.release()
        with self._working("saving"):
            writing = Writing(Path(self.spec.folder), Path(folder), room_bytes, partial(_report, emit, stop, None))
            self.held = self._load(emit, stop, writing)
            return writing.written(self.held.loaded)

    def logits(self, question: Question, text: str, *, emit: Emit, stop: Stop) -> Logits:
        """What this variant predicts at each token of `text` after the question."""
        with self._scoring(question, emit, stop) as (held, inputs):
            return logits_along(held.model, inputs, self._tokens(held, text), stop)

    def compare_logits(self, question: Question, text: str, expected: Logits, *, emit: Emit, stop: Stop) -> ReloadCheck:
        """How far this variant's logits are from `expected`."""
        with self._scoring(question, emit, stop) as (held, inputs):
            return compare_logits(held.model, inputs, self._tokens(held, text), expected, stop)

    def measure_weight_error(self, schemes: Sequence[str], *, emit: Emit, stop: Stop) -> WeightReport:
        """Error statistics of the checkpoint's weights under `schemes`. Emits what is known of each layer.

        Needs a loaded model only for a scheme that is calibrated, which has to be this worker's own.
        """
        chosen = [find_scheme(key) for key in schemes]
        restores = {scheme.key: self._restore(scheme, emit, stop) for scheme in chosen}
        with self._working("comparing weights"):
            folder, device = Path(self.spec.folder), self.spec.device
            return measure_weight_error(folder, load_skeleton(self.spec), chosen, restores, emit=emit, stop=stop, device=device)

    def measure_layer(self, scheme: str, layer: str, row: int | None, column: int, *, emit: Emit, stop: Stop) -> LayerDetail:
        """One layer of the checkpoint, near enough to see single weights; needs a loaded model as `measure_weight_error` does."""
        chosen = find_scheme(scheme)
        restore, position = self._restore(chosen, emit, stop), WeightPosition(layer, row, column)
        with self._working("comparing weights"):
            folder, skeleton = Path(self.spec.folder), load_skeleton(self.spec)
            return layer_detail(folder, skeleton, chosen, restore, position, partial(go_on, stop), self.spec.device)

    def compare_files(self, own: WeightFile, other: WeightFile, *, emit: Emit, stop: Stop) -> SchemeWeights:
        """The weights of another file of the model against its own; needs no loaded model. Emits what is known of each layer."""
        with self._working("comparing weights"):
            sides = (Side(file.name, file.spec, load_skeleton(file.spec), file.types) for file in (own, other))
            return compare_files(*sides, emit=emit, stop=stop)

    def release(self) -> None:
        """Drop the model, and give its memory back to the system and the device."""
        self.held = self._generated = self._player = None
        self._warmed.clear()
        _TAKEN.pop(self, None)
        release_freed(self._device)

    def _restore(self, scheme: Scheme, emit: Emit, stop: Stop) -> Restore:
        if not scheme.calibrated:
            return partial(row_dequantizer_of, scheme, self.spec)
        if scheme.key != self.spec.scheme:
            raise ValueError(f"A worker of {self.spec.scheme} cannot tell the weights of {scheme.key}.")
        return partial(held_rows, self._loaded(emit, stop).model)

    @staticmethod
    def _tokens(held: LoadedVariant, text: str) -> tuple[int, ...]:
        tokenizer = tokenizer_of(held.processor)
        tokens = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
        check_tokens(held.model, tokenizer, tokens or (0,))
        return tokens

    @contextmanager
    def _scoring(self, question: Question, emit: Emit, stop: Stop) -> Iterator[tuple[LoadedVariant, Inputs]]:
        held = self._loaded(emit, stop)
        with self._working("comparing word by word"):
            if question.plain:
                yield held, plain_inputs(held.processor, question.prompt, held.model)
                return
            check_question(held.processor, question)
            yield held, build_inputs(held.processor, question.prompt, read_image(question), held.model)

    @contextmanager
    def _working(self, doing: str, *, trims: bool = True) -> Iterator[None]:
        """Set what other workers in this process may have changed, threads and current device, and clean up after `doing` something."""
        torch.set_num_threads(self.spec.threads)
        with accelerator.current(self._device), memory_errors(doing), model_errors(doing):
            if trims and self._untrimmed:
                trim(self._device)
            try:
                yield
            finally:
                # Memory that this call freed must neither count towards a later one nor be kept from other workers.
                if trims:
                    trim(self._device)
                self._untrimmed = not trims

    def _loaded(self, emit: Emit, stop: Stop) -> LoadedVariant:
        self.load(emit=emit, stop=stop)
        assert self.held is not None
        return self.held

    def _load(self, emit: Emit, stop: Stop, writing: Writing | None = None) -> LoadedVariant:
        held = load_variant(self.spec, partial(_report, emit, stop), self._beside_bytes(), writing)
        _TAKEN[self] = held.taken_bytes
        return held

    def _idle_bytes(self, held: LoadedVariant) -> int:
        """What would be used now without this worker's model."""
        return held.idle_bytes + self._beside_bytes()

    def _beside_bytes(self) -> int:
        """What the models of other workers in this process take on the same device."""
        return sum(taken for worker, taken in _TAKEN.items() if worker is not self and worker.spec.device == self.spec.device)


_TAKEN: "WeakKeyDictionary[Worker, int]" = WeakKeyDictionary()
"""What the model of each worker in this process takes: where they run inline there are several."""


def _key_of(question: Question, measurement: Measurement) -> str:
    """Tells questions and lengths of runs apart without keeping pictures."""
    asked = sha256(question.prompt.encode() + b"\0" + (question.png or b""))
    return f"{asked.hexdigest()} {measurement.max_new_tokens} {measurement.warmup}"


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
