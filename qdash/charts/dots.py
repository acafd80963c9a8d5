"""A variant as a dot: full if it is real, open and dashed if it is simulated."""

from qdash.charts.draft import Draft

DOT_PX = 6


def dot(draft: Draft, x: float, y: float, *, colour: str, simulated: bool, **more: object) -> None:
    """Draw one; `more` goes to the trace.

    Plotly has no dashed markers: a simulated one is a dashed circle around an all but invisible marker that takes the hover.
    """
    marker = {"color": colour, "size": 2 * DOT_PX, "opacity": 0.18 if simulated else 1, "line": {"width": 0}}
    draft.scatter(x=[x], y=[y], mode="markers", marker=marker, **more)
    if simulated:
        draft.shape(
            type="circle", xsizemode="pixel", ysizemode="pixel", xanchor=x, yanchor=y,
            x0=-DOT_PX, x1=DOT_PX, y0=-DOT_PX, y1=DOT_PX, line={"color": colour, "width": 1.5, "dash": "2.5px,2px"},
        )  # fmt: skip
