"""How evenly a layer's error is spread over its output rows: one bad row has a scale that does not fit it."""

from collections.abc import Sequence
from math import isfinite

import plotly.graph_objects as go

from qdash.charts.draft import Draft
from qdash.charts.histograms import Named
from qdash.charts.palette import palette
from qdash.charts.rows import colour_of
from qdash.charts.style import styled
from qdash.present.language import _
from qdash.records import LayerWeights

HEIGHT_PX = 190


def row_errors(
    scheme: Named, layer: LayerWeights, row: int | None = None, *, beside: Sequence[LayerWeights] = (), dark: bool = False
) -> go.Figure | None:
    """SQNR in dB from the first output row to the last, in as many steps as were kept; dotted if simulated.

    A grey line is the whole layer, a mark above it is `row`. Steps without an error are left out. The axis has room for the rows of the
    layers `beside`. None: there is nothing to draw.
    """
    entries, rows = layer.row_sqnr_db, layer.shape[0]
    if all(entry is None for entry in entries):
        return None
    count = len(entries)
    edges = [index * rows // count for index in range(count + 1)]
    words = [_rows(first, last - 1) for first, last in zip(edges, edges[1:], strict=False)]
    draft = Draft()
    dash = "dot" if scheme.kind == "simulated" else "solid"
    draft.scatter(
        x=edges, y=[*entries, entries[-1]], text=[*words, words[-1]], mode="lines", connectgaps=False,
        line={"shape": "hv", "width": 1.4, "color": colour_of(scheme.scheme, dark), "dash": dash},
        hovertemplate="%{text}: %{y:.1f} dB<extra></extra>",
    )  # fmt: skip
    styled(draft, dark=dark, height=HEIGHT_PX)
    draft.layout(margin={"t": 20})
    if layer.sqnr_db is not None:
        draft.line_across(layer.sqnr_db, line={"color": palette(dark).soft, "width": 1})
    if row is not None:
        near_end = "left" if row < rows / 5 else "right" if row > rows * 4 / 5 else None
        draft.note(
            x=row + 0.5, y=1, yref="paper", text=f"{_rows(row, row)} ▼" if near_end == "right" else f"▼ {_rows(row, row)}",
            xanchor=near_end or "center", xshift={"left": -5, "right": 5}.get(near_end or "", 0), yanchor="bottom",
            font={"size": 11, "color": palette(dark).ink},
        )  # fmt: skip
    draft.x_axis(title={"text": _("output row")}, showgrid=False, range=[0, rows], nticks=6)
    draft.y_axis(title={"text": "dB"}, nticks=4, zeroline=False)
    if beside:
        known = [entry for one in (layer, *beside) for entry in one.row_sqnr_db if entry is not None and isfinite(entry)]
        air = 0.06 * (max(known, default=1.0) - min(known, default=0.0)) + 0.5
        draft.y_axis(range=[min(known, default=0.0) - air, max(known, default=1.0) + air])
    return draft.figure()


def _rows(first: int, last: int) -> str:
    return _("row {number}", number=first) if first == last else _("rows {first}–{last}", first=first, last=last)
