"""Texts that a model writes itself, to calibrate with: they are like those it was trained on, and no data set is needed.

They are sampled from the model's own predictions, and each begins with a token drawn at random, as in LLM-QAT (Liu et al. 2023, section
3.1). The seed is fixed, so that a model writes the same texts each time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from typing_extensions import override

from qdash.catalog.calibration import ANSWER, OWN_LENGTH, OWN_TEXTS
from qdash.engine.generation import Watch, bare_probabilities, generate_rows
from qdash.engine.prompting import Inputs, context_length, tokenizer_of
from qdash.engine.schemes import QuantizeContext
from qdash.engine.teacher_forcing import vocab_size
from qdash.engine.vocabulary import rows_of

SEED = 20260101


def own_texts(model: PreTrainedModel, build: QuantizeContext) -> Iterator[Inputs]:
    """`OWN_TEXTS` texts of `OWN_LENGTH` tokens, or of what the model's context holds; each as the inputs of one prompt."""
    tokenizer = tokenizer_of(build.processor)
    first = _first_tokens(model, tokenizer)
    length = min(OWN_LENGTH, context_length(model) or OWN_LENGTH) - first.shape[1]
    made = _sampled(model, build, {"input_ids": first, "attention_mask": torch.ones_like(first)}, length, "writing texts to calibrate with")
    whole = torch.cat((first, torch.tensor(made, device=first.device)), dim=1)
    for row in whole.split(1):
        yield {"input_ids": row, "attention_mask": torch.ones_like(row)}


def own_answer(model: PreTrainedModel, build: QuantizeContext, inputs: Inputs) -> tuple[int, ...]:
    """`ANSWER` tokens that the model says after a question."""
    return tuple(_sampled(model, build, inputs, ANSWER, "answering to calibrate with")[0])


def _first_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """(OWN_TEXTS, 1 or 2): the token that begins every text, where a tokenizer has one, and one drawn at random."""
    plain = sorted(set(range(min(len(tokenizer), rows_of(model) or len(tokenizer)))) - set(tokenizer.all_special_ids))
    chosen = torch.randint(len(plain), (OWN_TEXTS, 1), generator=torch.Generator().manual_seed(SEED))
    tokens = torch.tensor(plain)[chosen]
    begin = tokenizer.bos_token_id
    if isinstance(begin, int):
        tokens = torch.cat((torch.full_like(tokens, begin), tokens), dim=1)
    return tokens.to(model.device)


def _sampled(model: PreTrainedModel, build: QuantizeContext, inputs: Inputs, length: int, words: str) -> list[list[int]]:
    """`length` tokens for each row; no special token but the end's, as others, such as a picture's, stand for what is not there."""
    tokenizer = tokenizer_of(build.processor)
    options: dict[str, Any] = {"do_sample": True, "top_k": 0, "remove_invalid_values": True, "max_new_tokens": length}
    suppressed = sorted({token for token in tokenizer.all_special_ids if token != tokenizer.eos_token_id and token < vocab_size(model)})
    if suppressed:
        options["suppress_tokens"] = suppressed
    with _seeded(model.device), bare_probabilities(model, ends=False):
        return generate_rows(model, inputs, _Reporting(model, build, length, words), **options)


@contextmanager
def _seeded(device: torch.device) -> Iterator[None]:
    """What is drawn is the same each time, and leaves no trace in what is drawn elsewhere."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(SEED)
        yield


class _Reporting(Watch):
    """Tells after each token how far the texts are; the report raises once a person has pressed Stop."""

    def __init__(self, model: PreTrainedModel, build: QuantizeContext, length: int, words: str) -> None:
        super().__init__(model, lambda: False)
        self._build, self._length, self._words, self._done = build, length, words, 0

    @override
    def on_token(self) -> None:
        self._build.report(min(self._done / self._length, 1.0), self._words)
        self._done += 1
