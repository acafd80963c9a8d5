"""What the Quality tab says and lists, from a board or an evaluation alone. Pure functions; whatever models and files say is escaped."""

from collections.abc import Sequence
from html import escape

from qdash.charts.evaluation import speedup_of
from qdash.charts.tradeoff_points import AGAINST, evaluation_trades
from qdash.present.conditions import evaluation_conditions, versions
from qdash.present.formatting import between, mib, ms, percent, points_of, stand_in
from qdash.records import EvaluatedVariant, Evaluation, Kind, Proportion
from qdash.ui.components import text
from qdash.ui.components.comparison_tables import NOTHING
from qdash.ui.components.markup import bits_class, colour_classes, term
from qdash.ui.components.verdict_header import sentence_html, verdict_html
from qdash.ui.results.quality_state import QualityState, VariantProgress, final_state
from qdash.verdict.evaluations import Cost, costs, evaluation_pace, evaluation_verdict

_JUDGED = {
    "worse": ("▼", "clearly worse", "bad"),
    "better": ("▲", "clearly better", "good"),
    "same": ("≈", "no difference over 2 points", ""),
    "open": ("?", "no clear difference", ""),
    "not judged": ("–", "not judged", ""),
}


def empty_html() -> str:
    """Headline before the first evaluation."""
    return sentence_html(text.QUALITY_HEADLINE, text.QUALITY_WHY)


def headline_html(evaluation: Evaluation) -> str:
    """What quantization cost."""
    return verdict_html(evaluation_verdict(evaluation))


def running_html(board: QualityState | None, status: str) -> str:
    """Headline while questions are answered."""
    number = len(board.rows) if board else 0
    who = text.several(number, "version", "versions") if number else "every version"
    return (
        f'<h2 class="verdict">Asking {who} the same questions.</h2>'
        f'<p class="sub" aria-live="polite"><span class="turning" aria-hidden="true"></span>{escape(status)}</p>'
    )


# ── the table, while it runs and after ───────────────────────────────────────────────────────────────────────────


def running_rows_html(board: QualityState) -> str:
    """One row a variant: what it does, how far, accuracy so far with its interval."""
    rows = "".join(_running(row, place) for place, row in enumerate(board.rows))
    return _table(("scheme", term("right so far", text.TIPS["right"]), "", "questions"), rows, "marks running")


def _running(row: VariantProgress, place: int) -> str:
    icon, word = text.STATES[row.state]
    left = f" · {text.seconds(row.eta_s)} left" if row.eta_s is not None and row.state == "answering" else ""
    reason = f' title="{escape(row.result.error.message)}"' if row.result is not None and row.result.error is not None else ""
    state = f'<span class="state is-{row.state}"{reason}><span aria-hidden="true">{icon}</span> {word}{left}</span>'
    told = f"{percent(row.accuracy.value, 1)}" if row.accuracy else NOTHING
    counted = f"{row.done:,} of {row.total:,}" if row.total and row.state != "queued" else ""
    return (
        f'<tr data-variant="{place}">{_name(row.label, row.bits, row.kind)}<td class="gauge">{_gauge(row.accuracy)}<b>{told}</b></td>'
        f'<td>{state}</td><td class="count">{counted}{_bar(row)}</td></tr>'
    )


def _bar(row: VariantProgress) -> str:
    if not row.running:
        return '<div class="bar off"></div>'
    if row.fraction is None:
        return '<div class="bar unknown" role="progressbar"><i></i></div>'
    percent = round(row.fraction * 100)
    return f'<div class="bar" role="progressbar" aria-valuenow="{percent}"><i style="width:{percent}%"></i></div>'


def _gauge(accuracy: Proportion | None) -> str:
    """A bar with a whisker, drawn by the style sheet."""
    if accuracy is None:
        return '<span class="meter"></span>'
    value, low, high = (f"{part * 100:.1f}%" for part in (accuracy.value, accuracy.low, accuracy.high))
    return f'<span class="meter" style="--v:{value};--l:{low};--h:{high}" aria-hidden="true"><i></i><u></u></span>'


def rows_html(evaluation: Evaluation) -> str:
    """Every figure of the charts, one row a variant."""
    judged = {id(cost.result): cost for cost in costs(evaluation)}
    best = {name.lower(): {point.place for point in evaluation_trades(evaluation, against).front} for against, name in AGAINST.items()}
    standard = any(result.last_word for result in evaluation.variants)
    names = ("right", "95% confidence", "vs. original", "lost · won", "p", *(("last word",) if standard else ()))
    tips = {name: term(name, text.TIPS[name]) for name in names}
    headings = ("scheme", *tips.values(), "time", "speed-up", "weights", "best by")
    rows = "".join(
        _finished(place, result, evaluation, judged.get(id(result)), standard, [name for name, places in best.items() if place in places])
        for place, result in enumerate(evaluation.variants)
    )
    return _table(headings, rows, "marks")


def _finished(place: int, result: EvaluatedVariant, evaluation: Evaluation, cost: Cost | None, standard: bool, best: Sequence[str]) -> str:
    name = _name(result.label, result.bits, result.kind)
    if result.accuracy is None:
        return f'<tr data-variant="{place}">{name}<td colspan="{10 if standard else 9}" class="said">{_problem(result)}</td></tr>'
    last = (_percent(result.last_word),) if standard else ()
    accuracy = result.accuracy
    cells = (
        f"<b>{percent(accuracy.value, 1)}</b><small>{accuracy.successes:,} of {accuracy.total:,}</small>{_stopped(result, evaluation)}",
        between(accuracy.low, accuracy.high),
        *_against(cost, original=place == 0),
        *last,
        *_times(place, result, evaluation),
        _weights(result),
        escape(", ".join(best)) if len(evaluation.variants) > 1 and best else NOTHING,
    )
    return f'<tr data-variant="{place}">{name}{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _problem(result: EvaluatedVariant) -> str:
    icon, word = text.STATES[final_state(result)]
    why = f" {escape(result.error.message)} {escape(result.error.remedy)}" if result.error else ""
    return f'<span aria-hidden="true">{icon}</span> {word}.{why}'


def _stopped(result: EvaluatedVariant, evaluation: Evaluation) -> str:
    """A variant with some of its answers says so; why is told by its error."""
    if result.status == "ok":
        return ""
    icon, word = text.STATES[final_state(result)]
    reason = escape(result.error.message) if result.error else ""
    of = f"{len(result.items):,} of {len(evaluation.questions):,}"
    return f'<small class="partial" title="{reason}"><span aria-hidden="true">{icon}</span> {word.lower()} after {of}</small>'


def _against(cost: Cost | None, *, original: bool) -> tuple[str, str, str]:
    if cost is None or cost.result.paired is None:
        return ("reference" if original else NOTHING), NOTHING, NOTHING
    icon, words, tone = _JUDGED[cost.judged]
    words = f"{words}: {cost.why_not}" if cost.why_not else words
    paired = cost.result.paired
    between = " to ".join(points_of(-end) for end in (cost.high, cost.low))
    chip = f'<small class="judged {tone}"><span aria-hidden="true">{icon}</span> {escape(words)}</small>'
    said = f"{points_of(-cost.drop)} points<small>{between}</small>{chip}"
    return said, f"{paired.only_original:,} · {paired.only_variant:,}", "&lt; 0.001" if paired.p_value < 0.001 else f"{paired.p_value:.2g}"


def _times(place: int, result: EvaluatedVariant, evaluation: Evaluation) -> tuple[str, str]:
    """In all and per question, and the speed-up; a simulated variant's are those of a stand-in, in grey."""
    if result.total_s is None or result.per_item_s is None:
        return NOTHING, NOTHING
    time = f"{_duration(result.total_s)}<small>{_duration(result.per_item_s)} a question</small>"
    if result.kind == "simulated":
        return f'<span class="quiet" title="simulated: measured on the {stand_in(result.dtype)}">{time}</span>', NOTHING
    speedup = speedup_of(evaluation, place)
    if place == 0 or speedup is None:
        return time, "1×" if speedup else NOTHING
    pace = evaluation_pace(result, evaluation)
    if pace.told in ("faster", "slower"):
        return time, f"{speedup:.2f}×"
    return time, f'<span class="quiet" title="{escape(pace.words_or_why)}">{pace.words or "not compared"}</span>'


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else ms(seconds)


def _weights(result: EvaluatedVariant) -> str:
    if result.kind == "simulated" and result.projected_bytes:
        return f"{mib(result.projected_bytes)} <i class='quiet'>projected</i>"
    return mib(result.weights_bytes) if result.weights_bytes else NOTHING


def _percent(found: Proportion | None) -> str:
    return NOTHING if found is None else f"{percent(found.value, 1)}"


# ── by kind, and the conditions ──────────────────────────────────────────────────────────────────────────────────


def kinds_html(evaluation: Evaluation) -> str:
    """Accuracy by kind of question, one row a kind, one column a variant; empty where questions have no kinds."""
    kinds = list(dict.fromkeys(kind for result in evaluation.variants for kind in result.groups))
    if not kinds:
        return ""
    shown = [result for result in evaluation.variants if result.groups]
    dot = '<span class="dot" aria-hidden="true"></span>'
    head = "".join(f'<th scope="col" class="{colour_classes(result)}">{dot}{escape(result.label)}</th>' for result in shown)
    rows = "".join(f'<tr><th scope="row">{escape(said_kind(kind))}</th>{_of_kind(kind, shown)}</tr>' for kind in kinds)
    # Columns of one width, so that bars of different columns can be compared.
    columns = f'<thead><tr><th scope="col">questions</th>{head}</tr></thead>'
    table = f'<table class="kinds" style="--columns:{len(shown)}">{columns}<tbody>{rows}</tbody></table>'
    return f'<div class="scroll" tabindex="0">{table}</div>'


def said_kind(kind: str) -> str:
    """“count_all” → “count all”."""
    return kind.replace("_", " ")


def _of_kind(kind: str, shown: Sequence[EvaluatedVariant]) -> str:
    cells = []
    for result in shown:
        found = result.groups.get(kind)
        if found is None:
            cells.append(f"<td>{NOTHING}</td>")
            continue
        tip = f"{found.successes} of {found.total}; 95% confidence: {between(found.low, found.high, 0)}"
        cells.append(
            f'<td class="rate {colour_classes(result)}" style="--v:{found.value * 100:.1f}%" title="{tip}">{percent(found.value)}</td>'
        )
    return "".join(cells)


def conditions_html(evaluation: Evaluation) -> str:
    """Without these the figures mean nothing."""
    host, noise = evaluation.host, evaluation.noise_floor
    floor = term(f"noise ±{percent(noise.relative)}" if noise else "noise unknown", text.TIPS["noise"])
    cells = "".join(f"<span>{escape(asked)}</span>" for asked in evaluation_conditions(evaluation))
    return f'<div class="cond">{cells}{floor}<span>{host.execution}</span><span class="versions">{escape(versions(host))}</span></div>'


def _name(label: str, bits: int | None, kind: Kind) -> str:
    return f'<th scope="row" class="{_colour(bits, kind)}"><span class="dot" aria-hidden="true"></span>{escape(label)}</th>'


def _colour(bits: int | None, kind: Kind) -> str:
    return f"{bits_class(bits)} sim" if kind == "simulated" else bits_class(bits)


def _table(headings: Sequence[str], rows: str, classes: str) -> str:
    """`headings` are markup."""
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    return f'<div class="scroll" tabindex="0"><table class="{classes}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
