"""What the Quality tab says and lists, from a state or an evaluation alone. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from qdash.charts.evaluation import speedup_of
from qdash.charts.tradeoff_points import AGAINST, evaluation_trades
from qdash.markup import Macros, parts
from qdash.present.conditions import evaluation_conditions, versions
from qdash.present.formatting import between, mib, ms, percent, points_of, stand_in
from qdash.records import EvaluatedVariant, Evaluation, Proportion
from qdash.ui.components import text
from qdash.ui.components.markup import running_head
from qdash.ui.components.verdict_header import sentence_html, verdict_html
from qdash.ui.results.conditions import cells_html
from qdash.ui.results.quality_state import QualityState, VariantProgress, final_state
from qdash.verdict.evaluations import Cost, costs, evaluation_pace, evaluation_verdict

_draw = Macros(__name__)

_JUDGED = {
    "worse": ("▼", "clearly worse", "bad"),
    "better": ("▲", "clearly better", "good"),
    "same": ("≈", "no difference over 2 points", ""),
    "open": ("?", "no clear difference", ""),
    "not judged": ("–", "not judged", ""),
}


def empty_html() -> Markup:
    """Headline before the first evaluation."""
    return sentence_html(text.QUALITY_HEADLINE, text.QUALITY_WHY)


def headline_html(evaluation: Evaluation) -> Markup:
    """What quantization cost."""
    return verdict_html(evaluation_verdict(evaluation))


def running_html(state: QualityState | None, status: str) -> Markup:
    """Headline while questions are answered."""
    number = len(state.rows) if state else 0
    who = text.several(number, "version", "versions") if number else "every version"
    return running_head(f"Asking {who} the same questions.", status)


# ── the table, while it runs and after ───────────────────────────────────────────────────────────────────────────


def running_rows_html(state: QualityState) -> Markup:
    """One row a variant: what it does, how far, accuracy so far with its interval."""
    headings = ("scheme", parts.term("right so far", text.TIPS["right"]), "", "questions")
    return _draw.running(headings, [_running(row) for row in state.rows])


@dataclass(frozen=True)
class Running:
    """A variant that is asked, as the template draws it. `right` and `counted` are words, "" where there is nothing to say."""

    row: VariantProgress
    icon: str
    state: str
    problem: str | None
    right: str
    counted: str


def _running(row: VariantProgress) -> Running:
    icon, word = text.STATES[row.state]
    left = f" · {text.seconds(row.eta_s)} left" if row.eta_s is not None and row.state == "answering" else ""
    error = row.result.error if row.result is not None else None
    return Running(
        row=row,
        icon=icon,
        state=f"{word}{left}",
        problem=error.message if error else None,
        right=percent(row.accuracy.value, 1) if row.accuracy else "",
        counted=f"{row.done:,} of {row.total:,}" if row.total and row.state != "queued" else "",
    )


def rows_html(evaluation: Evaluation) -> Markup:
    """Every figure of the charts, one row a variant."""
    judged = {id(cost.result): cost for cost in costs(evaluation)}
    best = {name.lower(): {point.place for point in evaluation_trades(evaluation, against).front} for against, name in AGAINST.items()}
    standard = any(result.last_word for result in evaluation.variants)
    names = ("right", "95% confidence", "vs. original", "lost · won", "p", *(("last word",) if standard else ()))
    headings = ("scheme", *(parts.term(name, text.TIPS[name]) for name in names), "time", "speed-up", "weights", "best by")
    rows = [
        _finished(place, result, evaluation, judged.get(id(result)), standard, [name for name, places in best.items() if place in places])
        for place, result in enumerate(evaluation.variants)
    ]
    return _draw.finished(headings, rows)


@dataclass(frozen=True)
class Finished:
    """A variant with its figures (None: there is none), or without any; `state` is how it ended: an icon and a word."""

    variant: EvaluatedVariant
    state: tuple[str, str]
    cells: tuple[str | None, ...] = ()


def _finished(
    place: int, result: EvaluatedVariant, evaluation: Evaluation, cost: Cost | None, standard: bool, best: Sequence[str]
) -> Finished:
    state = text.STATES[final_state(result)]
    if result.accuracy is None:
        return Finished(result, state)
    accuracy = result.accuracy
    cells = (
        _draw.right(accuracy, percent(accuracy.value, 1), _stopped(result, evaluation)),
        between(accuracy.low, accuracy.high),
        *_against(cost, original=place == 0),
        *((_percent(result.last_word),) if standard else ()),
        *_times(place, result, evaluation),
        _weights(result),
        ", ".join(best) if len(evaluation.variants) > 1 and best else None,
    )
    return Finished(result, state, cells)


def _stopped(result: EvaluatedVariant, evaluation: Evaluation) -> Markup:
    """A variant with some of its answers says so; why is told by its error."""
    if result.status == "ok":
        return Markup()
    icon, word = text.STATES[final_state(result)]
    of = f"{word.lower()} after {len(result.items):,} of {len(evaluation.questions):,}"
    return _draw.stopped(icon, of, result.error.message if result.error else "")


def _against(cost: Cost | None, *, original: bool) -> tuple[str | None, str | None, str | None]:
    if cost is None or cost.result.paired is None:
        return ("reference" if original else None), None, None
    icon, words, tone = _JUDGED[cost.judged]
    words = f"{words}: {cost.why_not}" if cost.why_not else words
    paired = cost.result.paired
    interval = " to ".join(points_of(-end) for end in (cost.high, cost.low))
    said = _draw.against(points_of(-cost.drop), interval, icon, words, tone)
    return said, f"{paired.only_original:,} · {paired.only_variant:,}", "< 0.001" if paired.p_value < 0.001 else f"{paired.p_value:.2g}"


def _times(place: int, result: EvaluatedVariant, evaluation: Evaluation) -> tuple[str | None, str | None]:
    """In all and per question, and the speed-up; a simulated variant's are those of a stand-in, in grey."""
    if result.total_s is None or result.per_item_s is None:
        return None, None
    time = _draw.time(_duration(result.total_s), _duration(result.per_item_s))
    if result.kind == "simulated":
        return parts.quiet(time, f"simulated: measured on the {stand_in(result.dtype)}"), None
    speedup = speedup_of(evaluation, place)
    if place == 0 or speedup is None:
        return time, "1×" if speedup else None
    pace = evaluation_pace(result, evaluation)
    if pace.told in ("faster", "slower"):
        return time, f"{speedup:.2f}×"
    return time, parts.quiet(pace.words or "not compared", pace.words_or_why)


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else ms(seconds)


def _weights(result: EvaluatedVariant) -> str | None:
    if result.kind == "simulated" and result.projected_bytes:
        return parts.projected(mib(result.projected_bytes))
    return mib(result.weights_bytes) if result.weights_bytes else None


def _percent(found: Proportion | None) -> str | None:
    return None if found is None else percent(found.value, 1)


# ── by kind, and the conditions ──────────────────────────────────────────────────────────────────────────────────


def kinds_html(evaluation: Evaluation) -> Markup:
    """Accuracy by kind of question, one row a kind, one column a variant; empty where questions have no kinds."""
    kinds = list(dict.fromkeys(kind for result in evaluation.variants for kind in result.groups))
    shown = [result for result in evaluation.variants if result.groups]
    rows = [(said_kind(kind), [_of_kind(result, kind) for result in shown]) for kind in kinds]
    return _draw.kinds(shown, rows) if kinds else Markup()


def said_kind(kind: str) -> str:
    """“count_all” → “count all”."""
    return kind.replace("_", " ")


def _of_kind(result: EvaluatedVariant, kind: str) -> tuple[float, str, str] | None:
    """Percent, the same in words, and what it is counted from."""
    found = result.groups.get(kind)
    if found is None:
        return None
    tip = f"{found.successes} of {found.total}; 95% confidence: {between(found.low, found.high, 0)}"
    return found.value * 100, percent(found.value), tip


def conditions_html(evaluation: Evaluation) -> Markup:
    """Without these the figures mean nothing."""
    host, noise = evaluation.host, evaluation.noise_floor
    floor = f"noise ±{percent(noise.relative)}" if noise else "noise unknown"
    asked = [(words, "") for words in evaluation_conditions(evaluation)]
    return cells_html([*asked, (floor, text.TIPS["noise"]), (host.execution, "")], versions(host))
