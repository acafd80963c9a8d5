"""What is said of a model that is quantized step by step in several orders, for the page and the terminal."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdash.catalog.parts import part_of
from qdash.present.formatting import mib, nats
from qdash.present.language import _, decimal, ngettext, recorded
from qdash.present.layer_names import block_of, projection_of, spoken_name, spoken_part
from qdash.present.mix import measured_cells
from qdash.records import Order, Progression, ProgressiveReport, ProgressiveStep


@dataclass(frozen=True)
class _Place:
    part: str
    block: int | None
    projection: str


def order_name(order: Order) -> str:
    """“least damage first”, “part by part”, “random order”."""
    names: dict[Order, str] = {"damage": _("least damage first"), "part": _("part by part"), "random": _("random order")}
    return names[order]


def step_name(order: Order, step: ProgressiveStep) -> str:
    """What a step quantizes: the blocks of a part, if it goes part by part, else its first layer and how many more."""
    if not step.added:
        return _("original")
    first, *more = step.added
    blocks = [block_of(path) for path in step.added]
    if order == "part" and None not in blocks and blocks[0] != blocks[-1]:
        return _("{part} · layers {first}–{last}", part=spoken_part(part_of(first)), first=blocks[0], last=blocks[-1])
    name = spoken_name(_Place(part_of(first), block_of(first), projection_of(first)))
    if not more:
        return name
    return ngettext("{layer} and {number} more", "{layer} and {number} more", len(more), layer=name, number=decimal(len(more)))


def is_graded(report: ProgressiveReport) -> bool:
    """Whether right answers were counted."""
    return any(step.accuracy is not None for progression in report.progressions for step in progression.steps)


def progressive_headings(report: ProgressiveReport) -> tuple[str, ...]:
    """Of a table of all steps."""
    right = (_("Right answers"),) if is_graded(report) else ()
    measured = (_("Weights"), _("KL (nats)"), _("95% confidence"), _("Same next token"))
    return (_("Order"), _("Step"), _("Layers"), *measured, *right)


def progressive_rows(report: ProgressiveReport) -> Iterator[tuple[str, ...]]:
    """A row a step; the original, with which every order begins, is in it once."""
    graded = is_graded(report)
    for progression in report.progressions:
        for step in progression.steps:
            if step.added or progression.order == "damage":
                order = order_name(progression.order) if step.added else "–"
                yield (order, step_name(progression.order, step), decimal(step.quantized), *measured_cells(step, graded))


def progressive_verdict(report: ProgressiveReport) -> str:
    """The divergence about halfway in each order."""
    if not report.complete:
        return _("Not all steps are measured.")
    own, *others = report.progressions
    at = _halfway(own)
    known = [(progression, step) for progression in others if (step := _halfway(progression)) is not None and step.kl_mean_nats is not None]
    if at is None or at.kl_mean_nats is None or not known:
        return _("Not judged: there are too few steps to compare the orders.")
    told = "; ".join(f"{order_name(progression.order)} {nats(step.kl_mean_nats)}" for progression, step in known)
    return _(
        "Halfway, at {size}, the KL divergence is {own} nats with least damage first; {others}.",
        size=mib(at.weights_bytes or 0), own=nats(at.kl_mean_nats), others=told,
    )  # fmt: skip


def progressive_facts(report: ProgressiveReport) -> Iterator[str]:
    """The sentences that the figures cannot be understood without."""
    for progression in report.progressions[1:]:
        versus, values = progression.versus, {"order": order_name(progression.order)}
        if versus is None or not report.complete:
            continue
        if versus.high_nats < 0:
            yield _("Halfway, least damage first is closer to the original than {order}, outside the noise.", **values)
        elif versus.low_nats > 0:
            yield _("Halfway, least damage first is farther from the original than {order}, outside the noise.", **values)
        else:
            yield _("Halfway, no difference was found between least damage first and {order}.", **values)
    yield ngettext(
        "{scheme}, measured on {number} question of {tokens} tokens that the layers' damage was not measured on.",
        "{scheme}, measured on {number} questions of {tokens} tokens in all that the layers' damage was not measured on.",
        len(report.items), scheme=recorded(report.label), number=decimal(len(report.items)), tokens=decimal(report.tokens),
    )  # fmt: skip
    if report.kind == "simulated":
        yield _("Sizes of simulated schemes are those that their formats would take.")
    for progression in report.progressions:
        for step in progression.steps:
            if step.problem is not None:
                yield f"{step_name(progression.order, step)}: {recorded(step.problem.message)} {recorded(step.problem.remedy)}"


def _halfway(progression: Progression) -> ProgressiveStep | None:
    return None if progression.halfway is None else progression.steps[progression.halfway]
