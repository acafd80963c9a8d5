"""How far a model is from the original while it is healed, on what it learns from and on what is held out."""

from collections.abc import Sequence
from math import floor, log10

import plotly.graph_objects as go

from qdash.charts.draft import Draft
from qdash.charts.palette import faded, palette
from qdash.charts.style import legend, styled
from qdash.present.formatting import nats
from qdash.present.language import _, decimal
from qdash.records import HealPoint, candidates

HEIGHT_PX = 280
LEAST_NATS = 1e-6
"""What is nearer to the original is drawn there: a logarithmic axis has no 0."""


def healing_curve(
    points: Sequence[HealPoint], *, bits: int | None, minutes: float, live: tuple[float, float] | None = None, dark: bool = False
) -> go.Figure:
    """Divergence in nats per token, on a logarithmic axis, over `minutes` of training. Dots: what is held out, the one that is kept larger,
    open ones with fewer zeros than in the end; a pale line: what is trained on, up to `live` (seconds, nats), the latest; dashed: unhealed.
    """
    draft, colours = Draft(), palette(dark)
    colour, unhealed, whole = colours.of(bits), points[0].held_out_kl, candidates(points)
    best = min(whole, key=lambda point: point.held_out_kl)
    marker = {
        "color": colour, "size": [11 if point is best else 6 for point in points],
        "symbol": ["circle" if point in whole else "circle-open" for point in points],
    }  # fmt: skip
    losses = [(point.seconds, point.train_kl) for point in points if point.train_kl is not None] + ([live] if live else [])
    end = max([minutes, *(point.seconds / 60 for point in points)])
    line = {"color": colours.soft, "width": 1.2, "dash": "dash"}
    draft.scatter(x=[0, end], y=[_drawn(unhealed)] * 2, mode="lines", line=line, name=_("unhealed"), hoverinfo="skip")
    draft.scatter(
        x=[seconds / 60 for seconds, _loss in losses], y=[_drawn(loss) for _seconds, loss in losses], mode="lines",
        line={"color": faded(colour, 0.45), "width": 1.5}, name=_("training"),
        customdata=[nats(loss) for _seconds, loss in losses], hovertemplate=_hover(_("training")),
    )  # fmt: skip
    draft.scatter(
        x=[point.seconds / 60 for point in points], y=[_drawn(point.held_out_kl) for point in points], mode="lines+markers",
        line={"color": colour, "width": 2}, marker=marker,
        name=_("held out"), customdata=[nats(point.held_out_kl) for point in points], hovertemplate=_hover(_("held out")),
    )  # fmt: skip
    styled(draft, dark=dark, height=HEIGHT_PX)
    draft.layout(showlegend=True, legend=legend(dark), margin={"t": 24})
    draft.x_axis(title={"text": _("minutes of training")}, range=[-0.012 * end, end * 1.02], zeroline=False)
    _across(draft, [point.held_out_kl for point in points] + [loss for _seconds, loss in losses])
    return draft.figure()


def _across(draft: Draft, values: Sequence[float]) -> None:
    """The axis for these values, with ticks at 1, 2 and 5 of each power of ten, or at the powers alone where these are many."""
    low, high = _drawn(min(values)) / 1.3, _drawn(max(values)) * 1.3
    powers = range(floor(log10(low)), floor(log10(high)) + 1)
    digits = (1, 2, 5) if len(powers) <= 3 else (1,)
    ticks = [digit * 10.0**power for power in powers for digit in digits]
    shown = [decimal(tick, max(0, -floor(log10(tick) + 1e-9))) for tick in ticks]
    title = {"text": _("KL divergence, nats per token")}
    draft.y_axis(type="log", range=[log10(low), log10(high)], tickvals=ticks, ticktext=shown, title=title, zeroline=False)


def _drawn(divergence: float) -> float:
    return max(divergence, LEAST_NATS)


def _hover(name: str) -> str:
    return _("{name}: {nats} nats per token after {minutes} min", name=name, nats="%{customdata}", minutes="%{x:.1f}") + "<extra></extra>"
