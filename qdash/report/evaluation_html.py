"""An evaluation as one HTML page, offline like a comparison's: what quantization cost in right answers, and where versions differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from qdash.charts import accuracy_bars, evaluation_trades, speedup_bars, trade_off
from qdash.charts.tradeoff import numbers_words
from qdash.present.conditions import evaluation_conditions, versions
from qdash.present.formatting import between, mib, ms, percent, points_of
from qdash.records import EvaluatedVariant, Evaluation, Proportion, TaskItem
from qdash.report.page import chart, page
from qdash.verdict.evaluations import costs, evaluation_pace, evaluation_verdict
from qdash.verdict.pace import Pace

MOST_ITEMS = 500
"""Questions listed; the CSV of all answers has the rest."""


def evaluation_to_html(evaluation: Evaluation) -> str:
    """The page. Pictures stay out of it: of the questions only words are listed, those first to which versions answered differently."""
    model = evaluation.variants[0].model
    reading = f"Upper left is better. The line joins the best trade-offs. {numbers_words(evaluation_trades(evaluation))}".strip()
    charts = [
        chart(
            "accuracy",
            "Right answers",
            "Longer is better. Whiskers: 95% confidence. Line: the original.",
            accuracy_bars,
            evaluation,
            model=model,
        ),
        chart("speed", "Speed-up", "Longer is faster. Whiskers: measurement noise.", speedup_bars, evaluation, model=model),
        chart("tradeoff", "Size vs. right answers", reading, _trade_off, evaluation, model=model),
    ]
    listed = _listed(evaluation)
    return page(
        "evaluation",
        evaluation=evaluation,
        verdict=evaluation_verdict(evaluation),
        model=model,
        created_at=evaluation.created_at,
        charts=[drawn for drawn in charts if drawn],
        headings=HEADINGS,
        rows=_rows(evaluation),
        kinds=_kinds(evaluation),
        labels=[result.label for result in evaluation.variants],
        items=listed[:MOST_ITEMS],
        left_out=max(0, len(listed) - MOST_ITEMS),
        conditions=_conditions(evaluation),
    )


def _trade_off(evaluation: Evaluation, *, dark: bool) -> go.Figure | None:
    trades = evaluation_trades(evaluation)
    return trade_off(trades, dark=dark) if trades.compares else None


HEADINGS = (
    "Scheme", "Right", "95% confidence", "vs. original, points", "Lost · won", "p", "Last word", "Time", "A question",
    "Speed-up", "Weights",
)  # fmt: skip


def _rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """Lines of the table, under HEADINGS."""
    drops = {id(cost.result): cost.drop for cost in costs(evaluation) if cost.judged != "not judged"}
    return [_row(result, drops.get(id(result)), evaluation_pace(result, evaluation)) for result in evaluation.variants]


def _row(result: EvaluatedVariant, drop: float | None, pace: Pace) -> tuple[str, ...]:
    if result.accuracy is None:
        return (result.label, result.error.message if result.error else "not run", *("–",) * (len(HEADINGS) - 2))
    accuracy, paired = result.accuracy, result.paired
    size = result.weights_bytes if result.projected_bytes is None else result.projected_bytes
    return (
        result.label,
        f"{percent(accuracy.value, 1)} ({accuracy.successes:,} of {accuracy.total:,})",
        between(accuracy.low, accuracy.high),
        "–" if drop is None else points_of(-drop),
        f"{paired.only_original:,} · {paired.only_variant:,}" if paired else "–",
        f"{paired.p_value:.2g}" if paired else "–",
        percent(result.last_word.value, 1) if result.last_word else "–",
        f"{result.total_s:.1f} s" if result.total_s is not None else "–",
        ms(result.per_item_s) if result.per_item_s is not None else "–",
        f"{result.speedup:.2f}×" if pace.told in ("faster", "slower") else pace.words_or_why or "–",
        f"{mib(size)}{' projected' if result.projected_bytes is not None else ''}" if size else "–",
    )


def _kinds(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """A line a kind of question: its name, and what each version got right of it."""
    kinds = dict.fromkeys(kind for result in evaluation.variants for kind in result.groups)
    return [(kind.replace("_", " "), *(_share(result.groups.get(kind)) for result in evaluation.variants)) for kind in kinds]


def _share(found: Proportion | None) -> str:
    return "–" if found is None else percent(found.value)


@dataclass(frozen=True)
class Listed:
    """A question and what each version answered: (answer, right), None where it did not get that far."""

    question: TaskItem
    answers: tuple[tuple[str, bool] | None, ...]

    @property
    def agreed(self) -> bool:
        """Whether all that answered are right, or all are wrong."""
        return len({right for _, right in filter(None, self.answers)}) < 2


def _listed(evaluation: Evaluation) -> Sequence[Listed]:
    answers = [{item.index: (item.answer, item.correct) for item in result.items} for result in evaluation.variants]
    listed = [Listed(question, tuple(known.get(index) for known in answers)) for index, question in enumerate(evaluation.questions)]
    return sorted(listed, key=lambda item: item.agreed)


def _conditions(evaluation: Evaluation) -> tuple[str, ...]:
    noise = evaluation.noise_floor
    return (
        *evaluation_conditions(evaluation),
        f"noise ±{percent(noise.relative)}: smaller differences in time are noise" if noise else "noise unknown",
        versions(evaluation.host),
        f"qdash {evaluation.qdash_version}",
    )
