"""A published architecture as it is kept in `qdash/assets/architectures/<name>`, seen as the checkpoint that will be made of it.

`tensors.json` maps each dtype to names and shapes; `{24}` in a name stands for 0 … 23, so that a model's layers are one line each. All
other files there are copied into the checkpoint. Sizes of the weight files follow from the shapes to the byte.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from qdash.checkpoints.files import INDEX, SINGLE
from qdash.checkpoints.random.weights import SEED, VERSION
from qdash.checkpoints.record import BITS, TensorInfo

TENSORS = "tensors.json"
TOKENIZER = "tokenizer.json"
_SHARD_BYTES = 2 * 10**9
_REPEATED = re.compile(r"\{(\d+)\}")


@dataclass(frozen=True)
class Shard:
    """One safetensors file: its name and the tensors in it, in order."""

    name: str
    tensors: tuple[TensorInfo, ...]

    @cached_property
    def header(self) -> bytes:
        """What stands before the weights: the header's length as eight bytes, and the header, padded to a multiple of eight."""
        entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        start = 0
        for tensor in self.tensors:
            end = start + tensor.nbytes
            entries[tensor.name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": (start, end)}
            start = end
        text = json.dumps(entries, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.header) + sum(tensor.nbytes for tensor in self.tensors)


class Architecture:
    """The files of the checkpoint that `folder` describes; a `files.Files`, so that it passes the same checks before it is made.

    In `sizes` the tokenizer and the index, which are small, count as one byte; weight files are exact.
    """

    def __init__(self, folder: Path, where: str) -> None:
        self.folder = folder
        self.where = where
        self.copied: tuple[str, ...] = tuple(file.name for file in sorted(folder.iterdir()) if file.name != TENSORS)
        small = {name: (folder / name).stat().st_size for name in self.copied}
        index = {INDEX: 1} if len(self.shards) > 1 else {}
        self.sizes: Mapping[str, int] = {**small, TOKENIZER: 1, **index, **{shard.name: shard.size for shard in self.shards}}

    @cached_property
    def tensors(self) -> tuple[TensorInfo, ...]:
        """All tensors, those of wide dtypes first, which keeps every one aligned in its file."""
        kept: dict[str, dict[str, list[int]]] = json.loads((self.folder / TENSORS).read_text())
        found = [
            TensorInfo(name=name, shape=tuple(shape), dtype=dtype)
            for dtype, rows in kept.items()
            for row, shape in rows.items()
            for name in _names(row)
        ]
        return tuple(sorted(found, key=lambda tensor: -BITS[tensor.dtype]))

    @cached_property
    def shards(self) -> tuple[Shard, ...]:
        """The weight files, none over 2 GB unless a single tensor is."""
        groups: list[list[TensorInfo]] = [[]]
        size = 0
        for tensor in self.tensors:
            if groups[-1] and size + tensor.nbytes > _SHARD_BYTES:
                groups.append([])
                size = 0
            groups[-1].append(tensor)
            size += tensor.nbytes
        if len(groups) == 1:
            return (Shard(SINGLE, self.tensors),)
        names = (f"model-{number:05}-of-{len(groups):05}.safetensors" for number in range(1, len(groups) + 1))
        return tuple(Shard(name, tuple(group)) for name, group in zip(names, groups, strict=True))

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weight files together."""
        return sum(shard.size for shard in self.shards)

    @cached_property
    def digest(self) -> str:
        """Changes with everything that the checkpoint's bytes follow from: it is the revision."""
        digest = hashlib.sha256(f"{SEED} {VERSION}".encode())
        for name in (*self.copied, TENSORS):
            digest.update(name.encode() + b"\0" + (self.folder / name).read_bytes())
        return digest.hexdigest()[:12]

    @property
    def vocab_size(self) -> int:
        """How many tokens the embedding has rows for."""
        config = json.loads(self.read("config.json"))
        return (config.get("text_config") or config)["vocab_size"]

    @property
    def special_tokens(self) -> dict[str, int]:
        """Tokens with a meaning of their own → ids, from tokenizer_config.json."""
        added = json.loads(self.read("tokenizer_config.json"))["added_tokens_decoder"]
        return {token["content"]: int(index) for index, token in added.items()}

    def read(self, name: str) -> bytes:
        """The contents of a small file."""
        return self.index() if name == INDEX else (self.folder / name).read_bytes()

    def header(self, name: str) -> tuple[TensorInfo, ...]:
        """The tensors of a weight file."""
        return next(shard.tensors for shard in self.shards if shard.name == name)

    def equal(self, first: tuple[str, str], second: tuple[str, str]) -> bool:
        """Every tensor is drawn by itself, so no two are equal."""
        return False

    def index(self) -> bytes:
        """What model.safetensors.index.json holds."""
        weight_map = {tensor.name: shard.name for shard in self.shards for tensor in shard.tensors}
        total = sum(tensor.nbytes for tensor in self.tensors)
        return json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=1).encode()

    def made_in(self, home: Path) -> Path:
        """The folder in `home` for this version of the checkpoint."""
        return home / self.digest

    def is_complete(self, made: Path) -> bool:
        """Whether the folder `made` holds every file, and every weight file in full."""
        for name, size in self.sizes.items():
            file = made / name
            if not file.is_file() or (file.stat().st_size != size if name.endswith(".safetensors") else not file.stat().st_size):
                return False
        return True


def _names(row: str) -> Iterator[str]:
    """“layers.{2}.weight” → layers.0.weight, layers.1.weight."""
    repeated = _REPEATED.search(row)
    if repeated is None:
        yield row
    else:
        yield from (_REPEATED.sub(str(index), row) for index in range(int(repeated[1])))
