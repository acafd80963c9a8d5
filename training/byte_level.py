"""Trains byte-level BPE tokenizers for both languages, from any corpus of our own.

Bytes underneath mean that any Unicode text becomes tokens and comes back unchanged. Chinese characters, full-width marks and digits
are split one by one before merging, so a sentence that the corpus never had still meets tokens that training has seen.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers


def train_byte_level(corpus: Iterable[str], vocab_size: int, special_tokens: list[str]) -> Tokenizer:
    """A tokenizer of `vocab_size` tokens, of which the special ones come first; the same corpus always gives the same one."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[\u3400-\u9fff]|[\u3000-\u303f\uff00-\uffef]|[0-9]"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=special_tokens,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer
