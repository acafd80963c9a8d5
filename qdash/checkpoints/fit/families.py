"""The model types whose memory can be told: what of their code decides it, counted in the installed transformers.

A new type is a row, once `tests/checkpoints/fit` has counted it.
"""

from dataclasses import dataclass
from typing import Literal

Windows = Literal["none", "all", "from max_window_layers", "but every sixth", "every other"]
"""Which layers look back over a window only, where the configuration does not list the types of its layers."""

Attention = Literal["fused", "latent", "eager", "none"]
"""How attention is computed: by one kernel that keeps no scores; the same on keys and values that are unpacked from a latent vector, which
on a CPU does keep them; by plain arithmetic, which does everywhere; or in no layer."""

Recurrence = Literal["mamba", "mamba2", "delta"]
"""What brings a layer's state up to date."""


@dataclass(frozen=True)
class Family:
    """One way of writing a decoder.

    While a feed-forward block works, `streams` vectors as wide as the model and `gates` as wide as the block are in memory for each token.
    `rotations`: pairs of tables of rotary positions. Eager attention takes `score_bytes` for each pair of tokens and each head, at 32 and
    at 16 bits; `kept_scores` of a layer's results of that size are still held after it, and `masks` masks of the model's own type
    throughout. While a state is brought up to date, `state_streams` vectors as wide as the model are in memory for each token; by the gated
    delta rule also `delta_copies` of its values and of its keys.
    """

    types: tuple[str, ...]
    streams: int = 4
    gates: int = 3
    rotations: int = 1
    windows: Windows = "none"
    attention: Attention = "fused"
    score_bytes: tuple[int, int] = (0, 0)
    kept_scores: int = 0
    masks: int = 0
    state: Recurrence | None = None
    state_streams: int = 0
    delta_copies: tuple[int, int] = (0, 0)


_FAMILIES = (
    Family(("llama", "granite", "qwen3_vl_text", "smollm3", "lfm2")),
    Family(("olmo2",), streams=3),
    Family(("qwen2", "qwen3", "qwen2_vl_text", "qwen2_5_vl_text"), windows="from max_window_layers"),
    Family(("mistral", "mixtral", "qwen3_moe"), windows="all"),
    Family(("phi3",), gates=4, windows="all"),
    Family(("gemma3_text",), rotations=2, windows="but every sixth"),
    Family(("gemma2",), windows="every other", attention="eager", score_bytes=(8, 10), kept_scores=1, masks=2),
    Family(("deepseek_v3",), attention="latent"),
    Family(("bloom",), gates=5, attention="eager", score_bytes=(16, 14), kept_scores=2, masks=1, rotations=0),
    Family(("mamba", "falcon_mamba"), attention="none", rotations=0, state="mamba", state_streams=4),
    Family(("mamba2",), attention="none", rotations=0, state="mamba2", state_streams=3),
    Family(("jamba",), rotations=0, state="mamba", state_streams=4),
    Family(("bamba", "falcon_h1", "granitemoehybrid"), state="mamba2", state_streams=4),
    Family(("nemotron_h",), gates=2, rotations=0, state="mamba2", state_streams=3),
    Family(("zamba2",), rotations=0, state="mamba2", state_streams=7),
    Family(("qwen3_5_text",), state="delta", state_streams=3, delta_copies=(2, 2)),
    Family(("qwen3_next",), state="delta", state_streams=3, delta_copies=(4, 4)),
    Family(("olmo_hybrid",), streams=3, state="delta", state_streams=4, delta_copies=(1, 2)),
)
FAMILIES = {model_type: family for family in _FAMILIES for model_type in family.types}

WRAPPERS = {
    "llava": None,
    "fast_vlm": None,
    "idefics3": None,
    "smolvlm": None,
    "gemma3": None,
    "qwen2_vl": "qwen2_vl_text",
    "qwen2_5_vl": "qwen2_5_vl_text",
    "qwen3_vl": "qwen3_vl_text",
    "qwen3_5": "qwen3_5_text",
}
"""Models that see, and the type of their language model where `text_config` does not say it."""
