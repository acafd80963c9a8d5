"""The line below a comparison's headline: speeds where they may be compared, distances from the original, and variants without a result."""

from qdash.present.formatting import and_listed, several
from qdash.records import Comparison, VariantResult
from qdash.verdict.judging import divergence_words
from qdash.verdict.pace import BUSY
from qdash.verdict.reasons import common_reason
from qdash.verdict.seen import Seen, capital


def speed_told(comparison: Comparison, seen: list[Seen]) -> str:
    """The speeds, or why they are not compared; empty if nothing was timed beside the original."""
    if all(item.result.kind == "simulated" for item in seen):
        return "Simulated formats only: their speed and memory were not measured."
    timed = [item for item in seen if item.pace.words_or_why]
    faster, slower, same = ([item for item in timed if item.pace.told == told] for told in ("faster", "slower", "same"))
    device = "CPU" if comparison.host.device == "cpu" else "GPU"
    if not faster and not slower:
        return _no_difference(timed, same)
    untold = _untold([item for item in timed if item.pace.told == "untold"])
    if not slower:
        return f"{_listed(faster)} on this {device}.{untold}"
    known = common_reason([item.result for item in slower], comparison)
    reason = f": {known}." if known else "."
    if faster:
        return f"{_listed(faster)} on this {device}. {_listed(slower)}{reason}{untold}"
    if untold:
        return f"{_listed(slower)} on this {device}{reason}{untold}"
    nobody = {1: "It is not", 2: "Neither is"}.get(len(timed), "None is")
    return f"{nobody} faster on this {device}{reason if len(slower) == len(timed) else '.'}"


def _no_difference(timed: list[Seen], same: list[Seen]) -> str:
    if not timed:
        return ""
    if len(same) == len(timed):
        return "Differences in speed are within measurement noise."
    return _untold([item for item in timed if item.pace.told == "untold"], everybody=not same).strip()


def _untold(items: list[Seen], *, everybody: bool = False) -> str:
    """“ Speeds are not compared: the machine seems busy.”"""
    if not items:
        return ""
    why = next((item.pace.why for item in items if item.pace.why == BUSY), items[0].pace.why)
    names = and_listed([item.name for item in items])
    one = len(items) == 1
    whose = "Speeds" if everybody else f"The speed of {names}" if one else f"The speeds of {names}"
    return f" {whose} {'is' if one and not everybody else 'are'} not compared: {why}."


def _listed(items: list[Seen]) -> str:
    return capital(", ".join(f"{item.name} is {item.pace.words}" for item in items))


def distance_told(told: list[Seen]) -> str:
    """The evidence for the headline's claims about answers: each one's distance from the original, with its uncertainty."""
    found = [(item.name, item.result.agreement) for item in told if item.result.agreement is not None]
    if not found:
        return ""
    tokens = found[0][1].tokens
    each = ", ".join(f"{name} {divergence_words(agreement)}" for name, agreement in found)
    return f"Distance from the original over {several(tokens, 'token', 'tokens')} of its answer: {each}."


def missing_told(others: list[VariantResult]) -> str:
    """The variants without a result, and where the reason is shown."""
    failed = [result.label for result in others if result.status == "failed"]
    stopped = any(result.error is not None and result.error.kind == "cancelled" for result in others)
    parts = []
    if failed:
        parts.append(f"{and_listed(failed)} could not run: {'its card says why' if len(failed) == 1 else 'their cards say why'}.")
    if stopped:
        parts.append("Stopped before the rest could run.")
    return " ".join(parts)
