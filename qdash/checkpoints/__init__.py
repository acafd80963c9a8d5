"""From what a person typed to a model that may be run: located, checked, downloaded or made, its memory estimated. No torch.

A model is a key of the catalogue, a folder, a GGUF file, a hub id or a GGUF file on the hub (`owner/name:file.gguf`). Everything that can
be refused is refused here, from names, JSON and headers of weights alone, before a byte of weights is fetched.
"""

import re
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from threading import Event

from huggingface_hub import constants

from qdash.catalog.models import MODELS, Model, Package
from qdash.catalog.needs import Surroundings
from qdash.catalog.scheme import Scheme
from qdash.catalog.schemes import SCHEMES
from qdash.checkpoints.downloading import download, download_files
from qdash.checkpoints.estimate import Sizes, estimate_bytes, loading_bytes, projected_bytes, sizes
from qdash.checkpoints.folder import FolderFiles, fingerprint
from qdash.checkpoints.gguf import (
    blocks_below,
    blocks_problem,
    gguf_in,
    is_unpacked,
    locate_gguf,
    model_name_of,
    needs_gguf,
    unpack,
    unpacked_folder,
)
from qdash.checkpoints.gguf.on_hub import HubGguf, cached_gguf, check_not_only_gguf, hub_gguf, locate_on_hub
from qdash.checkpoints.healed import (
    healed_folders,
    healed_report,
    healing_problem,
    keep_answers,
    keep_check,
    keep_healed,
    kept_answers,
    needs_healing,
    seconds_trained,
    training_folder,
)
from qdash.checkpoints.hub import HubFiles, cached_folder
from qdash.checkpoints.package import fetch, is_fetched, package_file
from qdash.checkpoints.published import published_problem, weights_problem
from qdash.checkpoints.random import Architecture, make
from qdash.checkpoints.record import Checkpoint, PublishedQuantization, TensorInfo
from qdash.checkpoints.remembered import Remembered
from qdash.checkpoints.stored import packed_sizes, stored_model, stored_types, typed_layers
from qdash.checkpoints.tables import layer_table
from qdash.checkpoints.validation import validate
from qdash.errors import QdashError
from qdash.offer import not_offered
from qdash.records import Device, Dtype, Step
from qdash.remedies import files_are_the_servers
from qdash.settings import settings
from qdash.stopping import unless_stopped

__all__ = [
    "Checkpoint", "PublishedQuantization", "Sizes", "TensorInfo", "download", "estimate_bytes", "healed_folders", "healed_report",
    "healed_schemes", "is_cached", "is_from_gguf", "keep_answers", "keep_check", "keep_healed", "kept_answers", "layer_table",
    "loading_bytes", "locate", "needs_gguf", "needs_healing", "obtain", "packed_sizes", "projected_bytes", "published_problem",
    "seconds_trained", "sizes_of", "stored_model", "stored_types", "training_folder", "typed_layers", "unsuited", "weights_problem",
]  # fmt: skip

TABLE_WAIT_S = 15.0
"""How long a run waits for the layer table of its model; a second where workers are forked."""

_ON_HUB: Remembered[Checkpoint] = Remembered()
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)


@files_are_the_servers()
def locate(model: str, stop: Event | None = None) -> Checkpoint:
    """Find and check a catalogue key, folder or hub id; downloads no weights.

    A hub, which may take long to answer, is not asked again within a minute. Raises QdashError: "bad_input" for something that does not
    exist, "checkpoint" for files that are broken, incomplete or unsafe, "download" if the hub is needed and cannot be reached or refuses,
    "cancelled" if `stop` is set before it answers.
    """
    model = model.strip()
    if not model:
        raise QdashError("No model is chosen.", "Choose one, such as tiny-vlm.")
    refused = not_offered(model)
    if refused is not None:
        raise refused
    entry = MODELS.get(model)
    if entry is not None and entry.folder is not None:
        return _in_folder(entry.folder, model, entry.label)
    if entry is not None and entry.package is not None:
        return _packaged(entry, entry.package)
    if entry is not None and entry.architecture is not None:
        return _random(entry)
    folder = Path(model).expanduser()
    if entry is None and (gguf := gguf_in(folder)) is not None:
        return _in_gguf(gguf.absolute(), model, model_name_of(gguf))
    if entry is None and folder.is_dir():
        return _in_folder(folder.resolve(), model, folder.resolve().name)
    if entry is None and (on_hub := hub_gguf(model)) is not None:
        return _gguf_on_hub(on_hub, model, stop)
    if entry is None and not _HUB_ID.fullmatch(model):
        raise _nothing_there(model, folder)
    return _on_hub(model, entry, stop)


def obtain(checkpoint: Checkpoint, stop: Event | None = None) -> Generator[Step, None, Checkpoint]:
    """Bring the files of a located checkpoint to this machine, yielding progress; returns it with `folder` set.

    A hub model is downloaded, one in a Python package fetched, a GGUF file unpacked, a random one made, once; all can be stopped. Raises
    QdashError: "download", "cancelled", and for a GGUF file "checkpoint" and "out_of_memory".
    """
    entry = MODELS.get(checkpoint.model)
    if checkpoint.folder is not None:
        return checkpoint
    if entry is not None and entry.package is not None:
        yield from fetch(entry, entry.package, stop)
        checkpoint = _packaged(entry, entry.package)
    if checkpoint.repo is not None and checkpoint.from_gguf:
        yield from download_files(checkpoint, stop)
        checkpoint = locate(checkpoint.model)
    if checkpoint.gguf is not None:
        yield from _unpacked(checkpoint, Path(checkpoint.gguf), stop)
        return locate(checkpoint.model)
    if entry is None or entry.architecture is None:
        yield from download(checkpoint, stop)
        return locate(checkpoint.model)  # what is in the cache now may be compared tensor by tensor
    folder = yield from make(_architecture(entry), entry.key, _home(entry), stop)
    return checkpoint.model_copy(update={"folder": str(folder), "download_bytes": 0})


def unsuited(checkpoint: Checkpoint, scheme: Scheme, here: Surroundings) -> QdashError | None:
    """Why `scheme` cannot run on this checkpoint, or the checkpoint not `here`; None if it can. What the scheme needs, it says itself."""
    return published_problem(checkpoint, scheme, here) or blocks_problem(checkpoint, scheme) or healing_problem(checkpoint, scheme)


def sizes_of(
    checkpoint: Checkpoint,
    scheme: Scheme,
    dtype: Dtype,
    device: Device,
    wait_s: float = TABLE_WAIT_S,
    room_bytes: int = 0,
    stopped: Callable[[], bool] = lambda: False,
) -> Sizes:
    """What `scheme` will take of `checkpoint` on `device`; from its headers where its layer table is not known within `wait_s`.

    Nothing is waited for where a model of 32-bit floats would fit into `room_bytes`: then loading is told to take that much. A wait ends
    as soon as it is `stopped`.
    """
    most = 4 * sum(tensor.values for tensor in checkpoint.own_tensors)
    roomy = most <= room_bytes
    found = sizes(checkpoint, scheme, dtype, layer_table(checkpoint, device, 0.0 if roomy else wait_s, stopped))
    return found.model_copy(update={"loading_bytes": max(found.loading_bytes, most)}) if roomy and found.rough else found


def is_cached(model: str) -> bool:
    """Whether a hub model, or one of the catalogue that is made or comes in a package, is on this machine already; asks no network."""
    entry = MODELS.get(model)
    if entry is not None and entry.package is not None:
        return is_fetched(entry.package) and is_unpacked(unpacked_folder(package_file(entry.package)))
    if entry is not None and entry.architecture is not None:
        architecture = _architecture(entry)
        return architecture.is_complete(architecture.made_in(_home(entry)))
    on_hub = hub_gguf(model)
    if on_hub is not None:
        file = cached_gguf(on_hub)
        return file is not None and is_unpacked(unpacked_folder(file))
    return cached_folder(model) is not None


def healed_schemes(model: str) -> tuple[str, ...]:
    """The schemes that what is called `model` was healed for, told from this machine's files; a network is not asked."""
    if not model.strip() or not_offered(model) is not None:
        return ()
    try:
        located = locate(model) if _is_here(model) else None
    except (QdashError, OSError, ValueError, RuntimeError):  # what cannot be used, a name that is no path, a user who does not exist
        return ()
    keys = (key for key, scheme in SCHEMES.items() if scheme.family.needs_healing)
    return tuple(key for key in keys if located is not None and healed_folders(located, key))


def _is_here(model: str) -> bool:
    entry = MODELS.get(model)
    if entry is not None:
        return entry.folder is not None or is_cached(model)
    return Path(model).expanduser().exists() or is_cached(model)


def is_from_gguf(model: str) -> bool:
    """Whether what is called `model` comes from a GGUF file, told from its name and this machine's folders; a network is not asked."""
    model = model.strip()
    if model in MODELS:
        return MODELS[model].package is not None
    if not model or not_offered(model) is not None:
        return False
    if hub_gguf(model) is not None:
        return True
    try:
        return gguf_in(Path(model).expanduser()) is not None
    except (QdashError, OSError, ValueError, RuntimeError):  # several files, a name that is no path, a user who does not exist
        return False


def _in_folder(folder: Path, model: str, label: str) -> Checkpoint:
    if not folder.is_dir():
        message = f"The files of “{model}” are missing: there is no folder {folder}."
        raise QdashError(message, "Restore them: git checkout qdash/assets/models.", "checkpoint")
    files = FolderFiles(folder, f"The folder {folder}")
    found = validate(files)
    return Checkpoint(model=model, label=label, folder=str(folder), revision=fingerprint(files), **found.model_dump(exclude={"needed"}))


def _in_gguf(file: Path, model: str, label: str) -> Checkpoint:
    """What is known of the file; once it is unpacked, what a folder tells."""
    found = locate_gguf(file, model, label)
    if found.folder is None:
        return found
    unpacked = _in_folder(Path(found.folder), model, label)
    blocks = blocks_below(Path(found.folder), unpacked.parameters)
    notes = (*found.notes, *unpacked.notes)
    return unpacked.model_copy(update={"revision": found.revision, "gguf": found.gguf, "blocks": blocks, "notes": notes})


def _unpacked(checkpoint: Checkpoint, file: Path, stop: Event | None) -> Generator[Step, None, None]:
    if checkpoint.folder is None:
        yield from unpack(file, unpacked_folder(file), file.name, 4 * checkpoint.parameters, stop)


def _packaged(entry: Model, package: Package) -> Checkpoint:
    """Before it is fetched, what its configuration and shapes tell."""
    if is_fetched(package):
        return _in_gguf(package_file(package), entry.key, entry.label)
    found = validate(_architecture(entry)).model_dump(exclude={"needed"})
    return Checkpoint(
        model=entry.key, label=entry.label, folder=None, revision=package.sha256[:12], download_bytes=package.download_bytes, **found
    )


def _random(entry: Model) -> Checkpoint:
    """What the files will be is known to the byte before they are made, so they pass the checks of any other model."""
    architecture = _architecture(entry)
    found = validate(architecture)
    here = is_cached(entry.key)
    return Checkpoint(
        model=entry.key,
        label=entry.label,
        folder=str(architecture.made_in(_home(entry))) if here else None,
        revision=architecture.digest,
        download_bytes=0 if here else architecture.weight_bytes,
        **found.model_dump(exclude={"needed"}),
    )


def _architecture(entry: Model) -> Architecture:
    assert entry.architecture is not None
    return Architecture(entry.architecture, f"The architecture {entry.source}")


def _home(entry: Model) -> Path:
    """Where in the cache the versions of a random model are."""
    return settings().cache_dir / "random" / entry.source


def _on_hub(repo: str, entry: Model | None, stop: Event | None) -> Checkpoint:
    label = entry.label if entry else repo.rpartition("/")[2]
    cached = cached_folder(repo)
    if cached is not None:
        found = validate(FolderFiles(cached, f"The model {repo}"))
        known = found.model_dump(exclude={"needed"})
        return Checkpoint(model=repo, label=label, folder=str(cached), revision=cached.name, repo=repo, **known)
    return _asked(repo, partial(_looked_up, repo, label), stop)


def _gguf_on_hub(where: HubGguf, model: str, stop: Event | None) -> Checkpoint:
    file = cached_gguf(where)
    if file is not None:
        return _in_gguf(file, model, model_name_of(file))
    return _asked(model, partial(locate_on_hub, where, model), stop)


def _asked(model: str, ask: Callable[[], Checkpoint], stop: Event | None) -> Checkpoint:
    """What the hub says of `model`, now or a moment ago."""
    asking = partial(_ON_HUB.get, (constants.ENDPOINT, model), ask)
    return unless_stopped(asking, stop, QdashError("Stopped before the model was found.", "Start again to look it up.", "cancelled"))


def _looked_up(repo: str, label: str) -> Checkpoint:
    files = HubFiles(repo)
    check_not_only_gguf(repo, files.sizes)
    found = validate(files)
    return Checkpoint(
        model=repo,
        label=label,
        folder=None,
        revision=files.revision,
        repo=repo,
        files=found.needed,
        download_bytes=sum(files.sizes[name] for name in found.needed),
        **found.model_dump(exclude={"needed"}),
    )


def _nothing_there(model: str, folder: Path) -> QdashError:
    if folder.is_file():
        return QdashError(f"“{model}” is a file, not a model.", f"Give the folder that holds it: {folder.parent}.")
    message = f"There is no folder “{model}” here, and it is not a hub id."
    return QdashError(
        message, f"Check the path, write a hub id as owner/name or owner/name:file.gguf, or choose from: {', '.join(MODELS)}."
    )
