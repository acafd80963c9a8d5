"""What is kept of a published generation config: which tokens end, pad, begin and are forbidden, and penalties. All else is dropped.

A published config may ask for sampling, beams, helper models, caches, stop strings, outputs of other types: each would change what is
compared, or break `generate`. What is kept is checked, as files hold lists of every shape, numbers as text, and tokens that the
model has no row for. A token that is forced at the end is dropped too: it would make an answer that was cut look complete.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import GenerationConfig

_SINGLE = ("pad_token_id", "bos_token_id", "decoder_start_token_id", "forced_bos_token_id")
_LISTS = ("suppress_tokens", "begin_suppress_tokens")
_PENALTIES = ("repetition_penalty", "encoder_repetition_penalty")
_NGRAMS = ("no_repeat_ngram_size", "encoder_no_repeat_ngram_size")
KEPT = ("eos_token_id", *_SINGLE, *_LISTS, "bad_words_ids", "sequence_bias", *_PENALTIES, *_NGRAMS)
"""The fields of a published config that greedy decoding keeps."""


def greedy(config: GenerationConfig | None, words: int | None = None) -> GenerationConfig:
    """A new config that decodes greedily in eager mode, with what is kept of `config`. Tokens from `words` on have no row: dropped."""
    return _made({name: getattr(config, name, None) for name in KEPT} if config is not None else {}, words)


def published(folder: Path) -> GenerationConfig | None:
    """What is kept of a checkpoint's generation_config.json; None if it has none, or none that can be read, as transformers does."""
    try:
        found = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return _made(found if isinstance(found, dict) else {}, None)


def _made(found: dict[str, Any], words: int | None) -> GenerationConfig:
    kept: dict[str, Any] = {name: next(_tokens(found.get(name), words), None) for name in _SINGLE}
    kept |= {name: list(dict.fromkeys(_tokens(found.get(name), words))) or None for name in ("eos_token_id", *_LISTS)}
    kept |= {name: _above_zero(found.get(name)) for name in _PENALTIES}
    kept |= {
        name: size if isinstance(size := found.get(name), int) and not isinstance(size, bool) and size > 0 else None for name in _NGRAMS
    }
    kept |= {"bad_words_ids": _phrases(found.get("bad_words_ids"), words), "sequence_bias": _biases(found.get("sequence_bias"), words)}
    ends = kept["eos_token_id"]
    if ends is not None and not isinstance(found.get("eos_token_id"), list | tuple):
        kept["eos_token_id"] = ends[0]
    if kept["forced_bos_token_id"] in (kept["suppress_tokens"] or ()):
        kept["forced_bos_token_id"] = None
    if kept["pad_token_id"] is None and ends is not None:
        kept["pad_token_id"] = ends[0]  # `generate` would choose the same and say so at every call
    return GenerationConfig(
        do_sample=False, num_beams=1, disable_compile=True, **{name: value for name, value in kept.items() if value is not None}
    )


def _tokens(value: Any, words: int | None) -> Iterator[int]:
    """Every token id in a number or a list of any shape."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from _tokens(part, words)
    elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value < (words or math.inf):
        yield value


def _above_zero(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if number and value > 0 and value != 1 else None


def _phrases(value: Any, words: int | None) -> list[list[int]] | None:
    """Lists of tokens; one with a token that the model cannot say is never said anyway."""
    phrases = value if isinstance(value, list | tuple) else []
    kept = [
        list(phrase) for phrase in phrases if isinstance(phrase, list | tuple) and phrase and len([*_tokens(phrase, words)]) == len(phrase)
    ]
    return kept or None


def _biases(value: Any, words: int | None) -> list[list[Any]] | None:
    """Pairs of a list of tokens and a number, as in files; in memory also a dictionary."""
    pairs = list(value.items()) if isinstance(value, dict) else value if isinstance(value, list | tuple) else []
    pairs = [pair for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2]
    kept = [
        [phrases[0], float(bias)]
        for phrase, bias in pairs
        if (phrases := _phrases([phrase], words)) and isinstance(bias, int | float) and math.isfinite(bias)
    ]
    return kept or None
