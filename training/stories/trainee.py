"""The language model while it trains: packed documents through the decoder, the losses, and how many last words are right."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from qdash.tasks.generators.stories.documents import CELLS
from training.prefetch import Batch
from training.stories.architecture import build_model
from training.stories.mentions import AFTER_LAYERS, MentionHead
from training.stories.stream import block_mask


class Trainee(nn.Module):
    """A tiny-lm over packed rows, with a head on its early layers: Qwen3's own forward pass, taken apart where the head reads."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, lm: Qwen3ForCausalLM | None = None) -> None:
        """A new model, or a head for a given one."""
        super().__init__()
        self.lm = lm or build_model()
        self.lm.set_attn_implementation("eager")
        self.heads = MentionHead(tokenizer, self.lm.config.hidden_size)
        self.decode = self._decode

    def _decode(self, tokens: Tensor, mask: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        decoder = self.lm.model
        hidden = early = decoder.embed_tokens(tokens)
        rotations = decoder.rotary_emb(hidden, positions)
        for number, layer in enumerate(decoder.layers, 1):
            hidden = layer(hidden, attention_mask=mask, position_ids=positions, position_embeddings=rotations)
            if number == AFTER_LAYERS:
                early = hidden
        return decoder.norm(hidden), early

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (n, vocabulary) of all predicted tokens, where those tokens are as a mask (rows, length), and what the head reads.

        The first token of a document is not predicted.
        """
        mask = block_mask(batch["documents"], self.lm.lm_head.weight.dtype)
        hidden, early = self.decode(batch["tokens"], mask, batch["positions"])
        predicted = (batch["documents"] > 0) & (batch["positions"] > 0)
        return self.lm.lm_head(hidden[predicted.roll(-1, dims=1)]).float(), predicted, early


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
