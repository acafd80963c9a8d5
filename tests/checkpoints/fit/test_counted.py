"""What is told of a context's memory against every model type's own class: the bytes of a real cache, and of all tensors alive at once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from transformers import DynamicCache

from qdash.catalog.schemes import find_scheme
from qdash.checkpoints.fit import cache_bytes, decoder_of, without_cut_heads, working_bytes
from qdash.checkpoints.fit.activations import LIBRARY_BYTES
from qdash.checkpoints.fit.families import FAMILIES
from qdash.engine.table import layer_table
from qdash.engine.worker import Worker
from tests.checkpoints.fit.models import CONFIGS
from tests.engine.conftest import ignore, never, spec_of
from tests.support.held import model_of
from tests.support.live_memory import LiveMemory

LENGTHS = (96, 512)  # within the window of those models that have one, and far beyond
WIDTH = {"float32": 4, "bfloat16": 2}


def read(model: Any, cache: DynamicCache, tokens: int, texts: int) -> None:
    """Read a prompt of arbitrary tokens, as `generate` does."""
    ids = torch.arange(texts * tokens).reshape(texts, tokens) % 300
    about = {"attention_mask": torch.ones_like(ids), **kept_in(model, cache)}
    keep = {"logits_to_keep": 1} if "text" not in model.config.model_type or model.config.model_type == "gemma3_text" else {}
    model(input_ids=ids, **about, **keep)


def built(config: Any, dtype: str) -> Any:
    auto = hf.AutoModel if config.model_type.endswith("vl_text") else hf.AutoModelForCausalLM
    return auto.from_config(config, dtype=getattr(torch, dtype)).eval()


def kept_in(model: Any, cache: DynamicCache) -> dict[str, Any]:
    """The arguments that make a model use the cache; models of states alone have another name for it."""
    return {"cache_params" if "mamba" in type(model).__name__.lower() else "past_key_values": cache, "use_cache": True}


def held_bytes(cache: DynamicCache) -> int:
    """The storage behind every tensor of a cache."""
    found = 0
    for layer in cache.layers:
        states = [*getattr(layer, "conv_states", {}).values(), *getattr(layer, "recurrent_states", {}).values()]
        tensors = [getattr(layer, "keys", None), getattr(layer, "values", None), *states]
        found += sum(tensor.untyped_storage().nbytes() for tensor in tensors if isinstance(tensor, torch.Tensor))
    return found


def test_every_type_is_counted() -> None:
    assert {config().model_type for config in CONFIGS.values()} == FAMILIES.keys()


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(("dtype", "tokens"), [("float32", LENGTHS[0]), ("bfloat16", LENGTHS[1])])
@torch.no_grad()
def test_the_cache_to_the_byte(name: str, dtype: str, tokens: int) -> None:
    """After a first token of the answer: `tokens` are in the context then."""
    config = CONFIGS[name]()
    model, cache = built(config, dtype), DynamicCache(config=config)
    read(model, cache, tokens - 1, 2)
    model(input_ids=torch.ones(2, 1, dtype=torch.long), **kept_in(model, cache))
    assert cache_bytes(decoder_of(config.to_dict()), tokens, 2, 8 * WIDTH[dtype]) == held_bytes(cache)


@pytest.mark.parametrize(
    ("architecture", "scheme"),
    [
        ("qwen3", "prune-heads-50"),
        ("qwen3", "*.layers.1.*=prune-heads-50"),
        ("qwen3", "*.k_proj=prune-heads-50"),  # no block as a whole
        ("qwen3", "prune-rows-30"),
        ("llava", "prune-heads-50"),
    ],
)
@torch.no_grad()
def test_the_cache_of_a_model_whose_heads_were_cut_out(checkpoint: Callable[[str], Path], architecture: str, scheme: str) -> None:
    folder = checkpoint(architecture)
    subject, config = Worker(spec_of(folder, scheme)), json.loads((folder / "config.json").read_text())
    subject.load(emit=ignore, stop=never)
    model, cache = model_of(subject), DynamicCache()
    model(input_ids=torch.arange(24).reshape(1, 24), past_key_values=cache, use_cache=True)
    decoder = decoder_of(config)
    left = without_cut_heads(decoder, layer_table(spec_of(folder, None), ()), find_scheme(scheme))
    assert cache_bytes(left, 24, 1, 32) == held_bytes(cache)
    whole, blocks = cache_bytes(decoder, 24, 1, 32), len(decoder.layers)
    gone = {"prune-heads-50": 1 / 2, "*.layers.1.*=prune-heads-50": 1 / (2 * blocks)}
    assert cache_bytes(left, 24, 1, 32) == whole * (1 - gone.get(scheme, 0))


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("dtype", WIDTH)
@pytest.mark.parametrize(("tokens", "texts"), [(LENGTHS[0], 1), (LENGTHS[1], 2)])
@torch.no_grad()
def test_reading_a_prompt(name: str, dtype: str, tokens: int, texts: int) -> None:
    """Within a few per cent of the tensors alive at the worst moment."""
    config, width = CONFIGS[name](), WIDTH[dtype]
    model = built(config, dtype)
    with LiveMemory(model) as alive:
        read(model, DynamicCache(config=config), tokens, texts)
    decoder = decoder_of(config.to_dict())
    # What torch's softmax notes for each score, and its library's buffers, are out of sight here; benchmarks/fit.py has them.
    unseen = LIBRARY_BYTES + (texts * decoder.heads * tokens**2 if decoder.latent else 0)
    told = cache_bytes(decoder, tokens, texts, 8 * width) + working_bytes(decoder, tokens, texts, width, "cpu") - unseen
    assert told == pytest.approx(alive.peak_bytes, rel=0.06)
