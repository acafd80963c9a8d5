"""What a check of a healed version says: how many answers are right before and after, and whether the difference is more than chance.

Healed is compared with unhealed, and with the original, question by question: McNemar's exact test, and an interval for the difference.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from qdash.present.formatting import between, percent, points_of
from qdash.present.language import _, decimal, ngettext, recorded
from qdash.records import EvaluatedVariant, Evaluation
from qdash.stats.binomial import mcnemar_exact, paired_difference
from qdash.verdict.evaluations import LEVEL


@dataclass(frozen=True)
class Gain:
    """The share of right answers of one version minus that of another, with its 95% interval, over the `shared` questions."""

    value: float
    low: float
    high: float
    p_value: float
    shared: int


def gain_over(healed: EvaluatedVariant, other: EvaluatedVariant) -> Gain | None:
    """What `healed` gains over `other`; None where they share no question."""
    theirs = {item.index: item.correct for item in other.items}
    pairs = [(item.correct, theirs[item.index]) for item in healed.items if item.index in theirs]
    if not pairs:
        return None
    won, lost = sum(ours and not their for ours, their in pairs), sum(their and not ours for ours, their in pairs)
    low, high = paired_difference(won, lost, len(pairs))
    return Gain((won - lost) / len(pairs), low, high, mcnemar_exact(won, lost), len(pairs))


def check_headline(check: Evaluation) -> str:
    """“Right answers: healed 61.0%, unhealed 45.5%, original 98.5%.”"""
    original, unhealed, healed = check.variants
    values = {"healed": _share(healed), "unhealed": _share(unhealed), "original": _share(original)}
    return _("Right answers: healed {healed}, unhealed {unhealed}, original {original}.", **values)


def check_facts(check: Evaluation) -> Iterator[str]:
    """What healing gained, how far it is from the original, on which questions, and what is missing."""
    original, unhealed, healed = check.variants
    gained, left = gain_over(healed, unhealed), gain_over(healed, original)
    if gained is not None:
        yield _gain_words(gained)
    if left is not None:
        yield _left_words(left)
    yield ngettext(
        "{number} question ({task}), on which no version was trained.",
        "{number} questions ({task}), on which no version was trained.",
        len(check.questions),
        task=recorded(check.task_label) if check.request.source is None else check.request.source,
    )
    for result in check.variants:
        if result.error is not None:
            yield f"{recorded(result.label)}: {recorded(result.error.message)}"


def check_table(check: Evaluation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows: version, scheme, right answers, their interval, and what healing gains over each."""
    headings = (_("version"), _("scheme"), _("right"), _("95% confidence"), _("healed gains"), "p")
    names = (_("original"), _("unhealed"), _("healed"))
    return headings, [_cells(name, result, check.variants[-1]) for name, result in zip(names, check.variants, strict=True)]


def _cells(name: str, result: EvaluatedVariant, healed: EvaluatedVariant) -> tuple[str, ...]:
    accuracy, gain = result.accuracy, None if result is healed else gain_over(healed, result)
    if accuracy is None:
        return (name, recorded(result.label), "–", "", "", "")
    counted = _("{share} ({right} of {total})", share=_share(result), right=decimal(accuracy.successes), total=decimal(accuracy.total))
    beside = ("", "") if gain is None else (f"{points_of(gain.value)} ({_range(gain)})", _p(gain).removeprefix("= "))
    return (name, recorded(result.label), counted, between(accuracy.low, accuracy.high), *beside)


def _gain_words(gain: Gain) -> str:
    if gain.p_value > LEVEL:
        return _("No difference found between healed and unhealed ({range} points). More questions tell more.", range=_range(gain))
    values = {"points": points_of(gain.value), "range": _range(gain), "p": _p(gain)}
    if gain.value > 0:
        return _("Healing helps: {points} points ({range}; McNemar p {p}).", **values)
    return _("Healing harms: {points} points ({range}; McNemar p {p}).", **values)


def _left_words(gain: Gain) -> str:
    values = {"points": points_of(gain.value), "range": _range(gain), "p": _p(gain)}
    if gain.p_value > LEVEL:
        return _("No difference from the original found ({points} points, {range}).", **values)
    return _("Beside the original: {points} points ({range}; McNemar p {p}).", **values)


def _range(gain: Gain) -> str:
    return _("{low} to {high}", low=points_of(gain.low), high=points_of(gain.high))


def _p(gain: Gain) -> str:
    return "< 0.001" if gain.p_value < 0.001 else f"= {gain.p_value:.2g}"


def _share(result: EvaluatedVariant) -> str:
    return "–" if result.accuracy is None else percent(result.accuracy.value, 1)
