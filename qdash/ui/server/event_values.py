"""What a browser says with an event: the one place where its words become values of ours.

An event may come from a page that has changed since, or be made up by somebody who only pretends to be a browser. So every value is asked
for by name and type here; what is missing, or of another type, is None, and the handler does what it does when nothing was picked.
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
        """The list called `name`, whatever is in it."""
        value = self._values.get(name)
        return value if isinstance(value, list) else None


def said_by(event: gr.EventData) -> Said:
    """What came with `event`."""
    return Said(event._data) if isinstance(event._data, dict) else Said()
