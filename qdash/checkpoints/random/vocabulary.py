"""A tokenizer of any vocabulary size, made of rules instead of a corpus.

Byte-level BPE, so every text has tokens and comes back unchanged. A prompt should also be about as long as with the published tokenizer, as
its length decides the time to the first token: Chinese characters are one token, English words a few.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import product

_LETTERS = "etaoinshrdlcumwfgypbvkjxqz"  # the most frequent in English first
_SPACE = "Ġ"  # how byte-level BPE writes a space
_CJK_LEADS = range(0xE3, 0xF0)  # first UTF-8 byte of Chinese, Japanese and Korean characters and their punctuation
_CONTINUATIONS = range(0x80, 0xC0)

Merge = tuple[str, str]


def tokenizer_json(vocab_size: int, special: Mapping[str, int]) -> str:
    """The tokenizer.json (format of the `tokenizers` library) with exactly `vocab_size` tokens, `special` ones at the ids given."""
    tokens, merges = _tokens_and_merges(vocab_size - len(special))
    free = (index for index in range(vocab_size) if index not in set(special.values()))
    # Special tokens are in the vocabulary too: those that are not get the ids after it, whatever ids they ask for.
    vocabulary = {**dict(zip(tokens, free, strict=True)), **special}
    added = [
        {"id": index, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for content, index in special.items()
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return json.dumps(
        {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
            "model": {
                "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocabulary, "merges": merges,
            },
        },
        ensure_ascii=False,
    )  # fmt: skip


def byte_symbols() -> list[str]:
    """The character that stands for each byte 0–255 in byte-level BPE: itself if it prints, else one from U+0100 on."""
    printing = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printing else next(others)) for byte in range(256)]


def _tokens_and_merges(count: int) -> tuple[list[str], list[Merge]]:
    """`count` tokens, bytes first, and the merges that lead to them. Two merges may make the same token."""
    tokens, merges = dict.fromkeys(byte_symbols()), []
    for left, right in _all_merges():
        if len(tokens) == count and left + right not in tokens:
            return list(tokens), merges
        tokens[left + right] = None
        merges.append((left, right))
    raise ValueError(f"a vocabulary of {count} tokens is out of reach of these rules")


def _all_merges() -> Iterator[Merge]:
    """From the most useful on: pairs of letters, whole characters, then pieces of two to four letters in every combination."""
    pairs = _ranked(_SPACE + _LETTERS, _LETTERS)
    yield from pairs
    symbols = byte_symbols()
    heads = [(symbols[lead], symbols[second]) for lead, second in product(_CJK_LEADS, _CONTINUATIONS)]
    yield from heads
    yield from ((first + second, symbols[last]) for first, second in heads for last in _CONTINUATIONS)
    pieces = [left + right for left, right in pairs]
    longer = _ranked([*_LETTERS, *pieces], [*_LETTERS, *(piece for piece in pieces if piece[0] != _SPACE)])
    yield from ((left, right) for left, right in longer if len(left + right) > 2)


def _ranked(lefts: str | list[str], rights: str | list[str]) -> list[Merge]:
    """Every pair, those of frequent parts first."""
    order = sorted(product(range(len(lefts)), range(len(rights))), key=sum)
    return [(lefts[left], rights[right]) for left, right in order]
