"""Whether a model fits at a length of context: estimated from its configuration for every scheme, and on request checked by a run.

The estimate is of the worst moment, when the whole prompt has just been read: weights, the key-value cache, and what is computed meanwhile.
Conversations are read together, as one batch. This machine is told in the type that it computes in, cards in the 16 bits that models are
run in there, unless a type is asked for.
"""

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from threading import Event

from qdash import checkpoints
from qdash.catalog.recipes import cache_of
from qdash.catalog.scheme import Scheme
from qdash.catalog.schemes import find_scheme, unavailable
from qdash.checkpoints import Checkpoint
from qdash.checkpoints.fit import Decoder, cache_bytes, configuration, decoder_of, picture_tokens, without_cut_heads, working_bytes
from qdash.errors import QdashError
from qdash.execution import Executor, StopSignal
from qdash.execution.client import WorkerClient
from qdash.execution.forward import forward_events
from qdash.machine import memory_budget_bytes, this_machine
from qdash.records import (
    Device,
    DeviceType,
    Dtype,
    ErrorRecord,
    FitReport,
    FitScheme,
    FitSizes,
    MeasuredContext,
    Request,
    Step,
    WorkerSpec,
    device_type,
)
from qdash.runs.plan import device_of, dtype_of, host_of, labels_of, with_worker, worker_spec
from qdash.runs.workload import context_work

CARDS_GB = (8, 12, 16, 24, 48, 80)
"""Memory of common graphics cards."""
HEADROOM = 0.05
"""Share of a card that stays free, beside what the driver and its libraries take."""
USUAL_CONTEXT = 8192
"""Tokens, where nobody chooses and the model was made for as many."""
MOST_TOKENS = 2**22
MOST_CONVERSATIONS = 1024
SHARES = (1 / 16, 1 / 2, 1.0)
"""Of the context: the three lengths that are measured."""

_SHORTEST = 8
_WIDTHS: dict[Dtype, int] = {"float32": 4, "float16": 2, "bfloat16": 2}


def usable_bytes(card_gb: int) -> int:
    """What a model may take of a card."""
    return int(card_gb * 2**30 * (1 - HEADROOM)) - with_worker(0, "cuda")


def estimate_fit(
    request: Request, context: int | None, conversations: int, *, held_bytes: int = 0, wait_s: float = checkpoints.TABLE_WAIT_S
) -> FitReport:
    """Estimate every variant of `request`, all of one model, without loading anything; raises QdashError if it cannot be told.

    `context`: None for the usual one, or the model's own where that is shorter. `held_bytes`: what workers hold that can be closed. Sizes
    of weights that are not known within `wait_s` are told from headers.
    """
    _check(context, conversations)
    checkpoint = checkpoints.locate(request.variants[0].model)
    config, processor = configuration(checkpoint)
    decoder = decoder_of(config)
    longest = decoder.longest or checkpoint.context_length
    subject = _Subject(request, checkpoint, decoder, context or _usual_context(longest), conversations)
    checkpoints.layer_table(checkpoint, subject.device, wait_s)  # after this wait, sizes are told from what there is
    available = max(0, memory_budget_bytes(subject.device, held_bytes) - with_worker(0, subject.device))
    return FitReport(
        model=checkpoint.model,
        host=host_of(request),
        context=subject.context,
        context_chosen=context is not None,
        conversations=conversations,
        dtype=subject.dtype,
        card_dtype=subject.card_dtype,
        available_bytes=available,
        longest_context=longest,
        picture_tokens=picture_tokens(config, processor),
        has_states=decoder.state is not None,
        schemes=tuple(subject.scheme(index, available) for index in range(len(request.variants))),
    )


def measure_fit(
    request: Request, context: int | None, conversations: int, executor: Executor, stop: Event | None = None
) -> Generator[Step, None, FitReport]:
    """Estimate, then run every variant at three lengths and watch the peak, yielding progress.

    A length that cannot be measured says why; what is there when `stop` is set is kept. Raises QdashError as `estimate_fit` does, and for a
    context longer than the model was made for.
    """
    yield Step(detail="looking for the model")
    located = checkpoints.locate(request.variants[0].model, stop)
    if located.folder is None:
        located = yield from checkpoints.obtain(located, stop)
    report = estimate_fit(request, context, conversations, held_bytes=executor.held_bytes(device_of(request)))
    _check_length(report)
    measured: list[MeasuredContext] = []
    try:
        for index in range(len(report.schemes)):
            yield from _measured(report, request, index, located, executor, stop, measured)
    except QdashError as error:
        if error.kind != "cancelled" or not measured:
            raise
    return report.model_copy(update={"measured": tuple(measured)})


@dataclass(frozen=True)
class _Subject:
    """What is estimated: a model at a length of context."""

    request: Request
    checkpoint: Checkpoint
    decoder: Decoder
    context: int
    conversations: int

    @property
    def device(self) -> Device:
        return device_of(self.request)

    @property
    def published(self) -> dict[str, str]:
        quantization = self.checkpoint.quantization
        return {} if quantization is None else {self.checkpoint.model: quantization.label}

    @property
    def dtype(self) -> Dtype:
        return dtype_of(self.request, self.checkpoint)

    @property
    def card_dtype(self) -> Dtype:
        if self.request.baseline_dtype is not None or self.device != "cpu":
            return self.dtype
        return "bfloat16" if self.checkpoint.stored_dtype != "float16" else "float16"

    def scheme(self, index: int, available_bytes: int) -> FitScheme:
        """Variant `index` on this machine, where a model may take `available_bytes`, and on cards."""
        scheme = find_scheme(self.request.variants[index].scheme)
        here = self.sizes(scheme, self.dtype, device_type(self.device), self.context)
        on_card = self.sizes(scheme, self.card_dtype, "cuda", self.context)
        return FitScheme(
            scheme=scheme.key,
            label=labels_of(self.request.variants, self.published)[index],
            kind=scheme.kind,
            bits=scheme.bits,
            here=here,
            on_card=on_card,
            fits_here=here.needed_bytes <= available_bytes,
            cards=tuple(card for card in CARDS_GB if on_card.needed_bytes <= usable_bytes(card)),
            rough=checkpoints.sizes_of(self.checkpoint, scheme, self.dtype, self.device, wait_s=0).rough,
        )

    def sizes(self, scheme: Scheme, dtype: Dtype, device: DeviceType, context: int) -> FitSizes:
        """The three parts, with all that is not quantized in `dtype`."""
        dtype = scheme.own_dtype or dtype
        width, cache = _WIDTHS[dtype], cache_of(scheme)
        bits = 8 * width if cache is None else cache.value_bits(self.decoder.head, 8 * width)
        sizes = checkpoints.sizes_of(self.checkpoint, scheme, dtype, self.device, wait_s=0)
        table = checkpoints.layer_table(self.checkpoint, self.device)
        left = self.decoder if table is None else without_cut_heads(self.decoder, table, scheme)
        return FitSizes(
            weights_bytes=sizes.estimated_bytes,
            loading_bytes=sizes.loading_bytes,
            cache_bytes=cache_bytes(left, context, self.conversations, bits),
            working_bytes=working_bytes(self.decoder, context, self.conversations, width, device),
        )


def _usual_context(longest: int | None) -> int:
    return USUAL_CONTEXT if longest is None else max(_SHORTEST, min(USUAL_CONTEXT, longest))


def _check(context: int | None, conversations: int) -> None:
    if context is not None and not _SHORTEST <= context <= MOST_TOKENS:
        raise QdashError(f"A context of {context:,} tokens cannot be estimated.", f"Choose between {_SHORTEST} and {MOST_TOKENS:,}.")
    if not 1 <= conversations <= MOST_CONVERSATIONS:
        message = f"{conversations:,} conversations at once cannot be estimated."
        raise QdashError(message, f"Choose between 1 and {MOST_CONVERSATIONS:,}.")


def _check_length(report: FitReport) -> None:
    if report.longest_context is not None and report.context > report.longest_context:
        message = f"This model was made for a context of {report.longest_context:,} tokens; {report.context:,} cannot be measured."
        raise QdashError(message, f"Choose a context of at most {report.longest_context:,} tokens.")


def lengths(context: int) -> tuple[int, ...]:
    """The three lengths that are measured, shortest first."""
    return tuple(dict.fromkeys(max(_SHORTEST, round(share * context)) for share in SHARES))


def _measured(
    report: FitReport,
    request: Request,
    index: int,
    checkpoint: Checkpoint,
    executor: Executor,
    stop: Event | None,
    measured: list[MeasuredContext],
) -> Generator[Step, None, None]:
    """Measure variant `index` at each length, and add what comes out to `measured`; raises QdashError only for a stop."""

    def collected(item: Step | MeasuredContext) -> tuple[Step, ...]:
        if isinstance(item, Step):
            here_done = sum(entry.scheme == scheme.key for entry in measured) / len(estimates)
            return (item.model_copy(update={"fraction": (index + here_done) / len(report.schemes)}),)
        measured.append(item)
        return ()

    config, _ = configuration(checkpoint)
    subject = _Subject(request, checkpoint, decoder_of(config), report.context, report.conversations)
    scheme, here = find_scheme(request.variants[index].scheme), this_machine().on(subject.device)
    estimates = {tokens: subject.sizes(scheme, subject.dtype, device_type(here.device), tokens) for tokens in lengths(report.context)}
    try:
        problem = unavailable(scheme, here) or checkpoints.unsuited(checkpoint, scheme, here)
        if problem:
            raise problem
        if not report.schemes[index].fits_here:
            raise _too_large(report, index)
        spec = worker_spec(checkpoint, scheme.key, here.device, subject.dtype)
        loading = with_worker(estimates[report.context].loading_bytes, spec.device)
        job = partial(_contexts, spec, scheme.label, estimates, report.conversations, loading)
        work = context_work(checkpoint, scheme.key, estimates[report.context].total_bytes, here.device)
        yield from forward_events(executor.run(job, work, stop), collected)
    except QdashError as error:
        if error.kind == "cancelled":
            raise
        known = {entry.context for entry in measured if entry.scheme == scheme.key}
        left = next((tokens for tokens in estimates if tokens not in known), report.context)
        measured.append(_failed(scheme, left, estimates[left], error))


def _contexts(
    spec: WorkerSpec,
    label: str,
    estimates: dict[int, FitSizes],
    conversations: int,
    loading_bytes: int,
    executor: Executor,
    stop: StopSignal | None,
) -> Generator[Step | MeasuredContext, None, None]:
    worker = WorkerClient(executor, spec, stop)
    yield Step(detail=f"{label}: loading weights")
    yield from worker.load(reserve_bytes=loading_bytes)
    for tokens, sizes in estimates.items():
        yield Step(detail=f"{label}: reading {tokens:,} tokens")
        held = with_worker(max(loading_bytes, sizes.total_bytes), spec.device)
        seen = yield from worker.measure_context(tokens, conversations, reserve_bytes=held)
        yield MeasuredContext(scheme=spec.scheme or "", context=tokens, estimated_bytes=sizes.total_bytes, peak_bytes=seen.peak_bytes)


def _too_large(report: FitReport, index: int) -> QdashError:
    needed = report.schemes[index].here.needed_bytes
    message = f"About {needed / 1e9:.1f} GB are needed, {report.available_bytes / 1e9:.1f} GB may be used."
    return QdashError(message, "Choose a shorter context, fewer conversations or fewer bits.", "out_of_memory")


def _failed(scheme: Scheme, tokens: int, sizes: FitSizes, error: QdashError) -> MeasuredContext:
    return MeasuredContext(scheme=scheme.key, context=tokens, estimated_bytes=sizes.total_bytes, problem=ErrorRecord.of(error))
