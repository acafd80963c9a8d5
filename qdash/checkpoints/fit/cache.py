"""Bytes of the key-value cache, and of the states that some layers have in its place, as transformers' `DynamicCache` keeps them."""

from qdash.checkpoints.fit.decoder import Decoder
from qdash.checkpoints.fit.layers import CacheLayer


def cache_bytes(decoder: Decoder, context: int, conversations: int, bits: float) -> int:
    """What is kept of `conversations` texts of `context` tokens each, while they are continued; `bits` of a value of the cache."""
    values = sum(layer.token_values * kept_tokens(layer, context) + layer.state_values for layer in decoder.layers)
    single = sum(layer.single_values for layer in decoder.layers)
    return round(conversations * (values * bits / 8 + 4 * single))


def unkept_bytes(decoder: Decoder, context: int, conversations: int, bits: float) -> int:
    """What layers with a window hold beyond it until the whole prompt has been read: theirs are views of all its keys and values."""
    values = sum(layer.token_values * (context - kept_tokens(layer, context)) for layer in decoder.layers)
    return round(conversations * values * bits / 8)


def kept_tokens(layer: CacheLayer, context: int) -> int:
    """How many tokens a layer keeps."""
    return context if layer.window is None else min(context, layer.window)
