"""The memory of a context, measured: prompts of arbitrary tokens are read and continued by a few, and the peak is watched."""

from collections.abc import Callable

import torch
from transformers import PreTrainedModel

from qdash.engine.generation import Watch, generate_rows
from qdash.engine.meters import PeakMemory, own_pages
from qdash.engine.prompting import Inputs, check_room
from qdash.engine.vocabulary import markers_of, rows_of
from qdash.records import MemoryWatched

NEW_TOKENS = 3
SHORTEST = 2 * NEW_TOKENS
"""The fewest tokens of a context that can be measured."""


def context_peak(model: PreTrainedModel, tokens: int, conversations: int, idle_bytes: int, stop: Callable[[], bool]) -> MemoryWatched:
    """The peak of `conversations` texts of `tokens` tokens each, read together; raises QdashError: "bad_input", "cancelled"."""
    inputs = _inputs(model, tokens - NEW_TOKENS, conversations)
    check_room(model, inputs, NEW_TOKENS)
    memory = PeakMemory(model.device, idle_bytes)
    with own_pages(), memory:
        generate_rows(model, inputs, Watch(model, stop), min_new_tokens=NEW_TOKENS, max_new_tokens=NEW_TOKENS)
    return MemoryWatched(peak_bytes=memory.peak_bytes, reserved_bytes=memory.reserved_bytes, process_bytes=memory.process_bytes)


def _inputs(model: PreTrainedModel, tokens: int, conversations: int) -> Inputs:
    """The same tokens every time, none of which stands for a picture."""
    reserved, rows = markers_of(model), rows_of(model) or 2
    allowed = torch.tensor([token for token in range(rows) if token not in reserved])
    chosen = torch.randint(len(allowed), (conversations, tokens), generator=torch.Generator().manual_seed(0))
    ids = allowed[chosen].to(model.device)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
