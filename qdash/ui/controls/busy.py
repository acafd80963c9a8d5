"""The line that warns before a run that other programs keep the machine busy, which may look like a difference in speed."""

from typing import Any

from markupsafe import Markup

from qdash.busyness import busy_now
from qdash.errors import QdashError
from qdash.machine import this_machine
from qdash.markup import Macros
from qdash.present.formatting import percent
from qdash.present.language import N_, _
from qdash.records import BUSY_SHARE, Device
from qdash.ui.controls.form import check_device

_draw = Macros(__name__)

EVERY_S = 10.0
"""How often an open page asks while nothing runs."""


def busy_line(choice: Any) -> str:
    """The line as markup for the chosen device; empty if the machine is not busy or nothing is known."""
    try:
        device = this_machine().resolve(check_device(choice))
    except QdashError:
        return ""  # the line above says that it cannot be used
    return busy_html(device, busy_now(device))


def busy_html(device: Device, taken: float | None) -> Markup:
    """A sentence where other programs take a share (0 to 1) of `device` that matters."""
    if taken is None or taken <= BUSY_SHARE:
        return Markup()
    processors = N_("Other programs use {share} of this machine’s processors: speeds are uncertain.")
    gpu = N_("Other programs use {share} of the GPU: speeds are uncertain.")
    return _draw.busy(_(processors if device == "cpu" else gpu, share=percent(taken)))
