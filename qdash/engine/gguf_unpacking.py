"""Unpacks a GGUF file into a folder as `save_pretrained` writes it: `python -m qdash.engine.gguf_unpacking FILE FOLDER FRACTION`.

transformers reads configuration, weights and tokenizer out of the file; the weights become 32-bit floats. The blocks they were in are
written beside them (see `gguf_blocks`), and which tensors of FILE each parameter was made from. The file FRACTION tells how much is done. A
failure is printed as one JSON line; exit code 1.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    modeling_gguf_pytorch_utils,
)
from transformers.utils import logging

from qdash.catalog.stored_blocks import SOURCES
from qdash.engine.gguf_blocks import write_blocks
from qdash.engine.gguf_names import parameter_sources
from qdash.errors import QdashError
from qdash.records import ErrorRecord
from qdash.whole_files import write_whole

Tell = Callable[[float], None]

READ, MATCHED = 0.7, 0.95
"""The share of the time that has passed when the weights are read, and when their blocks are written; roughly."""


def unpack(file: Path, folder: Path, tell: Tell = lambda fraction: None) -> None:
    """Write the model in `file` to `folder`, its config.json last; raises QdashError("checkpoint") if transformers cannot read it.

    `tell` is called with the share that is done.
    """
    try:
        with _counting(lambda fraction: tell(READ * fraction)):
            model, tokenizer = _read(file)
        made_from = parameter_sources(file, model)
    except Exception as error:  # transformers raises whatever its conversion stumbles over
        message = f"transformers cannot read {file.name} ({type(error).__name__}: {error})."
        raise QdashError(message, "Choose another file of this model, or the model as safetensors.", "checkpoint") from error
    (folder / SOURCES).write_text(json.dumps(made_from))
    write_blocks(file, model, folder, lambda fraction: tell(READ + (MATCHED - READ) * fraction))
    tell(MATCHED)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)


@contextmanager
def _counting(tell: Tell) -> Iterator[None]:
    """Tell the share of tensors that transformers has unpacked, in the place of the bar that it draws while it does."""

    def counted(items: Iterable[Any], **options: Any) -> Iterator[Any]:
        every = list(items)
        for done, item in enumerate(every):
            tell(done / len(every))
            yield item

    reading: Any = modeling_gguf_pytorch_utils
    drawn, reading.tqdm = reading.tqdm, counted
    try:
        yield
    finally:
        reading.tqdm = drawn


def _read(file: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    place = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name, "local_files_only": True}
    config = AutoConfig.from_pretrained(**place)
    loaded: Any = AutoModelForCausalLM.from_pretrained(**place, config=config, dtype=torch.float32, output_loading_info=True)
    model, info = loaded  # by its annotation, transformers returns the model alone
    # transformers would fill these with random numbers.
    left = sorted({*info["missing_keys"], *(name for name, *_shapes in info["mismatched_keys"])})
    if left:
        raise ValueError(f"it has no weights for {', '.join(left[:3])}{f' and {len(left) - 3} more' if len(left) > 3 else ''}")
    # Unpacked, it is a model of plain floats; transformers 5.23 still refuses to save it as one.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model, AutoTokenizer.from_pretrained(**place)


def main(file: str, folder: str, told: str) -> int:
    """Unpack; returns the exit code."""
    logging.disable_progress_bar()
    try:
        unpack(Path(file), Path(folder), lambda fraction: write_whole(Path(told), f"{fraction:.3f}"))
    except QdashError as error:
        print(ErrorRecord.of(error).model_dump_json(), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
