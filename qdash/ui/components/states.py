"""The states that a variant on the page can be in."""

from typing import Literal

State = Literal[
    "ready", "queued", "locating", "downloading", "making", "unpacking", "loading", "answering", "scoring", "answered", "measuring",
    "timed", "untimed", "done", "failed", "skipped", "stopped",
]  # fmt: skip
