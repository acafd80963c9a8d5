"""The line below a comparison's headline: speeds where they may be compared, distances from the original, and variants without a result."""

from qdash.present.formatting import and_listed, nats
from qdash.present.language import N_, _, ngettext
from qdash.records import Agreement, Comparison, VariantResult
from qdash.verdict.evidence import hides_a_tail
from qdash.verdict.judging import divergence_words
from qdash.verdict.naming import listed_inside
from qdash.verdict.pace import BUSY
from qdash.verdict.ranking import unranked_told
from qdash.verdict.reasons import common_reason
from qdash.verdict.seen import Seen


def speed_told(comparison: Comparison, seen: list[Seen]) -> str:
    """The speeds, or why they are not compared; empty if nothing was timed beside the original."""
    if all(item.result.kind == "simulated" for item in seen):
        return _("Simulated formats only: their speed and memory were not measured.")
    timed = [item for item in seen if item.pace.words_or_why]
    faster, slower, same = ([item for item in timed if item.pace.told == told] for told in ("faster", "slower", "same"))
    device = "CPU" if comparison.host.device == "cpu" else "GPU"
    if not faster and not slower:
        return _no_difference(timed, same)
    untold = _untold([item for item in timed if item.pace.told == "untold"])
    if not slower:
        return _sentences(_("{speeds} on this {device}.", speeds=_listed(faster), device=device), untold)
    reason = common_reason([item.result for item in slower], comparison) or ""
    if faster:
        slow = _("{speeds}: {reason}.", speeds=_listed(slower), reason=reason) if reason else _("{speeds}.", speeds=_listed(slower))
        return _sentences(_("{speeds} on this {device}.", speeds=_listed(faster), device=device), slow, untold)
    if untold:
        here = N_("{speeds} on this {device}: {reason}.") if reason else N_("{speeds} on this {device}.")
        return _sentences(_(here, speeds=_listed(slower), device=device, reason=reason), untold)
    return _nobody(len(timed), device, reason if len(slower) == len(timed) else "")


_NOBODY = {
    1: (N_("It is not faster on this {device}."), N_("It is not faster on this {device}: {reason}.")),
    2: (N_("Neither is faster on this {device}."), N_("Neither is faster on this {device}: {reason}.")),
    3: (N_("None is faster on this {device}."), N_("None is faster on this {device}: {reason}.")),
}
"""For one, two and more variants: without a reason, and with one."""


def _nobody(count: int, device: str, reason: str) -> str:
    plain, with_reason = _NOBODY[min(count, 3)]
    return _(with_reason if reason else plain, device=device, reason=reason)


def _sentences(*told: str) -> str:
    return " ".join(filter(None, told))


def _no_difference(timed: list[Seen], same: list[Seen]) -> str:
    if not timed:
        return ""
    if len(same) == len(timed):
        return _("Differences in speed are within measurement noise.")
    return _untold([item for item in timed if item.pace.told == "untold"], everybody=not same)


def _untold(items: list[Seen], *, everybody: bool = False) -> str:
    """“Speeds are not compared: the machine seems busy.”"""
    if not items:
        return ""
    why = next((item.pace.why for item in items if item.pace.cause == BUSY), items[0].pace.why)
    if everybody:
        return _("Speeds are not compared: {reason}.", reason=why)
    names = listed_inside([item.name for item in items])
    if len(items) == 1:
        return _("The speed of {name} is not compared: {reason}.", name=names, reason=why)
    return _("The speeds of {names} are not compared: {reason}.", names=names, reason=why)


def _listed(items: list[Seen]) -> str:
    """“The 8-bit version is 1.3× slower, FP4 is 1.5× slower”."""
    names = [item.name.inside if place else item.name.first for place, item in enumerate(items)]
    return ", ".join(_("{name} is {speed}", name=name, speed=item.pace.words) for name, item in zip(names, items, strict=True))


def distance_told(told: list[Seen]) -> str:
    """The evidence for the headline's claims about answers: each one's distance from the original, with its uncertainty."""
    found = [(item.name.inside, item.result.agreement) for item in told if item.result.agreement is not None]
    if not found:
        return ""
    tokens = found[0][1].tokens
    each = ", ".join(f"{name} {_distance(agreement)}" for name, agreement in found)
    distances = ngettext(
        "Distance from the original over {number} token of its answer: {each}.",
        "Distance from the original over {number} tokens of its answer: {each}.",
        tokens,
        each=each,
    )
    return _sentences(distances, unranked_told(found))


def _distance(agreement: Agreement) -> str:
    """The mean, and the largest where a small mean hides it."""
    mean = divergence_words(agreement)
    if not hides_a_tail(agreement):
        return mean
    return _("{mean} (but {largest} at its worst token)", mean=mean, largest=nats(agreement.tail.kl_max_nats if agreement.tail else None))


def missing_told(others: list[VariantResult]) -> str:
    """The variants without a result, and where the reason is shown."""
    failed = [result.label for result in others if result.status == "failed"]
    stopped = any(result.error is not None and result.error.kind == "cancelled" for result in others)
    parts = []
    if failed:
        names = and_listed(failed)
        parts.append(
            ngettext("{names} could not run: its card says why.", "{names} could not run: their cards say why.", len(failed), names=names)
        )
    if stopped:
        parts.append(_("Stopped before the rest could run."))
    return " ".join(parts)
