"""An evaluation: the verdict, one line per variant, and the first questions that a variant lost."""

from collections.abc import Iterator

from qdash.cli.display.blocks import Block, Paragraph, Table
from qdash.present.conditions import device_words, no_gpu_words
from qdash.present.formatting import between, percent, points_of, several
from qdash.records import (
    EvaluatedVariant,
    Evaluation,
    Proportion,
)
from qdash.verdict.close_calls import parting_words
from qdash.verdict.evaluations import evaluation_pace, evaluation_verdict

_HEADINGS = ("scheme", "kind", "right", "95% confidence", "vs. original", "McNemar p", "last word", "time", "per question", "speed-up")
_WRONG_SHOWN = 3


def evaluation_blocks(evaluation: Evaluation) -> Iterator[Block]:
    """The verdict, the figures, what went wrong, a few questions that a variant got wrong and the original right, and the conditions."""
    said = evaluation_verdict(evaluation)
    yield Paragraph(said.plain.strip(), "headline")
    yield Paragraph(f"{said.why}\n")
    yield Table(_HEADINGS, tuple(_line(result, evaluation) for result in evaluation.variants))
    for result in evaluation.variants:
        if result.error is not None:
            answered = f" after {len(result.items)} of {len(evaluation.questions)} questions" if result.items else ""
            yield Paragraph(f"{result.label}: {result.status}{answered}. {result.error.message} {result.error.remedy}")
    for result in evaluation.variants[1:]:
        yield from map(Paragraph, _lost(result, evaluation))
    yield Paragraph(_conditions(evaluation), "remark")


def _line(result: EvaluatedVariant, evaluation: Evaluation) -> tuple[str, ...]:
    if result.accuracy is None:
        return (result.label, result.kind, result.status, *[""] * (len(_HEADINGS) - 3))
    interval = between(result.accuracy.low, result.accuracy.high)
    p_value = "" if result.paired is None else f"{result.paired.p_value:.3g}"
    standard = "" if result.last_word is None else percent(result.last_word.value, 1)
    counts = (_share(result.accuracy), interval, _points(result.drop), p_value, standard)
    return (result.label, result.kind, *counts, _seconds(result.total_s), _seconds(result.per_item_s), _times(result, evaluation))


def _points(drop: float | None) -> str:
    return "" if drop is None else f"{points_of(-drop)} points"


def _times(result: EvaluatedVariant, evaluation: Evaluation) -> str:
    """A speed-up, if it can be told."""
    pace = evaluation_pace(result, evaluation)
    return f"{result.speedup:.2f}×" if pace.told in ("faster", "slower") else pace.words_or_why


def _share(share: Proportion) -> str:
    return f"{percent(share.value, 1)} ({share.successes} of {share.total})"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s" if value >= 10 else f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.1f} ms"


def _lost(result: EvaluatedVariant, evaluation: Evaluation) -> Iterator[str]:
    """The first questions that only the original got right."""
    right = {item.index for item in evaluation.variants[0].items if item.correct}
    lost = [item for item in result.items if item.index in right and not item.correct]
    for item in lost[:_WRONG_SHOWN]:
        question = evaluation.questions[item.index]
        said, asked = (" ".join(text.split()) for text in (item.answer, question.prompt))
        closely = f" ({parting_words(item)})" if item.margin_original is not None else ""
        yield f"{result.label}, question {item.index}: …{asked[-60:]} → {said[:60]}, not {question.answer[:60]}{closely}"
    if len(lost) > _WRONG_SHOWN:
        yield f"{result.label}: {len(lost) - _WRONG_SHOWN} more that only the original got right"


def _conditions(evaluation: Evaluation) -> str:
    host, noise = evaluation.host, evaluation.noise_floor
    changed = f", {several(noise.changed, 'answer', 'answers')} differed when asked again" if noise is not None and noise.changed else ""
    said = f"noise ±{percent(noise.relative)}{changed}" if noise is not None else "noise unknown"
    asked = several(len(evaluation.questions), "question", "questions")
    task = f"{evaluation.task_label}: {asked}, {evaluation.request.batch_size} at a time"
    greedy = f"greedy, at most {several(evaluation.max_new_tokens, 'token', 'tokens')}"
    dtype = evaluation.variants[0].dtype or "unknown"
    words = (task, greedy, device_words(host), no_gpu_words(host), f"{dtype} baseline", said, host.execution)
    return " · ".join(filter(None, words))
