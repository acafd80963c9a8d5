"""Settings from the environment: QDASH_PUBLIC=1, QDASH_PORT=7861 … Defaults suit one person on a laptop."""

import os
from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _on_a_space() -> bool:
    """Whether Hugging Face Spaces runs this: there the page is for strangers, who reach it from outside the container."""
    return "SPACE_ID" in os.environ


class Settings(BaseSettings):
    """Every limit and place qdash uses; each field can be set as QDASH_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="QDASH_", frozen=True)

    host: str = Field(default_factory=lambda: "0.0.0.0" if _on_a_space() else "127.0.0.1")
    port: int = Field(default=7860, ge=0, le=65535)
    public: bool = Field(default_factory=_on_a_space)
    """Hosting for strangers, the default on Spaces: only the models of the catalogue, and no local folders."""
    cache_dir: Path = Path.home() / ".cache" / "qdash"
    memory_fraction: float = Field(default=0.7, gt=0, le=1)
    """Share of the machine's memory that warm workers may hold together."""
    max_upload_bytes: int = 20 * 2**20
    max_pixels: int = 40_000_000
    max_prompt_chars: int = 20_000
    max_queue: int = 32
    threads: int | None = None
    """CPU threads of a worker; None: one per core."""
    history: Path = Path.home() / ".local" / "share" / "qdash" / "history.sqlite3"
    """Where finished runs are kept. Not in `cache_dir`: caches are there to be emptied."""
    history_runs: int = Field(default_factory=lambda known: 100 if known["public"] else 10_000, ge=1)
    """Runs a history holds, in public mode each visitor's; beyond, the oldest that are not pinned go."""
    history_bytes: int = Field(default=4 * 2**30, ge=2**20)
    """Bytes that all runs together may take."""


@cache
def settings() -> Settings:
    """The process's settings, read once."""
    return Settings()
