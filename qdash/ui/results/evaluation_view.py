"""What the Quality tab says and lists, from a state or an evaluation alone. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from qdash.charts.evaluation import speedup_of
from qdash.charts.tradeoff_points import AGAINST, evaluation_trades
from qdash.markup import Macros, parts
from qdash.present.conditions import evaluation_conditions, versions
from qdash.present.formatting import between, mib, ms, percent, points_of, stand_in
from qdash.present.language import N_, _, decimal, ngettext, recorded
from qdash.records import EvaluatedVariant, Evaluation, Proportion
from qdash.ui.components import text
from qdash.ui.components.markup import explained, running_head
from qdash.ui.components.tradeoff import BEST_BY
from qdash.ui.components.verdict_header import sentence_html, verdict_html
from qdash.ui.results.conditions import conditions_line
from qdash.ui.results.quality_state import QualityState, VariantProgress, final_state
from qdash.verdict.close_calls import changed_closely
from qdash.verdict.evaluations import Cost, costs, evaluation_pace, evaluation_verdict

_draw = Macros(__name__)

_JUDGED = {
    "worse": ("▼", N_("clearly worse"), "bad"),
    "better": ("▲", N_("clearly better"), "good"),
    "same": ("≈", N_("no difference over 2 points"), ""),
    "open": ("?", N_("no clear difference"), ""),
    "not judged": ("–", N_("not judged"), ""),
}

_BUNDLED_KINDS = (
    N_("background"), N_("colour"), N_("count all"), N_("count kind"), N_("counting"), N_("describe"), N_("exists"), N_("names"),
    N_("objects"), N_("opposites"), N_("outside"), N_("places"), N_("relation"), N_("where"), N_("which"),
)  # fmt: skip


def empty_html() -> Markup:
    """Headline before the first evaluation."""
    return sentence_html(_(text.QUALITY_HEADLINE), _(text.QUALITY_WHY))


def headline_html(evaluation: Evaluation) -> Markup:
    """What quantization cost."""
    return verdict_html(evaluation_verdict(evaluation))


def running_html(state: QualityState | None, status: str) -> Markup:
    """Headline while questions are answered."""
    number = len(state.rows) if state else 0
    asking = ngettext("Asking {number} version the same questions.", "Asking {number} versions the same questions.", number)
    return running_head(asking if number else _("Asking every version the same questions."), status)


# ── the table, while it runs and after ───────────────────────────────────────────────────────────────────────────


def running_rows_html(state: QualityState) -> Markup:
    """One row a variant: what it does, how far, accuracy so far with its interval."""
    headings = (_("scheme"), parts.term(_("right so far"), _(text.TIPS["right"])), "", _("questions"))
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
    answering = row.eta_s is not None and row.state == "answering"
    left = f" · {_('{duration} left', duration=text.seconds(row.eta_s))}" if answering and row.eta_s is not None else ""
    error = row.result.error if row.result is not None else None
    return Running(
        row=row,
        icon=icon,
        state=f"{_(word)}{left}",
        problem=error.message if error else None,
        right=percent(row.accuracy.value, 1) if row.accuracy else "",
        counted=_("{number} of {total}", number=decimal(row.done), total=decimal(row.total)) if row.total and row.state != "queued" else "",
    )


def rows_html(evaluation: Evaluation) -> Markup:
    """Every figure of the charts, one row a variant."""
    judged = {id(cost.result): cost for cost in costs(evaluation)}
    best = {_(BEST_BY[against]): {point.place for point in evaluation_trades(evaluation, against).front} for against in AGAINST}
    standard = any(result.last_word for result in evaluation.variants)
    names = ("right", "95% confidence", "vs. original", "lost · won", "p", *(("last word",) if standard else ()))
    headings = (_("scheme"), *map(explained, names), _("time"), _("speed-up"), _("weights"), _("best by"))
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
        *_against(cost, evaluation.variants[0], is_original=place == 0),
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
    state, done, total = final_state(result), decimal(len(result.items)), decimal(len(evaluation.questions))
    of = _("{state} after {number} of {total}", state=_(text.WITHIN[state]), number=done, total=total)
    return _draw.stopped(text.STATES[state][0], of, recorded(result.error.message) if result.error else "")


def _against(cost: Cost | None, original: EvaluatedVariant, *, is_original: bool) -> tuple[str | None, str | None, str | None]:
    if cost is None or cost.result.paired is None:
        return (_("reference") if is_original else None), None, None
    icon, words, tone = _JUDGED[cost.judged]
    words = f"{_(words)}: {cost.why_not}" if cost.why_not else _(words)
    paired = cost.result.paired
    interval = _("{low} to {high}", low=points_of(-cost.high), high=points_of(-cost.low))
    said = _draw.against(points_of(-cost.drop), interval, icon, words, tone)
    return (
        said,
        _draw.changed(f"{decimal(paired.only_original)} · {decimal(paired.only_variant)}", _closely(cost.result, original)),
        "< 0.001" if paired.p_value < 0.001 else f"{paired.p_value:.2g}",
    )


def _closely(result: EvaluatedVariant, original: EvaluatedVariant) -> str:
    close, known = changed_closely(result, original)
    return ngettext("{close} of {number} a close call", "{close} of {number} close calls", known, close=decimal(close)) if known else ""


def _times(place: int, result: EvaluatedVariant, evaluation: Evaluation) -> tuple[str | None, str | None]:
    """In all and per question, and the speed-up; a simulated variant's are those of a stand-in, in grey."""
    if result.total_s is None or result.per_item_s is None:
        return None, None
    time = _draw.time(_duration(result.total_s), _duration(result.per_item_s))
    if result.kind == "simulated":
        return parts.quiet(time, _("simulated: measured on the {stand_in}", stand_in=stand_in(result.dtype))), None
    speedup = speedup_of(evaluation, place)
    if place == 0 or speedup is None:
        return time, "1×" if speedup else None
    pace = evaluation_pace(result, evaluation)
    if pace.told in ("faster", "slower"):
        return time, f"{speedup:.2f}×"
    return time, parts.quiet(pace.words or _("not compared"), pace.words_or_why)


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
    words = kind.replace("_", " ")
    return _(words) if words in _BUNDLED_KINDS else words


def _of_kind(result: EvaluatedVariant, kind: str) -> tuple[float, str, str] | None:
    """Percent, the same in words, and what it is counted from."""
    found = result.groups.get(kind)
    if found is None:
        return None
    interval = between(found.low, found.high, 0)
    tip = _("{number} of {total}; 95% confidence: {interval}", number=found.successes, total=found.total, interval=interval)
    return found.value * 100, percent(found.value), tip


def conditions_html(evaluation: Evaluation) -> Markup:
    """Without these the figures mean nothing."""
    host, noise = evaluation.host, evaluation.noise_floor
    floor = _("noise ±{share}", share=percent(noise.relative)) if noise else _("noise unknown")
    asked = [(words, "") for words in evaluation_conditions(evaluation)]
    return conditions_line([*asked, (floor, _(text.TIPS["noise"])), (recorded(host.execution), "")], versions(host))
