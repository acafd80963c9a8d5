"""The language model while it trains: packed documents through the decoder, the weighted loss, and how many last words are right."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Qwen3ForCausalLM

from training.prefetch import Batch
from training.stories.architecture import build_model
from training.stories.documents import CELLS
from training.stories.stream import block_mask


class Trainee(nn.Module):
    """A tiny-lm over packed rows."""

    def __init__(self, lm: Qwen3ForCausalLM | None = None) -> None:
        """A new model, or a given one."""
        super().__init__()
        self.lm = lm or build_model()
        self.lm.set_attn_implementation("eager")
        self.decode = self._decode

    def _decode(self, tokens: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        return self.lm.model(input_ids=tokens, attention_mask=mask, position_ids=positions, use_cache=False).last_hidden_state

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits (n, vocabulary) of all predicted tokens, and where those tokens are: a mask (rows, length).

        The first token of a document is not predicted.
        """
        mask = block_mask(batch["documents"], self.lm.lm_head.weight.dtype)
        hidden = self.decode(batch["tokens"], mask, batch["positions"])
        predicted = (batch["documents"] > 0) & (batch["positions"] > 0)
        return self.lm.lm_head(hidden[predicted.roll(-1, dims=1)]).float(), predicted


def story_loss(logits: Tensor, predicted: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """The weighted mean of the tokens' cross-entropy, and the plain mean over last words, both in nats."""
    losses = F.cross_entropy(logits, batch["tokens"][predicted], reduction="none")
    weights = batch["weights"][predicted]
    return (losses * weights).sum() / weights.sum(), losses[batch["words"][predicted] > 0].mean()


def right_words(logits: Tensor, predicted: Tensor, batch: Batch) -> dict[tuple[str, str], tuple[int, int]]:
    """(right, all) by kind and language: a last word is right if each of its tokens, and the full stop, is the most likely one."""
    missed = logits.argmax(-1) != batch["tokens"][predicted]
    rows = torch.arange(predicted.shape[0])[:, None].expand_as(predicted)[predicted]
    words = batch["words"][predicted]
    wrong = torch.zeros(predicted.shape[0], batch["cells"].shape[1] + 1, dtype=torch.long)
    wrong.index_put_((rows, words), missed.long(), accumulate=True)
    wrong = wrong[:, 1:]
    scores: dict[tuple[str, str], tuple[int, int]] = {}
    for index, cell in enumerate(CELLS):
        here = batch["cells"] == index
        scores[cell] = (int((wrong[here] == 0).sum()), int(here.sum()))
    return scores
