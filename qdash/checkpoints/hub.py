"""A checkpoint on the hub, looked at without downloading its weights, and found again in the local cache.

A model that is in the cache is used from there, at the revision it was downloaded at, without asking the network: it works offline, and
the same comparison next month compares the same weights. HF_ENDPOINT, HF_HOME, HF_TOKEN and HF_HUB_OFFLINE mean what they mean to
huggingface_hub.
"""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    SafetensorsParsingError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import disable_progress_bars, validate_repo_id

from qdash.checkpoints.folder import FolderFiles
from qdash.checkpoints.record import TensorInfo
from qdash.checkpoints.weights import weight_files
from qdash.errors import CHOOSE_ANOTHER, QdashError
from qdash.remedies import TELL, by_reader

TIMEOUT_S = 10
_ELSEWHERE = "choose the bundled model or a folder on this machine"

# Progress is ours to show: huggingface_hub's bars would write over a terminal and into logs.
disable_progress_bars()


class HubFiles:
    """The files directly in a hub repository at one commit; see `files.Files`."""

    def __init__(self, repo: str) -> None:
        self.repo = repo
        self.where = f"The model {repo}"
        self._api = HfApi()
        self.revision, files = repository(repo)
        self.sizes: Mapping[str, int] = {name: size for name, size in files.items() if "/" not in name}

    def read(self, name: str) -> bytes:
        """The contents of a small file, which is then in the cache."""
        with hub_errors(self.repo):
            return Path(hf_hub_download(self.repo, name, revision=self.revision)).read_bytes()

    def header(self, name: str) -> tuple[TensorInfo, ...]:
        """The tensors of a safetensors file, from its first bytes."""
        with hub_errors(self.repo):
            header = self._api.parse_safetensors_file_metadata(self.repo, name, revision=self.revision, timeout=TIMEOUT_S)
        return tuple(TensorInfo(name=key, shape=tuple(t.shape), dtype=t.dtype) for key, t in header.tensors.items())

    def equal(self, first: tuple[str, str], second: tuple[str, str]) -> None:
        """Not known before the weights are here."""


def repository(repo: str) -> tuple[str, dict[str, int]]:
    """The newest revision of a repository, and the sizes of its files by path."""
    with hub_errors(repo):
        info = HfApi().model_info(repo, files_metadata=True, timeout=TIMEOUT_S)
    return info.sha or "main", dict(sorted((file.rfilename, file.size or 0) for file in info.siblings or ()))


def config_file(repo: str, revision: str) -> Path:
    """The config.json of a repository, in the cache from then on."""
    with hub_errors(repo):
        return Path(hf_hub_download(repo, "config.json", revision=revision))


def cached_folder(repo: str) -> Path | None:
    """Where the cache holds `repo` with all its weights, the revision downloaded last first; None if it does not."""
    with hub_errors(repo):
        validate_repo_id(repo)
    snapshots = list((cache_folder(repo) / "snapshots").glob("*/config.json"))
    for config in sorted(snapshots, key=lambda file: file.parent.stat().st_mtime, reverse=True):
        try:
            weight_files(FolderFiles(config.parent, repo))
            return config.parent
        except QdashError:
            continue
    return None


def cache_folder(repo: str) -> Path:
    """Where huggingface_hub keeps `repo`."""
    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model")


@contextmanager
def hub_errors(repo: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into errors a person can act on."""
    try:
        yield
    except SafetensorsParsingError as error:
        message = f"The weights of {repo} on the hub are damaged ({error})."
        raise QdashError(message, "Tell its author, or choose another model.", "checkpoint") from None
    except (HFValidationError, OSError, httpx2.HTTPError) as error:
        raise _readable(error, repo) from None


def _readable(error: Exception, repo: str) -> QdashError:
    """The most specific class first: each is a subclass of a later one."""
    if isinstance(error, HFValidationError):
        return QdashError(f"“{repo}” is not a model: neither a folder here nor a hub id.", "Write owner/name, as in Qwen/Qwen3-4B.")
    if isinstance(error, GatedRepoError):
        accept = f"Accept its terms on https://huggingface.co/{repo}, then run “hf auth login” or set HF_TOKEN."
        said = by_reader(owner=accept, visitor=CHOOSE_ANOTHER)
        return QdashError(f"The owner of {repo} gives access only to those who accept its terms.", said, "download")
    if isinstance(error, RepositoryNotFoundError):
        check = "Check the spelling; for a private model run “hf auth login” or set HF_TOKEN."
        return QdashError(
            f"There is no model “{repo}” on the hub, or it is private.", by_reader(owner=check, visitor="Choose another model.")
        )
    if isinstance(error, HfHubHTTPError):
        said = by_reader(owner=f"Try again later, or {_ELSEWHERE}.", visitor="Try again later, or choose another model.")
        return QdashError(f"The hub refused {repo} (HTTP {error.response.status_code}).", said, "download")
    if isinstance(error, OfflineModeIsEnabled):
        why = by_reader(owner="HF_HUB_OFFLINE is set", visitor="this server downloads nothing")
        said = by_reader(owner=f"Unset it, or {_ELSEWHERE}.", visitor="Choose another model.")
        return QdashError(f"{repo} is not on this machine, and {why}.", said, "download")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        said = by_reader(owner="Free some space, or set HF_HOME to another disk.", visitor=f"Choose another model. {TELL}")
        return QdashError(f"The disk is full: {repo} could not be saved.", said, "download")
    said = by_reader(owner=f"Check the connection, or {_ELSEWHERE}.", visitor="Try again later, or choose another model.")
    return QdashError(f"{repo} is not on this machine, and the hub could not be reached.", said, "download")
