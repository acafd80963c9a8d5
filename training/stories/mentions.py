"""Deep supervision: what each token's sentence has named so far, and the throw-away head that asks it.

A last word follows from links inside sentences told long before it: who is a baker, which key lies where. From last words alone a small
network finds no such links for thousands of steps, it guesses among the candidates. Asked after two layers which people, things
and places the sentence has named so far, it has the links within hundreds, and what is left is to look them up. The
head is dropped when the model is exported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast

from qdash.tasks.generators.stories.telling import LEXICONS
from training.prefetch import Batch

AFTER_LAYERS = 2
"""The head reads the hidden states after so many layers, which leaves the others to use what these have found."""

_STOPS = ".?!。？！"
_RARE = -5.0  # a name is in few sentences: the head starts from that, and its first gradients do not drown the others


class MentionHead(nn.Module):
    """Which of the words that stories are about stand before a token in its sentence: one yes or no a word."""

    slots: Tensor
    ends: Tensor

    def __init__(self, tokenizer: PreTrainedTokenizerFast, width: int) -> None:
        """A new head for hidden states of `width`."""
        super().__init__()
        named = torch.tensor(sorted(named_tokens(tokenizer)))
        slots = torch.full((len(tokenizer),), -1)
        slots[named] = torch.arange(len(named))
        ends = [any(mark in tokenizer.decode([index]) for mark in _STOPS) for index in range(len(tokenizer))]
        self.register_buffer("slots", slots, persistent=False)
        self.register_buffer("ends", torch.tensor(ends), persistent=False)
        self.norm = nn.RMSNorm(width)
        self.out = nn.Linear(width, len(named))
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.constant_(self.out.bias, _RARE)

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Binary cross-entropy in nats, summed over words, averaged over the tokens that have a named word before them; hidden is
        (rows, length, width).
        """
        targets, asked = self.mentioned(batch)
        logits = self.out(self.norm(hidden[asked])).float()
        return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(targets)

    def mentioned(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Zeros and ones (n, words) for the n tokens that have a named word before them in their sentence, and where: (rows, length)."""
        tokens, documents = batch["tokens"], batch["documents"]
        ends, slots = self.ends[tokens], self.slots[tokens]
        sentences = ends.long().cumsum(1) - ends.long()
        same = (sentences[:, :, None] == sentences[:, None, :]) & (documents[:, :, None] == documents[:, None, :])
        before = same.tril(-1) & (slots >= 0)[:, None, :] & (documents > 0)[:, :, None]
        asked = before.any(-1)
        rows = asked.nonzero()[:, 0]
        which, earlier = before[asked].nonzero(as_tuple=True)
        targets = torch.zeros(len(rows), self.out.out_features)
        targets[which, slots[rows[which], earlier]] = 1
        return targets, asked


def named_tokens(tokenizer: PreTrainedTokenizerFast) -> set[int]:
    """The tokens of every word that a story can be about, at its beginning and after a space; remarks and the like are not."""
    return {token for word in _words() for text in (word, f" {word}") for token in tokenizer.encode(text)}


def _words() -> Iterator[str]:
    for lexicon in LEXICONS.values():
        yield from (person.name for person in lexicon.people)
        yield from _flat((lexicon.places, lexicon.containers, lexicon.colours, lexicon.trades, lexicon.relations, lexicon.things))
        yield from _flat((thing.one, thing.many) for thing in (*lexicon.foods, *lexicon.animals))
        yield from _flat((pair.first, pair.second, *pair.subjects) for pair in lexicon.opposites)
        yield from _flat((lexicon.numbers, *lexicon.rankings))


def _flat(tables: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for table in tables:
        yield from table
