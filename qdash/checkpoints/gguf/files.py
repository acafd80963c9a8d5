"""GGUF files as models: found, checked, described before they are unpacked, and unpacked once into a folder of the cache.

A file is unpacked by transformers, in a process of its own, into the checkpoint that `save_pretrained` writes: the numbers of its blocks as
32-bit floats, the configuration, the tokenizer and the chat template. From then on it is a folder like any other.
"""

import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from safetensors import safe_open

from qdash.catalog.scheme import Scheme
from qdash.catalog.stored_blocks import BLOCKS, KINDS, PACKED_KINDS
from qdash.checkpoints.gguf.header import GgufHeader
from qdash.checkpoints.gguf.parts import first_part, join, model_name_of, parts_of, read_parts, whole_of
from qdash.checkpoints.gguf.supported import check_architecture
from qdash.checkpoints.helper_process import helper
from qdash.checkpoints.made_once import POLL_S, Making, Steps, make_once
from qdash.checkpoints.record import Checkpoint, GgufBlocks, TensorInfo
from qdash.errors import QdashError
from qdash.machine import available_bytes
from qdash.records import ErrorRecord, Step
from qdash.remedies import by_reader
from qdash.settings import settings

ENGINE = "qdash.engine.gguf_unpacking"  # by name: this side never loads torch
FLOATS = ("F64", "F32", "F16", "BF16")
VERSION = 2
"""Counts up when what is unpacked changes."""

_COPIES = 2.2
"""How many times the unpacked weights are in memory at the worst moment, with room for the rest."""


def gguf_in(place: Path) -> Path | None:
    """The GGUF file that `place` means: itself, or the one in a folder that has no config.json; None if there is none.

    Of a model in several parts, the first. Raises QdashError for a folder with several models.
    """
    if place.is_file():
        return first_part(place) if place.suffix.lower() == ".gguf" else None
    if not place.is_dir() or (place / "config.json").exists():
        return None
    found = sorted({first_part(file) for file in place.glob("*.gguf")})
    if len(found) > 1:
        names = ", ".join(file.name for file in found[:3]) + (" …" if len(found) > 3 else "")
        raise QdashError(f"The folder {place} holds several GGUF files: {names}.", f"Give the file, such as {found[0]}.", "checkpoint")
    return found[0] if found else None


def locate_gguf(file: Path, model: str, label: str) -> Checkpoint:
    """Check the GGUF file `file`, or the first of several, which a person called `model`; raises QdashError("checkpoint")."""
    found = described(read_parts(parts_of(file)), f"The file {file}", model, file)
    target = unpacked_folder(file)
    here = is_unpacked(target)
    return found.model_copy(
        update={
            "label": label,
            "folder": str(target) if here else None,
            "revision": target.name,
            "download_bytes": 0 if here else found.download_bytes,
            "gguf": str(file),
        }
    )


def described(headers: Sequence[GgufHeader], name: str, model: str, file: Path) -> Checkpoint:
    """What the headers of a model's files tell of it; `name` is what the first, `file`, is called in messages, and `model` by a person.

    Raises QdashError("checkpoint") for a model that cannot be run. `download_bytes` are those of the unpacked weights.
    """
    header = whole_of(headers)
    check_architecture(header, name)
    tensors = tuple(TensorInfo(name=tensor.name, shape=tensor.shape, dtype="F32") for tensor in header.tensors)
    return Checkpoint(
        model=model,
        label=model_name_of(file),
        task="text-generation",
        folder=None,
        revision="",
        model_type=header.architecture,
        tensors=tensors,
        notes=rounded_note(header),
        download_bytes=sum(tensor.nbytes for tensor in tensors),
        blocks=_blocks_of(header),
    )


def blocks_below(folder: Path, parameters: int) -> GgufBlocks:
    """The blocks that were written beside an unpacked model of so many parameters."""
    nbytes = weights = 0
    with safe_open(folder / BLOCKS, framework="numpy") as tensors:
        kinds = json.loads(tensors.metadata()[KINDS])
        for name in tensors.keys():  # noqa: SIM118 - it is no dict
            block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[kinds[name]]]
            stored = math.prod(tensors.get_slice(name).get_shape())
            nbytes, weights = nbytes + stored, weights + stored // block_bytes * block
    return GgufBlocks(nbytes=nbytes, weights=weights, beside=parameters - weights)


def _blocks_of(header: GgufHeader) -> GgufBlocks:
    """As far as the header tells; which layers can keep theirs is known once the file is unpacked."""
    kept = [tensor for tensor in header.tensors if len(tensor.shape) == 2 and tensor.type in PACKED_KINDS]
    weights = sum(tensor.values for tensor in kept)
    beside = sum(tensor.values for tensor in header.tensors) - weights
    return GgufBlocks(nbytes=sum(tensor.nbytes for tensor in kept), weights=weights, beside=beside)


def blocks_problem(checkpoint: Checkpoint, scheme: Scheme) -> QdashError | None:
    """Why `scheme`, if it keeps what a GGUF file has, cannot run on a checkpoint; None if it can, and for all other schemes."""
    if not scheme.family.keeps_file:
        return None
    if not checkpoint.from_gguf:
        return needs_gguf(scheme, checkpoint.label)
    if checkpoint.blocks is not None and not checkpoint.blocks.weights:
        return QdashError(f"The GGUF file of {checkpoint.label} has no blocks that can be kept.", _ANOTHER, "unavailable")
    return None


def needs_gguf(scheme: Scheme, label: str) -> QdashError:
    """That `scheme` cannot run on a model that is called `label`, as it comes from no GGUF file."""
    message = f"“{scheme.label}” needs a model that comes from a GGUF file; {label} does not."
    owner = "Choose smollm2-135m, the path of a .gguf file, or another scheme."
    return QdashError(message, by_reader(owner=owner, visitor=_ANOTHER), "unavailable")


_ANOTHER = "Choose smollm2-135m, or another scheme."


def rounded_note(header: GgufHeader) -> tuple[str, ...]:
    """That what qdash calls original was rounded before, and to which formats, the most common first; nothing for a file of floats."""
    types = ", ".join(name for name in header.types if name not in FLOATS)
    return (f"The original is what its GGUF file holds, unpacked: these weights were rounded before ({types}).",) if types else ()


def unpacked_folder(file: Path) -> Path:
    """Where in the cache a file, or the model of which it is the first part, is unpacked: a name that changes with the files."""
    about = [part.stat() for part in parts_of(file)]
    known = json.dumps([VERSION, str(file.resolve()), *((part.st_size, part.st_mtime_ns) for part in about)])
    digest = hashlib.sha256(known.encode()).hexdigest()
    return settings().cache_dir / "gguf" / hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12] / digest[:12]


def is_unpacked(folder: Path) -> bool:
    """Whether a folder holds an unpacked model; it got its name when it was complete."""
    return (folder / "config.json").is_file()


def unpack(file: Path, target: Path, name: str, size_bytes: int, stop: Event | None = None) -> Generator[Step, None, Path]:
    """Unpack `file`, about `size_bytes` of 32-bit floats, into the folder `target` unless it is there, yielding progress; returns it.

    Raises QdashError: "out_of_memory" if this machine has too little of it, "checkpoint" if transformers cannot read the file, and what
    `make_once` raises.
    """
    stopped = QdashError(f"Unpacking {name} was stopped.", "Start again; it begins from scratch.", "cancelled")
    files = parts_of(file)
    # Beside the floats, the blocks, and a model in parts joined.
    stored = sum(part.stat().st_size for part in files)
    disk_bytes = size_bytes + stored * (2 if len(files) > 1 else 1)
    making = Making(name, disk_bytes, lambda part: _write(files, part, name, size_bytes, check), is_unpacked, stopped)
    check = partial(making.check, stop)
    return (yield from make_once(target, making, stop))


def _write(files: Sequence[Path], part: Path, name: str, size_bytes: int, check: Callable[[], None]) -> Steps:
    _check_memory(name, size_bytes)
    if len(files) == 1:
        yield from _unpack(files[0], part, name, check)
        return
    with TemporaryDirectory(dir=part, prefix="joined-") as folder:
        whole, headers = Path(folder) / files[0].name, read_parts(files)
        yield Step(fraction=0.0, detail=name, preparation="unpacking")
        for _done in join(files, headers, whole, check):
            pass
        yield from _unpack(whole, part, name, check)


def _unpack(file: Path, part: Path, name: str, check: Callable[[], None]) -> Steps:
    told = part / "fraction"
    command = [sys.executable, "-m", ENGINE, str(file), str(part), str(told)]
    with helper(command, PYTHONPATH=_python_path(), HF_HUB_OFFLINE="1") as (process, lines):
        while process.poll() is None:
            check()
            yield Step(fraction=_fraction(told), detail=name, preparation="unpacking")
            time.sleep(POLL_S)
        if process.returncode:
            raise _failure(lines(), name)
    told.unlink(missing_ok=True)


def _fraction(told: Path) -> float:
    """What the helper says it has done."""
    try:
        return min(max(float(told.read_text()), 0.0), 1.0)
    except (OSError, ValueError):  # nothing yet, or half of it
        return 0.0


def _check_memory(name: str, size_bytes: int) -> None:
    needed, free = _COPIES * size_bytes, available_bytes()
    if free < needed:
        message = f"Unpacking {name} takes {needed / 2**30:.1f} GiB of memory; {free / 2**30:.1f} GiB are free."
        raise QdashError(message, "Close other programs, or choose a smaller model.", "out_of_memory")


def _python_path() -> str:
    """With this package, wherever the helper starts."""
    return os.pathsep.join(filter(None, (str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH"))))


def _failure(said: list[str], name: str) -> QdashError:
    for line in reversed(said):
        if line.startswith("{"):
            return ErrorRecord.model_validate_json(line).raised()
    message = f"Unpacking {name} ended unexpectedly."
    return QdashError(message, "Try again when more memory is free, or choose another file.", "checkpoint")
