"""The error by bits: every scheme's signal to noise against the bits it really stores per weight."""

from collections.abc import Sequence
from html import escape
from textwrap import shorten

import plotly.graph_objects as go

from qdash.charts.dots import DOT_PX, dot
from qdash.charts.draft import Draft
from qdash.charts.palette import palette
from qdash.charts.rows import colour_of
from qdash.charts.style import styled
from qdash.present.language import _, decimal, ngettext
from qdash.records import SchemeWeights, WeightReport

HEIGHT_PX = 270
DB_PER_BIT = 6.02
"""20·log10(2): one bit more halves the step between levels."""

LEAST_BITS, MOST_BITS = 1.5, 9.5
LABEL_SHARE = 0.075
"""Height of a label in the plot's; two that come closer side by side would cover each other."""

LABEL_BITS = 2.2


def sqnr_against_bits(report: WeightReport, *, dark: bool = False) -> go.Figure | None:
    """A dot a scheme: bits per weight with scales, dB over all its quantized weights; an open, dashed dot is simulated.

    The dashed line rises 6.02 dB per bit from zero: no code of that many bits can be closer to normally distributed weights (Shannon 1959,
    the rate–distortion function of a Gaussian source). Schemes without an error are left out. None: there is nothing to draw.
    """
    placed = [scheme for scheme in report.schemes if scheme.sqnr_db is not None and scheme.bits_per_weight is not None]
    if not placed:
        return None
    draft, colours = Draft(), palette(dark)
    most = max(MOST_BITS, *(_bits(scheme) + 1 for scheme in placed))
    top = max(DB_PER_BIT * most, *(_decibels(scheme) * 1.08 for scheme in placed))
    bottom = min(0.0, *(_decibels(scheme) * 1.08 for scheme in placed))
    ends = [LEAST_BITS, most]
    draft.scatter(
        x=ends, y=[DB_PER_BIT * bits for bits in ends], mode="lines", line={"color": colours.soft, "width": 1.2, "dash": "dash"},
        hoverinfo="skip",
    )  # fmt: skip
    for scheme in placed:
        _dot(draft, scheme, dark)
    for scheme in _labelled(placed, top - bottom):
        _label(draft, scheme, most, dark)
    styled(draft, dark=dark, height=HEIGHT_PX)
    draft.note(
        x=most, y=DB_PER_BIT * most, text=_("{decibels} dB per bit", decibels=decimal(DB_PER_BIT, 2)), xanchor="right", yanchor="bottom",
        xshift=-34, yshift=-12, font={"size": 11, "color": colours.soft},
    )  # fmt: skip
    draft.x_axis(title={"text": _("bits per weight, with scales")}, range=[LEAST_BITS, most], dtick=1, tick0=2, zeroline=False)
    draft.y_axis(title={"text": "SQNR, dB"}, range=[bottom, top], nticks=6, zeroline=bottom < 0)
    return draft.figure()


def _bits(scheme: SchemeWeights) -> float:
    return scheme.bits_per_weight or 0.0


def _decibels(scheme: SchemeWeights) -> float:
    return scheme.sqnr_db or 0.0


def _dot(draft: Draft, scheme: SchemeWeights, dark: bool) -> None:
    dot(
        draft, _bits(scheme), _decibels(scheme), colour=colour_of(scheme.scheme, dark), simulated=scheme.kind == "simulated",
        name=escape(scheme.label, quote=False), hovertemplate=_hover(scheme),
    )  # fmt: skip


def _labelled(schemes: Sequence[SchemeWeights], height: float) -> list[SchemeWeights]:
    """Those whose name fits beside their dot without covering another; the best of a crowd keeps its own."""
    kept: list[SchemeWeights] = []
    for scheme in sorted(schemes, key=_decibels, reverse=True):
        near = (other for other in kept if abs(_bits(other) - _bits(scheme)) < LABEL_BITS)
        if all(abs(_decibels(other) - _decibels(scheme)) > LABEL_SHARE * height for other in near):
            kept.append(scheme)
    return kept


def _label(draft: Draft, scheme: SchemeWeights, most: float, dark: bool) -> None:
    """Below the dot, where the line is not; near the right border, as far right as there is room."""
    last = _bits(scheme) > most - LABEL_BITS
    draft.note(
        x=most if last else _bits(scheme), y=_decibels(scheme),
        xanchor="right" if last else "center", yanchor="top", yshift=-DOT_PX + 1,
        text=escape(shorten(scheme.label, 24, placeholder="…"), quote=False), font={"size": 11.5, "color": palette(dark).ink},
    )  # fmt: skip


def _hover(scheme: SchemeWeights) -> str:
    lines = [
        f"<b>{escape(scheme.label)}</b>",
        _(
            "{bits} bits per weight, SQNR {decibels} dB",
            bits=decimal(_bits(scheme), 2, grouped=False),
            decibels=decimal(_decibels(scheme), 2, grouped=False),
        ),
        ngettext("{number} layers", "{number} layers", len(scheme.layers), number=len(scheme.layers)),
        _("largest error {error}", error=f"{scheme.max_abs_error:.4g}"),
        f"MSE {scheme.mse:.3g}",
        _("cosine {value}", value=f"{scheme.cosine:.6f}"),
    ]
    return "<br>".join(lines) + "<extra></extra>"
