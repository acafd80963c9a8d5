"""Which part of a model a layer belongs to, told from the words in its path.

Every vision-language model has a vision tower, a projector and a language model, but each class names and nests them in its own way, and
a checkpoint's names differ from its model's. The words of the field are few and shared, and they can be read where there is no model yet:
in a safetensors header. A test compares what is read here with where transformers' own accessors find the parts.
"""

import re

PARTS = ("vision", "projector", "language", "attention", "mlp", "head")
"""What a recipe may name. The first three and the head divide a model; attention and mlp are found in towers and language model alike."""

DIVIDING = ("vision", "projector", "language", "head")
"""Those that divide a model."""

_HEAD = re.compile(r"(^|\.)(lm_head|embed_out|output_head)(\.|$)")
_PROJECTOR = re.compile(r"(^|[._])(projector|connector|merger|aligner|modality_projection|mm_proj)")
_VISION = re.compile(r"(^|[._])(vision|visual|vit|image)")
_ATTENTION = re.compile(r"(^|[._])(attn|attention|token_mixer|qkv|[qkvo]_proj)([._]|$)")
_MLP = re.compile(r"(^|[._])(mlp|ffn|feed_forward|experts?|fc\d|dense_h_to_4h|dense_4h_to_h)([._]|$)")


def part_of(path: str) -> str:
    """The one of "vision", "projector", "language" and "head" that the module or tensor at `path` lies in."""
    if _HEAD.search(path):
        return "head"
    if _PROJECTOR.search(path):
        return "projector"
    return "vision" if _VISION.search(path) else "language"


def parts_of(path: str) -> frozenset[str]:
    """All of `PARTS` that the module or tensor at `path` belongs to."""
    inner = "attention" if _ATTENTION.search(path) else "mlp" if _MLP.search(path) else None
    own = part_of(path)
    return frozenset({own} if inner is None or own in ("projector", "head") else {own, inner})
