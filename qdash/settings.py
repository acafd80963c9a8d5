"""Settings from the environment: QDASH_PUBLIC=1, QDASH_PORT=7861 … Defaults suit one person on a laptop.

Host, port and root path also come from Gradio's own variables, which Spaces and many deployments set; QDASH_<NAME> takes precedence. An
empty variable counts as not set.
"""

import os
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from platformdirs import user_cache_path, user_data_path, user_downloads_path
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from qdash.errors import QdashError

_GRADIO = {"host": "GRADIO_SERVER_NAME", "port": "GRADIO_SERVER_PORT", "root_path": "GRADIO_ROOT_PATH"}
LANGUAGES = Path(__file__).parent / "present" / "languages"
"""A file for each language into which the page is translated."""

_ROOT_PATH = re.compile(r"(https?://[^/\s?#]+)?(/[^\s?#;]*)?")


def on_a_space() -> bool:
    """Whether Hugging Face Spaces runs this: there the page is for strangers, who reach it from outside the container."""
    return "SPACE_ID" in os.environ


def _gradio_variable(name: str) -> Any:
    """The text of Gradio's variable for the field `name`, not yet checked; "" if it is not set."""
    return os.environ.get(_GRADIO[name], "")


def _without_slash(root_path: str) -> str:
    if not _ROOT_PATH.fullmatch(root_path):
        raise PydanticCustomError("root_path", "Input should be a path such as /qdash or an address such as https://example.org/qdash")
    return root_path.rstrip("/")


def _names(text: Any) -> Any:
    return [name.strip() for name in text.split(",") if name.strip()] if isinstance(text, str) else text


def _known_language(name: str) -> str:
    known = ["en", *sorted(file.stem for file in LANGUAGES.glob("*.po"))]
    if name not in known:
        raise PydanticCustomError("language", f"Input should be {' or '.join(known)}")  # type: ignore[arg-type] - a name it may vary in
    return name


def _history_file() -> Path:
    """The history file: in the system's folder for user data or, if there is only an older one, where earlier versions kept it."""
    folders = user_data_path("qdash", appauthor=False), Path.home() / ".local" / "share" / "qdash"
    file, earlier = (folder / "history.sqlite3" for folder in folders)
    # os.path's function, unlike Path's, counts a file in a folder that may not be read as missing.
    return earlier if os.path.exists(earlier) and not os.path.exists(file) else file


class Settings(BaseSettings):
    """Every limit and place qdash uses; each field can be set as QDASH_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="QDASH_", env_ignore_empty=True, frozen=True)

    host: str = Field(default_factory=lambda: _gradio_variable("host") or ("0.0.0.0" if on_a_space() else "127.0.0.1"))
    port: int = Field(default_factory=lambda: _gradio_variable("port") or 7860, ge=0, le=65535)
    """0: any free one."""
    root_path: Annotated[str, AfterValidator(_without_slash)] = Field(default_factory=lambda: _gradio_variable("root_path"))
    """Where a reverse proxy shows the page, if not at the root of its host: /qdash or https://example.org/qdash."""
    hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = ()
    """Names, separated by commas, under which the page may be opened besides localhost, addresses, and the host of `root_path`. In public
    mode every name is answered to."""
    public: bool = Field(default_factory=on_a_space)
    """Hosting for strangers, the default on Spaces: only the models of the catalogue, and no local folders."""
    public_model_bytes: int = Field(default=2 * 10**9, ge=0)
    """In public mode, the most bytes that the weights of a model may have as published. Bundled models are far below."""
    public_variants: int = Field(default=8, ge=1)
    """In public mode, the most variants of a comparison or evaluation."""
    public_runs: int = Field(default=20, ge=1)
    """In public mode, the most timed runs, and the most warm-up runs, of a comparison."""
    public_tokens: int = Field(default=256, ge=2)
    """In public mode, the most tokens of a timed run."""
    public_seconds: float = Field(default=300, gt=0)
    """In public mode, when a comparison, evaluation or other job is stopped, counted from when it is served; what is done is kept."""
    public_disk_bytes: int = Field(default=2 * 2**30, ge=2**20)
    """In public mode, the most bytes that uploaded and exported files take; the oldest are deleted first."""
    public_jobs: int = Field(default=2, ge=1)
    """In public mode, the most jobs of one visitor that run or wait."""
    public_jobs_per_address: int = Field(default=8, ge=1)
    """The same for all visitors of one network address; of an IPv6 address its network (/64) counts."""
    language: Annotated[str, AfterValidator(_known_language)] = "en"
    """Of the page, the terminal and the reports: English or one of the files in qdash/present/languages."""
    password: SecretStr | None = None
    """Whoever opens the page has to give it, under any name: for showing the page in a network of one's own."""
    cache_dir: Path = Field(default_factory=lambda: user_cache_path("qdash", appauthor=False))
    save_dir: Path = Field(default_factory=lambda: user_downloads_path() / "qdash")
    """Where the page saves versions of models. Public pages save none."""
    memory_fraction: float = Field(default=0.7, gt=0, le=1)
    """Share of the machine's memory that workers may hold together, as far as it is free."""
    gpu_memory_fraction: float = Field(default=0.9, gt=0, le=1)
    """Share of a GPU's memory that workers may hold together, as far as it is free."""
    max_upload_bytes: int = 20 * 2**20
    max_pixels: int = 40_000_000
    max_prompt_chars: int = 20_000
    max_queue: int = 32
    max_running: int = Field(default=8, ge=1)
    """How many comparisons the page works on at a time: all make their answers first, in order of arrival, and are timed one after another.
    Their models take turns in memory."""
    execution: str = "auto"
    """Where models run. auto: in worker processes, and on a ZeroGPU Space on the GPU it lends. process: in worker processes everywhere.
    inline: in the process of the page or the command, for hosts that forbid child processes; there a crash ends everything. Other names are
    those of `execution.EXECUTORS`."""
    gpu_seconds: int = Field(default=120, ge=10, le=3600)
    """On a ZeroGPU Space, the longest time in seconds that one comparison, evaluation or other job may ask for a GPU. Each asks for what
    it is expected to take, and a visitor's quota has to have that left. A comparison that takes longer than it asked for ends early and
    keeps the variants it has finished. A duration longer than ZeroGPU allows is refused."""
    threads: int | None = None
    """CPU threads of a worker; None: one per core."""
    history: Path = Field(default_factory=_history_file)
    """Where finished runs are kept. Not in `cache_dir`: caches are there to be emptied."""
    history_runs: int = Field(default_factory=lambda known: 100 if known.get("public") else 10_000, ge=1)
    """Runs a history holds, in public mode each visitor's; beyond, the oldest that are not pinned go."""
    history_bytes: int = Field(default=4 * 2**30, ge=2**20)
    """Bytes that all runs together may take."""

    @property
    def uploads(self) -> Path:
        """Where files that browsers send lie, and copies of those that they are given."""
        return self.cache_dir / "uploads"

    @property
    def url_path(self) -> str:
        """The path of the page at its public address, without a slash at the end: "" at the root of the host."""
        return urlsplit(self.root_path).path


@cache
def settings() -> Settings:
    """The process's settings, read once. Raises QdashError, naming the variable, for a value that cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        # A default that depends on a wrong value is no fault of its own.
        faults = [detail for detail in error.errors() if detail["type"] != "default_factory_not_called"]
        wrong = {_variable(str(detail["loc"][0])): detail for detail in faults}
        message = " ".join(f"{variable} is “{detail['input']}”. {_expected(detail)}." for variable, detail in wrong.items())
        raise QdashError(message, f"Correct or unset {' and '.join(wrong)}.") from None


def _variable(name: str) -> str:
    """The environment variable that the field `name` was read from; the names of those of qdash have no case."""
    own = f"QDASH_{name.upper()}"
    return own if name not in _GRADIO or any(os.environ[key] for key in os.environ if key.upper() == own) else _GRADIO[name]


def _expected(detail: ErrorDetails) -> str:
    return detail["msg"].replace("Input", "It", 1).partition(",")[0]
