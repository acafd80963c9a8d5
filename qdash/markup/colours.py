"""Colour means bits, on the page and in reports: the style sheets give each of these classes its colour, as `charts.palette` does."""

from typing import Protocol

_LEAST_BITS = (16, 8, 6, 4)


class Coloured(Protocol):
    """A scheme, or the result of one."""

    @property
    def bits(self) -> int | None:
        """Bits of a weight; None is the checkpoint's own format."""
        ...

    @property
    def kind(self) -> str:
        """“real” or “simulated”."""
        ...


def bits_class(bits: int | None) -> str:
    """The CSS class of a number of bits a weight; None is the checkpoint's own format."""
    wanted = 16 if bits is None else bits
    return next((f"b{least}" for least in _LEAST_BITS if wanted >= least), "b2")


def colour_classes(of: Coloured) -> str:
    """The class of its bits, and `sim`, which dashes outlines, if it is simulated."""
    return f"{bits_class(of.bits)} sim" if of.kind == "simulated" else bits_class(of.bits)
