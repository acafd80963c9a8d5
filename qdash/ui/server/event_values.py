"""Turns what a browser sends with an event into typed values, in this one place.

An event may come from an outdated page or from a program that pretends to be a browser. So every value is read by name and type; a value
that is missing or of another type is None, and the handler acts as if nothing was picked.
"""

from dataclasses import dataclass, field
from typing import Any

import gradio as gr


@dataclass(frozen=True)
class Said:
    """The values of one event, unchecked but for their types."""

    _values: dict[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """The string called `name`."""
        value = self._values.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int | None:
        """The whole number called `name`."""
        value = self._values.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def flag(self, name: str) -> bool:
        """Whether `name` is true."""
        return self._values.get(name) is True

    def texts(self, name: str) -> list[str]:
        """The strings in the list called `name`."""
        value = self._values.get(name)
        return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []

    def entries(self, name: str) -> list[Any] | None:
        """The list called `name`, with items of any type."""
        value = self._values.get(name)
        return value if isinstance(value, list) else None


def said_by(event: gr.EventData) -> Said:
    """What came with `event`."""
    return Said(event._data) if isinstance(event._data, dict) else Said()
