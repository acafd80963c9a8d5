"""The package index that tests ask, and what they do where it cannot be reached."""

import os

import pytest

INDEX = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple")


def skip_if_unreachable(messages: str) -> None:
    """Skip the test if `messages`, what uv wrote to standard error, say that it did not reach the index."""
    if "Failed to fetch" in messages:
        pytest.skip(f"the package index {INDEX} cannot be reached")
