"""The conditions under which numbers were measured: without them the numbers mean nothing."""

from typing import Literal, NamedTuple

from qdash.catalog.schemes import libraries
from qdash.present.formatting import percent, several
from qdash.records import BUSY_SHARE, Comparison, Evaluation, Host


def versions(host: Host) -> str:
    """The packages that decide what a number is: “torch 2.11.0 · transformers 5.23.0 …”."""
    return " · ".join(f"{name} {host.versions[name]}" for name in libraries() if name in host.versions)


def device_words(host: Host) -> str:
    """“Intel Xeon, 2 threads”, “NVIDIA T4”: where the numbers were measured."""
    threads = f", {several(host.threads, 'thread', 'threads')}" if host.device == "cpu" else ""
    return f"{host.device_name}{threads}"


def no_gpu_words(host: Host) -> str | None:
    """Why no GPU was used, where none could be; None where one could."""
    return f"no GPU: {host.no_gpu}".rstrip(".") if host.no_gpu else None


def busy_words(share_of_others: float | None) -> str | None:
    """“other programs used 60% of this machine's time”; None where they took little, or that is not known."""
    if share_of_others is None or share_of_others <= BUSY_SHARE:
        return None
    return f"other programs used {percent(share_of_others)} of this machine's time"


def evaluation_conditions(evaluation: Evaluation) -> tuple[str, ...]:
    """What was asked, how and where: without it the figures of an evaluation mean nothing. Noise and versions not counted."""
    host, noise, request = evaluation.host, evaluation.noise_floor, evaluation.request
    questions, source = len(evaluation.questions), f" from {request.source}" if request.source else ""
    one_by_one = [result.label for result in evaluation.variants if result.batch_size == 1 and request.batch_size > 1]
    padding = any(result.reads_padding for result in evaluation.variants)
    why = ", as questions that share a batch change this model's answers" if padding else ""
    again = f"{noise.changed} of {noise.items} answers of the original differed when asked again" if noise and noise.changed else None
    said = (
        f"{evaluation.task_label}{source}: {several(questions, 'question', 'questions')}",
        f"{request.batch_size} at a time" + (f" ({', '.join(one_by_one)}: one by one{why})" if one_by_one else ""),
        f"greedy, at most {several(evaluation.max_new_tokens, 'token', 'tokens')}",
        device_words(host),
        no_gpu_words(host),
        f"{evaluation.variants[0].dtype or 'unknown'} baseline",
        again,
        *dict.fromkeys(note for result in evaluation.variants for note in result.notes),
    )
    return tuple(filter(None, said))


class Condition(NamedTuple):
    """One condition in words; `term`: which explanation belongs to it, where it needs one."""

    words: str
    term: Literal["repeated", "busy", "noise"] | None = None


def timing_conditions(comparison: Comparison, *, spread: bool = True) -> tuple[Condition, ...]:
    """How times were taken, how far equal ones lie apart, and how busy the machine was; `spread`: p10–p90 are shown beside medians."""
    measurement, rounds, floor = comparison.request.measurement, comparison.rounds, comparison.noise_floor
    if not any(result.latency for result in comparison.variants):
        return (Condition("not timed"),)
    warm = f" after {several(measurement.warmup, 'warm-up run', 'warm-up runs')}" if measurement.warmup else ", no warm-up"
    said = [Condition(f"{several(measurement.max_new_tokens, 'token', 'tokens')} × {_runs(comparison)}{warm}")]
    if rounds is not None and rounds.repeated:
        said.append(Condition(f"{several(rounds.repeated, 'round', 'rounds')} repeated", "repeated"))
    if rounds is not None and rounds.busy is not None:
        device = "processor" if comparison.host.device == "cpu" else "GPU"
        said.append(Condition(f"other programs used {percent(rounds.busy)} of the {device}", "busy"))
    said.append(Condition("median, p10–p90" if spread else "medians"))
    return (*said, Condition(f"noise ±{percent(floor.relative)}" if floor else "noise unknown", "noise"))


def _runs(comparison: Comparison) -> str:
    """“5 rounds”, “3 of at most 5 rounds”, or “3 to 12 rounds” where variants differ. Earlier versions made runs, not rounds."""
    rounds, chosen = comparison.rounds, comparison.request.measurement.runs
    if rounds is None:
        return several(chosen, "run", "runs")
    ratios = [result.relative.total for result in comparison.variants[1:] if result.relative is not None]
    most = max([rounds.taken, *(ratio.rounds for ratio in ratios if ratio is not None and ratio.rounds is not None)])
    if most > rounds.taken:
        return f"{rounds.taken} to {several(most, 'round', 'rounds')}"
    return f"{most} of at most {several(chosen, 'round', 'rounds')}" if most < chosen else several(most, "round", "rounds")
