"""What a context takes under each scheme, against the memory of this machine or of graphics cards."""

from html import escape

import plotly.graph_objects as go

from qdash.charts.draft import Draft
from qdash.charts.palette import faded, palette
from qdash.charts.rows import BAR_SHARE, framed, row_names, words
from qdash.present.formatting import mib
from qdash.present.language import _, recorded
from qdash.records import FitReport, FitScheme, FitSizes

GIB = 2**30
FAR = 8
"""So many times as long as the longest bar a chart may be."""


def fit_bars(report: FitReport, limits: dict[str, int], *, on_card: bool, dark: bool = False) -> go.Figure:
    """One bar a scheme in GiB: weights solid, the cache lighter, what is computed lightest; dashed lines are `limits` (name → bytes).

    Simulated schemes have a dashed outline: what is drawn is their stand-in's.
    """
    names = row_names([recorded(scheme.label) for scheme in report.schemes])
    draft = Draft()
    longest = 0.0
    for row, (name, scheme) in enumerate(zip(names, report.schemes, strict=True)):
        sizes = scheme.on_card if on_card else scheme.here
        _bar(draft, name, scheme, sizes, dark)
        if scheme.kind == "simulated":
            _outline(draft, row, scheme, sizes, dark)
        longest = max(longest, sizes.total_bytes / GIB)
    shown, beyond = _shown(limits, longest)
    framed(draft, names, longest=1.06 * max([longest, *shown.values()]), title="GiB", dark=dark)
    draft.layout(margin={"t": 24})
    for words_, at in shown.items():
        draft.line_down(at, {"color": palette(dark).ink, "width": 1.2, "dash": "4px,3px"})
        draft.note(
            x=at, y=1, yref="y domain", yanchor="bottom", xanchor="center", text=words_, font={"size": 11, "color": palette(dark).soft}
        )
    if beyond:
        at_end = {"x": 1, "xref": "x domain", "y": 1, "yref": "y domain", "yanchor": "bottom", "xanchor": "right"}
        draft.note(**at_end, text=_("{limit}: far to the right", limit=beyond), font={"size": 11, "color": palette(dark).soft})
    return draft.figure()


def _shown(limits: dict[str, int], longest: float) -> tuple[dict[str, float], str]:
    """The largest limit that the longest bar passes, and the next one: in a narrow chart there is room for the words of two.

    If the next one is so far away that bars would be too short to read, only its name, second.
    """
    in_gib = {name: size / GIB for name, size in limits.items()}
    passed = [name for name, size in in_gib.items() if longest / 6 < size < longest][-1:]
    left = [name for name, size in in_gib.items() if size >= longest][:1]
    far = [name for name in left if in_gib[name] > FAR * longest]
    return {name: in_gib[name] for name in [*passed, *left] if name not in far}, next(iter(far), "")


def _bar(draft: Draft, name: str, scheme: FitScheme, sizes: FitSizes, dark: bool) -> None:
    colour, base = palette(dark).of(scheme.bits), 0.0
    hover = "<br>".join(
        [
            f"<b>{escape(recorded(scheme.label))}</b>",
            _("weights {size}", size=mib(sizes.weights_bytes)),
            _("cache {size}", size=mib(sizes.cache_bytes)),
            _("working memory {size}", size=mib(sizes.working_bytes)),
        ]
    )
    for size, strength in ((sizes.weights_bytes, 1.0), (sizes.cache_bytes, 0.55), (sizes.working_bytes, 0.25)):
        draft.bar(
            y=[name],
            x=[size / GIB],
            base=base,
            marker={"color": faded(colour, strength)},
            hovertemplate=f"{hover}<extra></extra>",
        )
        base += size / GIB
    words(draft, name, base, mib(sizes.total_bytes), dark=dark, strong=True)


def _outline(draft: Draft, row: int, scheme: FitScheme, sizes: FitSizes, dark: bool) -> None:
    """Plotly cannot dash a bar's outline; a shape can. On an axis of names its heights count in rows."""
    line = {"color": palette(dark).of(scheme.bits), "width": 1.3, "dash": "4px,3px"}
    draft.shape(type="rect", x0=0, x1=sizes.total_bytes / GIB, y0=row - BAR_SHARE / 2, y1=row + BAR_SHARE / 2, line=line)
