"""How closely a variant follows the original: the original's distribution at every token of a text, and a variant's distance from it.

A vocabulary of 150 000 tokens times a few hundred positions would be hundreds of megabytes. So the original's probabilities travel as the
likeliest tokens of each position and one number for all the rest, which costs kilobytes and loses next to nothing.
"""

from pydantic import Field

from qdash.records.base import Record

WHOLE_VOCABULARY = 4096
"""Vocabularies up to this size are kept whole: then divergences are exact."""

LIKELIEST = 256
"""Of larger ones, this many of the likeliest tokens are kept at each position."""

MAX_SCORED_TOKENS = 2048
"""What a text has beyond this many tokens is not scored."""

MAX_SHOWN_TOKENS = 256
"""This many tokens are kept one by one, for display."""

SAME_NATS = 1e-6
"""Divergences up to this are rounding: below what float32 logarithms can tell."""


class Reference(Record):
    """The original's next-token distributions along a text of n tokens; made once, by its own worker.

    Arrays are the bytes of C-ordered little-endian numbers. `log_probs` float32 [n, k], natural logarithms falling along k, of the tokens
    in `ids` int32 [n, k]; `tail` float32 [n]: the logarithm of the probability of all other tokens, −inf if none is left.
    """

    tokens: tuple[int, ...]
    pieces: tuple[str, ...]
    """Text of the first `MAX_SHOWN_TOKENS` tokens; empty for a token without text of its own, such as the end or half a character."""
    vocabulary: str
    """Fingerprint of the tokenizer's words: only a variant that has the same can be compared token by token."""
    width: int
    """Scores a position has: the vocabulary, and whatever it is padded with."""
    kept: int
    """k: `width`, or `LIKELIEST`."""
    log_probs: bytes = Field(repr=False)
    ids: bytes = Field(repr=False)
    tail: bytes = Field(repr=False)
    ppl: float | None
    """Perplexity of the text under the original."""
    step_by_step: bool = False
    """Whether the text was scored one token at a time, as it is generated, because the model reads it otherwise in one pass."""


class TokenAgreement(Record):
    """One token of the text: its text, KL(original ‖ variant) there in nats, and the token that the variant predicts if it is another.
    `kl_nats` is None if the variant's logits are NaN or infinite.
    """

    piece: str
    kl_nats: float | None
    instead: str | None = None


class Agreement(Record):
    """How closely a variant follows the original along one text, every token predicted from the original's own tokens before it.

    `kl_mean_nats`: mean over the tokens of KL(original ‖ variant); None if the variant's logits are NaN or infinite, which means it is
    broken. `kl_se`: standard error of that mean; None for one token. `top1`: share of tokens (0 to 1) whose likeliest token is the
    original's. `ppl`, `ppl_original`: perplexity of the text; None beyond what a float can hold. `first_divergence`: the first token at
    which the likeliest one differs, counted from 0.
    """

    kl_mean_nats: float | None
    kl_se: float | None
    top1: float
    ppl_original: float | None
    ppl: float | None
    first_divergence: int | None
    tokens: int
    exact: bool = True
    """False: a large vocabulary's rarer words count as one, so that divergences are lower bounds, if tight ones."""
    per_token: tuple[TokenAgreement, ...] = ()
    """The first `MAX_SHOWN_TOKENS` tokens."""
