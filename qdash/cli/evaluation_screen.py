"""An evaluation in a terminal: progress and time left, then one line per variant."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.text import Text

from qdash.cli.screen import harmless, moving_bar, output, print_table
from qdash.present.conditions import device_words, no_gpu_words
from qdash.present.formatting import between, percent, points_of, several
from qdash.records import (
    EvaluatedVariant,
    EvaluatedVariantDone,
    Evaluation,
    EvaluationEvent,
    EvaluationProgress,
    EvaluationRequest,
    Proportion,
)
from qdash.runs.plan import labels_of
from qdash.verdict.evaluations import evaluation_pace, evaluation_verdict

_HEADINGS = ("scheme", "kind", "right", "95% confidence", "vs. original", "McNemar p", "last word", "time", "per question", "speed-up")
_LOADING = 0.1  # a guess of loading's share of a variant's time, which keeps the bar moving
_WRONG_SHOWN = 3


@contextmanager
def evaluating(request: EvaluationRequest) -> Iterator[Callable[[EvaluationEvent], None]]:
    """A bar over all variants; feed it the evaluation's events."""
    labels = labels_of(request.variants)
    with moving_bar() as bar:
        task = bar.add_task("starting", total=len(labels) + 1)

        def show(event: EvaluationEvent) -> None:
            if isinstance(event, EvaluationProgress):
                bar.update(task, completed=_place(event, len(labels)), description=harmless(_words(event, labels)))
            elif isinstance(event, EvaluatedVariantDone):
                bar.update(task, completed=event.index + 1)

        yield show


def _place(event: EvaluationProgress, count: int) -> float:
    if event.stage == "re-timing":
        return count + (event.fraction or 0)
    share = _LOADING + (1 - _LOADING) * (event.fraction or 0) if event.stage == "answering" else _LOADING * (event.fraction or 0)
    return event.index + share


def _words(event: EvaluationProgress, labels: tuple[str, ...]) -> str:
    left = f"about {event.eta_s:.0f} s left" if event.eta_s else ""
    return " · ".join(filter(None, (labels[event.index], event.stage, event.detail, left)))


def print_evaluation(evaluation: Evaluation) -> None:
    """The verdict, the figures, what went wrong, a few questions that a variant got wrong and the original right, and the conditions."""
    said = evaluation_verdict(evaluation)
    console = output()
    console.print(Text(harmless(said.plain.strip()), style="bold"))
    console.print(Text(f"{harmless(said.why)}\n"))
    print_table(_HEADINGS, [_line(result, evaluation) for result in evaluation.variants])
    for result in evaluation.variants:
        if result.error is not None:
            problem = f"{result.error.message} {result.error.remedy}"
            answered = f" after {len(result.items)} of {len(evaluation.questions)} questions" if result.items else ""
            console.print(Text(f"{result.label}: {result.status}{answered}. {harmless(problem)}"))
    for result in evaluation.variants[1:]:
        for line in _lost(result, evaluation):
            console.print(Text(line))
    console.print(Text(_conditions(evaluation), style="dim"))


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
        said, asked = (" ".join(harmless(text).split()) for text in (item.answer, question.prompt))
        yield f"{result.label}, question {item.index}: …{asked[-60:]} → {said[:60]}, not {harmless(question.answer)[:60]}"
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
