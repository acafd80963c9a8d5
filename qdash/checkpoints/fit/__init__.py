"""How much memory a model takes at a length of context: its key-value cache and what reading the prompt takes, from its config.json.

No torch: a configuration, read as transformers' own class would read it, becomes a `Decoder`, and everything else is arithmetic on that.
What is said is what the installed transformers does, not what a paper says could be done: tests build a model of every type here, run it
and count. A type that was not counted is refused with the reason.
"""

from qdash.checkpoints.fit.activations import working_bytes
from qdash.checkpoints.fit.cache import cache_bytes
from qdash.checkpoints.fit.configuration import configuration
from qdash.checkpoints.fit.cut_heads import without_cut_heads
from qdash.checkpoints.fit.decoder import Decoder, decoder_of
from qdash.checkpoints.fit.pictures import picture_tokens

__all__ = ["Decoder", "cache_bytes", "configuration", "decoder_of", "picture_tokens", "without_cut_heads", "working_bytes"]
