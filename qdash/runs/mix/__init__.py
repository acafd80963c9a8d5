"""The best mix of schemes within a budget: what each layer costs is found out, the best choice is solved for, and proved on other items."""

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from threading import Event

from qdash import checkpoints
from qdash.errors import QdashError
from qdash.execution import Executor
from qdash.execution.forward import forward_events
from qdash.records import Dtype, MixReport, Request, Rule, SensitivityReport, Step
from qdash.runs.mix.budget import read_budget
from qdash.runs.mix.choice import Choices, Limits
from qdash.runs.mix.proof import Held, Proof, prove
from qdash.runs.plan import host_of, variants_of
from qdash.runs.sensitivity import Emission, followed_items, measure_sensitivity
from qdash.tasks import Item, split_items

_SEARCH = 0.6
"""The share of the work that comes before the proof."""


def find_mix(
    model: str,
    schemes: Sequence[str],
    budget: str,
    items: Sequence[Item],
    executor: Executor,
    stop: Event | None = None,
    *,
    task: str,
    plain: bool,
    max_tokens: int,
    rule: Rule | None = None,
    limits: Limits | None = None,
    device: str = "auto",
    baseline_dtype: Dtype | None = None,
) -> Generator[Step, None, MixReport]:
    """Find the best mix of `schemes` within `budget` on half of `items`, and prove it on the others, yielding progress.

    `rule`: when an answer is right; None for items without a right answer. Without items for a proof there is none. Raises QdashError, also
    for a budget that cannot be met.
    """
    read_budget(budget)
    search = measure_every_layer(
        model, schemes, items, executor, stop, plain=plain, max_tokens=max_tokens, device=device, baseline_dtype=baseline_dtype
    )
    report = yield from forward_events(search, partial(_share, 0.0, _SEARCH))
    proving = prove_mix(report, budget, items, executor, stop, task=task, plain=plain, max_tokens=max_tokens, rule=rule, limits=limits)
    return (yield from forward_events(proving, partial(_share, _SEARCH, 1 - _SEARCH)))


def measure_every_layer(
    model: str,
    schemes: Sequence[str],
    items: Sequence[Item],
    executor: Executor,
    stop: Event | None = None,
    *,
    plain: bool,
    max_tokens: int,
    device: str = "auto",
    baseline_dtype: Dtype | None = None,
) -> Generator[Step, None, SensitivityReport]:
    """What every layer costs, told by half of `items`; raises QdashError, also if stopped before all are known."""
    search = measure_sensitivity(
        model, schemes, items, executor, stop, plain=plain, max_tokens=max_tokens, device=device, baseline_dtype=baseline_dtype
    )
    report = yield from forward_events(search, partial(_share, 0.0, 1.0))
    if not report.complete:
        raise QdashError("Stopped before every layer was known.", "Start it again when you like.", "cancelled")
    return report


def choices_of(report: SensitivityReport, limits: Limits | None = None) -> Choices:
    """What each layer may get of the schemes in `report`."""
    return Choices(report, list(dict.fromkeys(entry.scheme for entry in report.layers)), limits)


def prove_mix(
    report: SensitivityReport,
    budget: str,
    items: Sequence[Item],
    executor: Executor,
    stop: Event | None = None,
    *,
    task: str,
    plain: bool,
    max_tokens: int,
    rule: Rule | None = None,
    limits: Limits | None = None,
) -> Generator[Step, None, MixReport]:
    """The best mix within `budget`, proved on the half of `items` that `report` was not measured on; see `find_mix`."""
    wanted, choices = read_budget(budget), choices_of(report, limits)
    mix = choices.best(wanted)
    _, others = split_items(items)
    proof = Proof((), (), 0, None)
    if others:
        checkpoint = yield from checkpoints.obtain(checkpoints.locate(report.model, stop), stop)
        held = Held(others, followed_items(others, plain=plain, max_tokens=max_tokens), plain, max_tokens, rule)
        proof = yield from prove(choices, mix, checkpoint, held, executor, stop)
    request = Request(variants=variants_of(report.model, ["original"]), prompt="", device=report.device)
    return MixReport(
        host=host_of(request), model=report.model, revision=report.revision, dtype=choices.dtype, task=task, recipe=mix.recipe,
        budget=budget, budget_bytes=choices.bytes_of(wanted) or mix.weights_bytes, predicted_kl_nats=mix.predicted_kl_nats, mix=mix,
        proof_items=proof.items, proof_tokens=proof.tokens, proof=proof.variants, snippet=proof.snippet, sensitivity=report,
    )  # fmt: skip


def _share(begin: float, share: float, item: Emission) -> Iterator[Step]:
    """The steps alone, each as a part of the whole."""
    if isinstance(item, Step):
        yield item.model_copy(update={"fraction": None if item.fraction is None else begin + share * item.fraction})
