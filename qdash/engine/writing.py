"""The files of a variant that is being loaded: written once it is quantized, and before its first call."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from transformers import GenerationConfig, PreTrainedModel

from qdash.catalog.schemes import Scheme
from qdash.engine.prompting import Processor
from qdash.engine.saving import SHARD_BYTES, listed, narrow, save
from qdash.engine.schemes import SchemeFamily
from qdash.records import Loaded, Narrowed, Written

_GENERATION = "generation_config.json"
_AS_THEY_ARE = (_GENERATION, "LICENSE*", "LICENCE*", "NOTICE*")
"""Files of the checkpoint that hold for every version of it."""


@dataclass
class Writing:
    """Writes a model that was loaded from `source` into the empty `folder`, unless it would take more than `room_bytes`.

    `report` gets words, and may raise to stop.
    """

    source: Path
    folder: Path
    room_bytes: int
    report: Callable[[str], None]
    needed_bytes: int = field(default=0, init=False)
    narrowed: Narrowed | None = field(default=None, init=False)

    def write(self, model: PreTrainedModel, family: SchemeFamily, scheme: Scheme, processor: Processor, saved_bytes: int) -> None:
        """Write the weights, the configuration, the tokenizer or processor, and the licence of the checkpoint."""
        floats = scheme.family.saved_as_floats and getattr(model, "hf_quantizer", None) is None
        # A file that is narrowed stands beside the one that it replaces for a moment.
        self.needed_bytes = saved_bytes + (min(saved_bytes, SHARD_BYTES) if floats else 0)
        if self.needed_bytes > self.room_bytes:
            return
        self.report("writing the weights")
        self._save(model, family)
        if floats:
            self.report("writing each tensor in the fewest bits that hold it")
            self.narrowed = narrow(self.folder)
        processor.save_pretrained(self.folder)
        for file in (file for pattern in _AS_THEY_ARE for file in self.source.glob(pattern) if file.is_file()):
            shutil.copyfile(file, self.folder / file.name)

    def _save(self, model: PreTrainedModel, family: SchemeFamily) -> None:
        """Without settings for generation: as published they may contradict each other, which is refused, and their file is copied."""
        settings, model.generation_config = model.generation_config, GenerationConfig()
        try:
            save(model, family, self.folder, SHARD_BYTES)
        finally:
            model.generation_config = settings
        (self.folder / _GENERATION).unlink(missing_ok=True)

    def written(self, loaded: Loaded) -> Written:
        """What came of it."""
        files = listed(self.folder) if self.needed_bytes <= self.room_bytes else None
        return Written(loaded=loaded, needed_bytes=self.needed_bytes, files=files, narrowed=self.narrowed)
