"""The conditions under which numbers were measured: without them the numbers mean nothing."""

from typing import Literal, NamedTuple

from qdash.catalog.schemes import libraries
from qdash.present.formatting import percent
from qdash.present.language import N_, _, ngettext, recorded
from qdash.records import BUSY_SHARE, Comparison, Evaluation, Host


def versions(host: Host) -> str:
    """The packages that decide what a number is: “torch 2.11.0 · transformers 5.23.0 …”."""
    return " · ".join(f"{name} {host.versions[name]}" for name in libraries() if name in host.versions)


def device_words(host: Host) -> str:
    """“Intel Xeon, 2 threads”, “NVIDIA T4”: where the numbers were measured."""
    if host.device != "cpu":
        return host.device_name
    return ngettext("{device}, {number} thread", "{device}, {number} threads", host.threads, device=host.device_name)


def no_gpu_words(host: Host) -> str | None:
    """Why no GPU was used, where none could be; None where one could."""
    return _("no GPU: {reason}", reason=recorded(host.no_gpu).rstrip(".")) if host.no_gpu else None


def busy_words(share_of_others: float | None) -> str | None:
    """“other programs used 60% of this machine's time”; None where they took little, or that is not known."""
    if share_of_others is None or share_of_others <= BUSY_SHARE:
        return None
    return _("other programs used {share} of this machine's time", share=percent(share_of_others))


def evaluation_conditions(evaluation: Evaluation) -> tuple[str, ...]:
    """What was asked, how and where: without it the figures of an evaluation mean nothing. Noise and versions not counted."""
    host, noise = evaluation.host, evaluation.noise_floor
    said = (
        _asked(evaluation),
        _batches(evaluation),
        ngettext("greedy, at most {number} token", "greedy, at most {number} tokens", evaluation.max_new_tokens),
        device_words(host),
        no_gpu_words(host),
        baseline_words(evaluation.variants[0].dtype),
        _("{count} of {total} answers of the original differed when asked again", count=noise.changed, total=noise.items)
        if noise and noise.changed
        else None,
        *dict.fromkeys(recorded(note) for result in evaluation.variants for note in result.notes),
    )
    return tuple(filter(None, said))


def baseline_words(dtype: str | None) -> str:
    """“bfloat16 baseline”: the type of the original's numbers."""
    return _("{dtype} baseline", dtype=dtype) if dtype else _("unknown baseline")


def _asked(evaluation: Evaluation) -> str:
    source, count = evaluation.request.source, len(evaluation.questions)
    questions = ngettext("{number} question", "{number} questions", count)
    if not source:
        return _("{task}: {questions}", task=recorded(evaluation.task_label), questions=questions)
    return _("{task} from {source}: {questions}", task=recorded(evaluation.task_label), source=source, questions=questions)


def _batches(evaluation: Evaluation) -> str:
    """How many questions were asked at once, and of which variants one by one."""
    size = evaluation.request.batch_size
    alone = ", ".join(result.label for result in evaluation.variants if result.batch_size == 1 and size > 1)
    if not alone:
        return _("{size} at a time", size=size)
    if not any(result.reads_padding for result in evaluation.variants):
        return _("{size} at a time ({names}: one by one)", size=size, names=alone)
    return _("{size} at a time ({names}: one by one, as questions that share a batch change this model's answers)", size=size, names=alone)


class Condition(NamedTuple):
    """One condition in words; `term`: which explanation belongs to it, where it needs one."""

    words: str
    term: Literal["repeated", "busy", "noise"] | None = None


def timing_conditions(comparison: Comparison, *, spread: bool = True) -> tuple[Condition, ...]:
    """How times were taken, how far equal ones lie apart, and how busy the machine was; `spread`: p10–p90 are shown beside medians."""
    measurement, rounds, floor = comparison.request.measurement, comparison.rounds, comparison.noise_floor
    if not any(result.latency for result in comparison.variants):
        return (Condition(_("not timed")),)
    tokens = ngettext("{number} token", "{number} tokens", measurement.max_new_tokens)
    warmups = ngettext("{number} warm-up run", "{number} warm-up runs", measurement.warmup)
    taken = N_("{tokens} × {runs} after {warmups}") if measurement.warmup else N_("{tokens} × {runs}, no warm-up")
    said = [Condition(_(taken, tokens=tokens, runs=_runs(comparison), warmups=warmups))]
    if rounds is not None and rounds.repeated:
        said.append(Condition(ngettext("{number} round repeated", "{number} rounds repeated", rounds.repeated), "repeated"))
    if rounds is not None and rounds.busy is not None:
        on_cpu, share = comparison.host.device == "cpu", percent(rounds.busy)
        busy = N_("other programs used {share} of the processor") if on_cpu else N_("other programs used {share} of the GPU")
        said.append(Condition(_(busy, share=share), "busy"))
    said.append(Condition(_("median, p10–p90") if spread else _("medians")))
    noise = _("noise ±{share}", share=percent(floor.relative)) if floor else _("noise unknown")
    return (*said, Condition(noise, "noise"))


def _runs(comparison: Comparison) -> str:
    """“5 rounds”, “3 of at most 5 rounds”, or “3 to 12 rounds” where variants differ. Earlier versions made runs, not rounds."""
    rounds, chosen = comparison.rounds, comparison.request.measurement.runs
    if rounds is None:
        return ngettext("{number} run", "{number} runs", chosen)
    ratios = [result.relative.total for result in comparison.variants[1:] if result.relative is not None]
    most = max([rounds.taken, *(ratio.rounds for ratio in ratios if ratio is not None and ratio.rounds is not None)])
    if most > rounds.taken:
        return ngettext("{least} to {number} round", "{least} to {number} rounds", most, least=rounds.taken)
    if most < chosen:
        return ngettext("{taken} of at most {number} round", "{taken} of at most {number} rounds", chosen, taken=most)
    return ngettext("{number} round", "{number} rounds", most)
