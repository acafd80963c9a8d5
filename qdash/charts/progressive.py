"""A model that is quantized step by step: divergence or right answers over its size, a line for each order.

Colour means bits: least damage first has that of the scheme, the other orders are grey and told apart by their markers. Lines of a
simulated scheme are dashed, its markers open.
"""

from html import escape

import plotly.graph_objects as go

from qdash.charts.draft import Draft
from qdash.charts.palette import palette
from qdash.charts.style import legend, styled
from qdash.present.formatting import between, mib, nats, percent
from qdash.present.language import _, decimal, ngettext
from qdash.present.progressive import order_name, step_name
from qdash.records import Order, Progression, ProgressiveReport, ProgressiveStep

HEIGHT_PX = 290
MIB = 2**20
_MARKERS: dict[Order, str] = {"damage": "circle", "part": "square", "random": "diamond"}


def divergence_over_size(report: ProgressiveReport, *, dark: bool = False) -> go.Figure:
    """KL divergence in nats with its 95% interval over MiB of weights, from the original on the right to all layers on the left."""
    draft = _draft(report, dark)
    for progression in reversed(report.progressions):
        steps = [step for step in progression.steps if step.kl_mean_nats is not None]
        values = [step.kl_mean_nats or 0.0 for step in steps]
        _line(draft, report, progression, steps, values, [_interval(step) for step in steps], dark)
    draft.y_axis(title={"text": _("KL divergence, nats")}, rangemode="tozero")
    return draft.figure()


def accuracy_over_size(report: ProgressiveReport, *, dark: bool = False) -> go.Figure:
    """The share of right answers with its 95% interval over MiB of weights; only for a report with right answers."""
    draft = _draft(report, dark)
    for progression in reversed(report.progressions):
        steps = [step for step in progression.steps if step.accuracy is not None]
        shares = [step.accuracy for step in steps if step.accuracy is not None]
        ends = [(100 * share.low, 100 * share.high) for share in shares]
        _line(draft, report, progression, steps, [100 * share.value for share in shares], ends, dark)
    draft.y_axis(title={"text": _("right answers")}, ticksuffix="%")
    return draft.figure()


def _interval(step: ProgressiveStep) -> tuple[float, float]:
    """The ends of its divergence's; that itself where one item was followed."""
    value = step.kl_mean_nats or 0.0
    return (value, value) if step.kl_low is None or step.kl_high is None else (step.kl_low, step.kl_high)


def _draft(report: ProgressiveReport, dark: bool) -> Draft:
    draft = Draft()
    styled(draft, dark=dark, height=HEIGHT_PX)
    draft.layout(showlegend=True, legend={**legend(dark), "traceorder": "reversed"}, hovermode="closest", margin={"t": 30, "b": 40})
    draft.x_axis(title={"text": _("smaller ← weights, {unit}", unit="MiB")}, zeroline=False)
    return draft


def _line(
    draft: Draft,
    report: ProgressiveReport,
    progression: Progression,
    steps: list[ProgressiveStep],
    values: list[float],
    ends: list[tuple[float, float]],
    dark: bool,
) -> None:
    own, simulated = progression.order == "damage", report.kind == "simulated"
    colour = palette(dark).of(report.bits) if own else palette(dark).soft
    symbol = _MARKERS[progression.order]
    draft.scatter(
        x=[(step.weights_bytes or 0) / MIB for step in steps], y=values, mode="lines+markers", name=order_name(progression.order),
        opacity=1 if own else 0.75,
        line={"color": colour, "width": 2.2 if own else 1.3, "dash": "5px,3px" if simulated else "solid"},
        marker={"color": colour, "size": 8 if own else 7, "symbol": f"{symbol}-open" if simulated else symbol},
        error_y={
            "type": "data", "symmetric": False, "color": colour, "thickness": 1, "width": 2,
            "array": [high - value for value, (_low, high) in zip(values, ends, strict=True)],
            "arrayminus": [value - low for value, (low, _high) in zip(values, ends, strict=True)],
        },
        hovertemplate=[_hover(progression.order, step) for step in steps],
    )  # fmt: skip


def _hover(order: Order, step: ProgressiveStep) -> str:
    layers = ngettext("{number} layer quantized", "{number} layers quantized", step.quantized, number=decimal(step.quantized))
    interval = "" if step.kl_low is None else f" ({nats(step.kl_low)}–{nats(step.kl_high)})"
    lines = [
        f"<b>{escape(step_name(order, step))}</b>",
        f"{order_name(order)}, {layers}",
        mib(step.weights_bytes or 0),
        _("KL divergence {nats} nats", nats=nats(step.kl_mean_nats) + interval),
    ]
    if step.accuracy is not None:
        share = step.accuracy
        lines.append(_("right answers {share} ({between})", share=percent(share.value, 1), between=between(share.low, share.high)))
    return "<br>".join(lines) + "<extra></extra>"
