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

CLOSE_CALL = 0.1
"""Below this margin (0 to 1) a choice is a close call: the second likeliest token is less than 10 percentage points behind."""

LEAST_TOKENS = {0.95: 20, 0.99: 100, 0.999: 1000}
"""Fewest tokens from which each quantile of a divergence is known: one of them lies beyond it. Of fewer it would be the maximum."""


class Reference(Record):
    """The original's next-token distributions along a text of n tokens; made once, by its own worker.

    Arrays are the bytes of C-ordered little-endian numbers. `log_probs` float32 [n, k], natural logarithms falling along k, of the tokens
    in `ids` int32 [n, k]; `tail` float32 [n]: the logarithm of the probability of all other tokens, −inf if none is left.
    """

    tokens: tuple[int, ...]
    prompt: tuple[int, ...] = ()
    """The tokens before them, as the original read them."""
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
    own: bytes = Field(repr=False)
    """float64 [n]: the logarithm of the original's probability of each token of the text."""
    margins: bytes = Field(repr=False)
    """float64 [n]: by how much the original's likeliest token is ahead of its second likeliest, as probabilities."""
    ppl: float | None
    """Perplexity of the text under the original."""
    step_by_step: bool = False
    """Whether the text was scored one token at a time, as it is generated, because the model reads it otherwise in one pass."""


class TokenAgreement(Record):
    """One token of the text: its text, KL(original ‖ variant) there in nats, and the token that the variant predicts if it is another.
    `kl_nats` is None if the variant's logits are NaN or infinite.

    `margin_original`, `margin`: probability of the likeliest token minus that of the second likeliest, 0 to 1, of the original and of the
    variant. `delta_p`: the variant's probability of the text's token minus the original's, −1 to 1. Rounded to a millionth; None where
    they are not finite, and in records of earlier versions.
    """

    piece: str
    kl_nats: float | None
    instead: str | None = None
    margin_original: float | None = None
    margin: float | None = None
    delta_p: float | None = None


class Flips(Record):
    """At how many tokens of a text the variant's likeliest token is another than the original's.

    `close`: tokens at which the original's choice was a close call, its margin below `CLOSE_CALL`. `flipped`: tokens at which the likeliest
    one is another; `flipped_close`: those of them that were close calls. `lost`: the text's own token was the original's likeliest and is
    not the variant's; `gained`: the other way round. Along the original's own answer nearly every flip is lost.
    """

    close: int
    flipped: int
    flipped_close: int
    lost: int
    gained: int


class Tail(Record):
    """How far the worst tokens of a text are, beside the mean; as llama.cpp's `perplexity --kl-divergence` defines it.

    `kl_95_nats`, `kl_99_nats`, `kl_999_nats`: the divergence that 95, 99 and 99.9% of the tokens do not exceed, between two tokens
    interpolated linearly; None of fewer tokens than `LEAST_TOKENS`. `kl_max_nats`: the largest. Δp is the variant's probability of the
    text's token minus the original's: `delta_p_mean` is its mean, `delta_p_rms` the square root of its mean square, each with its
    standard error, which is None for one token and where all Δp are 0.
    """

    kl_95_nats: float | None
    kl_99_nats: float | None
    kl_999_nats: float | None
    kl_max_nats: float
    delta_p_mean: float
    delta_p_mean_se: float | None
    delta_p_rms: float
    delta_p_rms_se: float | None


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
    same_prompt: bool = True
    """False: the variant lays the question out in other tokens, as files with another chat template do; divergences have that in them."""
    per_token: tuple[TokenAgreement, ...] = ()
    """The first `MAX_SHOWN_TOKENS` tokens."""
    flips: Flips | None = None
    """Over all tokens; None in records of earlier versions."""
    tail: Tail | None = None
    """Over all tokens; None if the variant's logits are NaN or infinite, and in records of earlier versions."""
