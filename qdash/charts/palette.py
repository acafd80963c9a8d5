"""Colour means bits, in every chart as in the cards: slate 16 and 32, blue 8, teal 6, amber 4, red 3 and fewer."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """The colours of one theme; `by_bits` maps the least number of bits to a colour, most bits first. The page's CSS has the same."""

    ink: str
    soft: str
    line: str
    panel: str
    by_bits: tuple[tuple[int, str], ...]

    def of(self, bits: int | None) -> str:
        """The colour of a scheme with `bits` a weight; None is the checkpoint's own format."""
        wanted = 16 if bits is None else bits
        return next((colour for least, colour in self.by_bits if wanted >= least), self.by_bits[-1][1])


LIGHT = Palette(
    ink="#1c2024", soft="#60646c", line="#e4e4de", panel="#ffffff",
    by_bits=((16, "#475569"), (8, "#2563eb"), (6, "#0d9488"), (4, "#d97706"), (0, "#dc2626")),
)  # fmt: skip
DARK = Palette(
    ink="#eceef0", soft="#9ba1a6", line="#2b2f33", panel="#191c1f",
    by_bits=((16, "#94a3b8"), (8, "#60a5fa"), (6, "#2dd4bf"), (4, "#fbbf24"), (0, "#f87171")),
)  # fmt: skip


def palette(dark: bool) -> Palette:
    """The palette of the light or the dark theme."""
    return DARK if dark else LIGHT


def faded(colour: str, opacity: float) -> str:
    """`colour` (#rrggbb) at an opacity between 0 and 1."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
