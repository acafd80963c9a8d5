"""An evaluation as one HTML page, offline like a comparison's: what quantization cost in right answers, and where versions differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from markupsafe import Markup

from qdash.charts import accuracy_bars, evaluation_trades, speedup_bars, trade_off
from qdash.charts.tradeoff import numbers_words
from qdash.present.conditions import evaluation_conditions, versions
from qdash.present.formatting import between, mib, ms, percent, points_of
from qdash.present.kinds import spoken_question_kind
from qdash.present.language import N_, _, decimal, recorded
from qdash.records import EvaluatedVariant, Evaluation, Proportion, TaskItem
from qdash.report.page import chart, page
from qdash.verdict.evaluations import costs, evaluation_pace, evaluation_verdict
from qdash.verdict.pace import Pace

MOST_ITEMS = 500
"""Questions listed; the CSV of all answers has the rest."""


def evaluation_to_html(evaluation: Evaluation) -> str:
    """The page. Pictures stay out of it: of the questions only words are listed, those first to which versions answered differently."""
    model = evaluation.variants[0].model
    best = _("Upper left is better. The line joins the best trade-offs.")
    reading = f"{best} {numbers_words(evaluation_trades(evaluation))}".strip()
    charts = [
        chart(
            "accuracy",
            _("Right answers"),
            _("Longer is better. Whiskers: 95% confidence. Line: the original."),
            accuracy_bars,
            evaluation,
            model=model,
        ),
        chart("speed", _("Speed-up"), _("Longer is faster. Whiskers: measurement noise."), speedup_bars, evaluation, model=model),
        chart("tradeoff", _("Size vs. right answers"), reading, _trade_off, evaluation, model=model),
    ]
    listed = _listed(evaluation)
    return page(
        "evaluation",
        evaluation=evaluation,
        verdict=evaluation_verdict(evaluation),
        model=model,
        created_at=evaluation.created_at,
        charts=[drawn for drawn in charts if drawn],
        headings=[_(heading) for heading in HEADINGS],
        rows=_rows(evaluation),
        kinds=_kinds(evaluation),
        explained=_explained(evaluation),
        labels=[result.label for result in evaluation.variants],
        items=listed[:MOST_ITEMS],
        left_out=max(0, len(listed) - MOST_ITEMS),
        conditions=_conditions(evaluation),
    )


def _trade_off(evaluation: Evaluation, *, dark: bool) -> go.Figure | None:
    trades = evaluation_trades(evaluation)
    return trade_off(trades, dark=dark) if trades.compares else None


HEADINGS = (
    N_("Scheme"), N_("Right"), N_("95% confidence"), N_("vs. original, points"), N_("Lost · won"), N_("p"), N_("Last word"),
    N_("Time"), N_("A question"), N_("Speed-up"), N_("Weights"),
)  # fmt: skip


def _explained(evaluation: Evaluation) -> Markup:
    """What the columns of the table mean."""
    told = N_(
        "95% confidence: Wilson's interval. vs. {original}: right answers minus its own, in percentage points, on the questions both "
        "answered. Lost: only the original is right; won: only this version is. p: McNemar's exact test, before Holm's correction. "
        "Simulated variants were timed on a 16- or 32-bit stand-in."
    )
    return Markup(_(told)).format(original=evaluation.variants[0].label)


def _rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """Lines of the table, under HEADINGS."""
    drops = {id(cost.result): cost.drop for cost in costs(evaluation) if cost.judged != "not judged"}
    return [_row(result, drops.get(id(result)), evaluation_pace(result, evaluation)) for result in evaluation.variants]


def _row(result: EvaluatedVariant, drop: float | None, pace: Pace) -> tuple[str, ...]:
    if result.accuracy is None:
        return (result.label, recorded(result.error.message) if result.error else _("not run"), *("–",) * (len(HEADINGS) - 2))
    accuracy, paired = result.accuracy, result.paired
    size = result.weights_bytes if result.projected_bytes is None else result.projected_bytes
    return (
        result.label,
        _(
            "{share} ({right} of {total})",
            share=percent(accuracy.value, 1),
            right=decimal(accuracy.successes),
            total=decimal(accuracy.total),
        ),
        between(accuracy.low, accuracy.high),
        "–" if drop is None else points_of(-drop),
        f"{decimal(paired.only_original)} · {decimal(paired.only_variant)}" if paired else "–",
        f"{paired.p_value:.2g}" if paired else "–",
        percent(result.last_word.value, 1) if result.last_word else "–",
        f"{decimal(result.total_s, 1, grouped=False)} s" if result.total_s is not None else "–",
        ms(result.per_item_s) if result.per_item_s is not None else "–",
        f"{decimal(result.speedup or 0, 2, grouped=False)}×" if pace.told in ("faster", "slower") else pace.words_or_why or "–",
        "–" if not size else mib(size) if result.projected_bytes is None else _("{size} projected", size=mib(size)),
    )


def _kinds(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """A line a kind of question: its name, and what each version got right of it."""
    kinds = dict.fromkeys(kind for result in evaluation.variants for kind in result.groups)
    return [(spoken_question_kind(kind), *(_share(result.groups.get(kind)) for result in evaluation.variants)) for kind in kinds]


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
        _("noise ±{share}: smaller differences in time are noise", share=percent(noise.relative)) if noise else _("noise unknown"),
        versions(evaluation.host),
        f"qdash {evaluation.qdash_version}",
    )
