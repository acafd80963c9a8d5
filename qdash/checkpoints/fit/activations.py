"""What a model takes beside weights and cache while it reads a prompt, which is when it takes most.

transformers reads all of a prompt in one pass and keeps the scores of the last token only. The figures are sums of the tensors that are
alive at the worst moment of a layer: in its feed-forward block, in its attention, where a window needs a mask of every pair of tokens, or
in what brings its state up to date.
"""

from qdash.catalog.types import DeviceType
from qdash.checkpoints.fit.cache import unkept_bytes
from qdash.checkpoints.fit.decoder import Decoder

LIBRARY_BYTES = 9 * 2**20
"""What libraries hold while they compute on a CPU, whatever the model: 6 to 15 MiB were measured. On a card it is in what is kept free."""
_ID_BYTES = 8
_IDS = 4  # of each token: its id and its place, in the mask of the prompt, and in the answer so far


def working_bytes(decoder: Decoder, context: int, conversations: int, width: int, device: DeviceType) -> int:
    """Bytes at the worst moment of reading `conversations` prompts of `context` tokens at once, in a type `width` bytes wide."""
    kept = _mask_bytes(decoder, context, width) + decoder.family.kept_scores * decoder.heads * context * context * width
    widest = max(_feed_forward_values(decoder) * context * width + kept, _attention_bytes(decoder, context, width, device))
    if decoder.state is not None:
        widest = max(widest, decoder.state.reading_bytes(context, width))
    scores = decoder.vocabulary * (width + 2 * 4)  # of the last token, and what is computed on them in 32 bits
    rotations = 2 * decoder.family.rotations * decoder.head * width
    own = conversations * (max(widest, scores) + context * (rotations + _IDS * _ID_BYTES))
    library = LIBRARY_BYTES if device == "cpu" else 0
    return own + unkept_bytes(decoder, context, conversations, 8 * width) + library


def _feed_forward_values(decoder: Decoder) -> int:
    """Of each token."""
    if not decoder.routed:
        return decoder.family.streams * decoder.hidden + decoder.family.gates * decoder.gated
    inside = max(decoder.hidden + 4 * decoder.gated, 4 * decoder.hidden)
    return decoder.family.streams * decoder.hidden + decoder.sent * inside


def _slides(decoder: Decoder, context: int) -> bool:
    """Whether there is a layer whose window is shorter than the prompt."""
    return any(layer.window is not None and layer.window <= context for layer in decoder.layers)


def _mask_bytes(decoder: Decoder, context: int, width: int) -> int:
    """Masks that are kept from the first layer to the last."""
    if decoder.family.attention == "eager":
        return decoder.family.masks * context * context * width
    return context * context if _slides(decoder, context) else 0


def _attention_bytes(decoder: Decoder, context: int, width: int, device: DeviceType) -> int:
    queries, pairs = decoder.heads * decoder.head, context * context
    streams = 3 * decoder.hidden
    if decoder.family.attention == "eager":
        scores = decoder.family.score_bytes[0 if width == 4 else 1]
        return (streams + 4 * queries) * context * width + decoder.heads * pairs * scores + _mask_bytes(decoder, context, width)
    if decoder.latent is not None:
        return _latent_bytes(decoder, context, width, device)
    if _slides(decoder, context):
        # The kernel wants as many keys and values as queries, and a mask of numbers.
        repeated = 2 * queries if decoder.kv_heads < decoder.heads else 0
        return (streams + 2 * queries + repeated) * context * width + pairs * (1 + width)
    return (streams + 4 * queries) * context * width


def _latent_bytes(decoder: Decoder, context: int, width: int, device: DeviceType) -> int:
    """Unpacked keys and values; on a CPU, whose kernel wants keys as wide as values, the scores as well, in 32 bits."""
    latent, heads = decoder.latent, decoder.heads
    assert latent is not None
    unpacked = heads * (latent.nope + latent.value + 4 * decoder.head + latent.rope) + latent.rank + latent.rope
    values = (3 * decoder.hidden + unpacked) * context * width
    if device != "cpu" or latent.value == decoder.head:
        return values
    in_32_bits = heads * (5 * decoder.head + 2 * latent.value) if width < 4 else 0  # copies of queries, keys and values
    # Scores before and after the softmax and the mask in 32 bits, and for each score whether it is masked.
    return values + in_32_bits * context * width + context * context * (4 * (2 * heads + 1) + heads)
