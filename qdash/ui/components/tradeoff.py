"""The trade-off chart on a page: its sheet with the switch between costs, what it leaves out, and its table twin.

A click on a dot goes to the variant's card or row; qdash/ui/static/js/page.js finds it by the dot's place and the sheet's prefix. Whoever
uses a keyboard has the names in the table for that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import gradio as gr
from markupsafe import Markup

from qdash.charts.tradeoff import numbers_words
from qdash.charts.tradeoff_points import AGAINST, Against, Trades, against_of, comparison_trades
from qdash.markup import Macros, parts
from qdash.present.formatting import mib, ms, nats, percent
from qdash.present.language import N_, _, recorded
from qdash.records import Comparison, VariantResult
from qdash.ui.components.elements import html
from qdash.ui.components.markup import hint, sheet_head

_draw = Macros(__name__)

BEST_BY: dict[Against, str] = {"size": N_("size"), "peak": N_("peak"), "time": N_("time")}
"""Costs as a table names them."""


@dataclass(frozen=True)
class TradeOff:
    """The sheet."""

    plot: gr.Plot
    against: gr.Radio
    note: gr.HTML


def build_trade_off(how_to_read: str, prefix: str = "") -> TradeOff:
    """Create it inside the current row of sheets."""
    with gr.Column(elem_classes=["sheet", "tradeoff"]):
        html(sheet_head(_("Cost vs. quality"), how_to_read, f"{prefix}tradeoff"))
        against = gr.Radio(
            [(_(name), key) for key, name in AGAINST.items()], value=against_of(None), label=_("Cost"), show_label=False,
            elem_id=f"{prefix}against", elem_classes=["pills"], min_width=0,
        )  # fmt: skip
        plot = gr.Plot(show_label=False, container=False, elem_id=f"{prefix}tradeoff", buttons=[])
        note = html(elem_classes=["tradeoff-note"])
    return TradeOff(plot, against, note)


def nothing_html(every: Iterable[Trades]) -> Markup:
    """A mark by which the style sheet leaves the sheet out; empty if any of a record's trade-offs has a dot besides the original's."""
    return Markup() if any(trades.compares for trades in every) else _draw.nothing_to_show()


def note_html(trades: Trades) -> Markup:
    """What the numbers in dots stand for; what has no dot, and why."""
    by_reason: dict[str, list[str]] = {}
    for label, why in trades.left_out:
        by_reason.setdefault(why, []).append(label)
    if not trades.points:
        return Markup()
    left = "; ".join(f"{', '.join(map(recorded, labels))} ({why})" for why, labels in by_reason.items())
    said = (numbers_words(trades), _("Not drawn: {variants}.", variants=left) if left else "")
    return Markup().join(hint(words) for words in said if words)


def trade_table_html(comparison: Comparison) -> Markup:
    """The chart as a table, for all costs at once; nothing where there is no chart. A name goes to its card."""
    trades = {against: comparison_trades(comparison, against) for against in AGAINST}
    if nothing_html(trades.values()):
        return Markup()
    best = {against: {point.place for point in each.front} for against, each in trades.items()}
    rows = [
        (result, _cells(place, result, [_(BEST_BY[against]) for against in AGAINST if place in best[against]]))
        for place, result in enumerate(comparison.variants)
    ]
    costs = (_("weights"), _("peak"), _("per token"))
    headings = (_("scheme"), *costs, _("distance (KL), nats"), _("same word"), _("best trade-off by"))
    return _draw.twin(_("Cost vs. quality"), headings, rows)


def _cells(place: int, result: VariantResult, best: Sequence[str]) -> tuple[str | None, ...]:
    """None where there is no figure."""
    return (*_costs(result), *_quality(result, original=place == 0), ", ".join(best) or None)


def _costs(result: VariantResult) -> tuple[str | None, str | None, str | None]:
    if result.memory is None:
        return None, None, None
    if result.kind == "simulated":
        projected = result.memory.projected_bytes
        return parts.projected(mib(projected)) if projected else None, None, None
    peak, latency = result.memory.peak_bytes, result.latency
    return mib(result.memory.weights_bytes), None if peak is None else mib(peak), ms(latency.tpot_s.median) if latency else None


def _quality(result: VariantResult, *, original: bool) -> tuple[str | None, str | None]:
    agreement = result.agreement
    if agreement is None:
        return ("0", "100%") if original and result.status == "ok" else (None, None)
    doubt = f" ± {nats(2 * agreement.kl_se)}" if agreement.kl_se else ""
    return nats(agreement.kl_mean_nats) + doubt, percent(agreement.top1)
