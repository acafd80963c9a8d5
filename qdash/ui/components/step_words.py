"""What is said of a step of a run: what is done, how much of it, and the time to go at the speed so far."""

from qdash.present.formatting import percent
from qdash.present.language import _, recorded
from qdash.records import Step
from qdash.ui.components import text

LEAST_DONE = 0.1
"""The share of a run that has to be done before the time for the rest follows from it."""


def said(step: Step) -> str:
    """“measuring layers · 12% done”."""
    what = recorded(step.detail)
    return what if step.fraction is None else _("{what} · {share} done", what=what, share=percent(step.fraction))


def said_with_time(step: Step, gone_s: float) -> str:
    """The same with the time that is left, after `gone_s` seconds."""
    done = step.fraction or 0.0
    left = [text.to_go(gone_s * (1 - done) / done)] if done >= LEAST_DONE else []
    return " · ".join((said(step), *left))
