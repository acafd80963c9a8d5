"""How handlers are attached to events."""

from typing import Any

# For handlers that only move things on the page: no queue, no spinner, no public API.
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
