"""The model while it trains: shipped weights plus throw-away heads, and the two losses.

The forward pass is llava's own, taken apart in the middle: the tower's features feed both the dense heads and the
projector, and only the answers' positions go through the vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration

from qdash.tasks.generators.questions import TYPES
from training.architecture import build_model
from training.dense import DenseHeads
from training.packing import PREFIX_LENGTH, window_mask


class Trainee(nn.Module):
    """A tiny-vlm with dense heads on its vision features."""

    def __init__(self, vlm: LlavaForConditionalGeneration | None = None) -> None:
        """A new model, or heads for a given one."""
        super().__init__()
        self.vlm = vlm or build_model()
        self.vlm.set_attn_implementation({"vision_config": "eager", "text_config": "packed"})
        self.heads = DenseHeads(self.vlm.get_parameter("model.vision_tower.post_layernorm.weight").numel())
        self.decode = self._decode

    def _decode(self, embeddings: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        decoder = self.vlm.model.language_model
        return decoder(inputs_embeds=embeddings, attention_mask=mask, position_ids=positions, use_cache=False).last_hidden_state

    def features(self, pixels: Tensor) -> Tensor:
        """Vision features (batch, patches, width) of uint8 pictures."""
        dtype = self.heads.out.weight.dtype
        scaled = (pixels.to(torch.float32) / 127.5 - 1).to(dtype)
        layer = self.vlm.config.vision_feature_layer
        return self.vlm.model.vision_tower(scaled, output_hidden_states=True).hidden_states[layer]

    def answer_logits(self, features: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Logits (n, vocabulary) and targets (n,) of all answer tokens of packed questions."""
        embeddings = self.vlm.get_input_embeddings()(batch["tokens"])
        image = self.vlm.model.multi_modal_projector(features).to(embeddings.dtype)
        embeddings = torch.cat([embeddings[:, :1], image, embeddings[:, PREFIX_LENGTH:]], dim=1)
        hidden = self.decode(embeddings, window_mask(batch["segments"], embeddings.dtype), batch["positions"])
        targets = batch["answer"].bool()
        predicting = targets.roll(-1, dims=1)
        return self.vlm.lm_head(hidden[predicting]).float(), batch["tokens"][targets]


def answer_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of the answers' tokens."""
    return F.cross_entropy(logits, targets)


def right_answers(logits: Tensor, targets: Tensor, batch: dict[str, Tensor]) -> dict[tuple[str, int], tuple[int, int]]:
    """(right, asked) by type and language index: an answer is right if every token is the most likely one.

    This is what greedy generation would answer, found in one pass: up to the first wrong token the two see the same text.
    """
    marked = batch["answer"].bool()
    rows = torch.arange(marked.shape[0])[:, None].expand_as(marked)[marked]
    segments = batch["segments"][marked] - 1
    wrong = torch.zeros_like(batch["types"])
    wrong.index_put_((rows, segments), (logits.argmax(-1) != targets).long(), accumulate=True)
    scores: dict[tuple[str, int], tuple[int, int]] = {}
    for cell in batch["types"][batch["types"] >= 0].unique().tolist():
        here = batch["types"] == cell
        scores[TYPES[cell // 2], cell % 2] = (int((wrong[here] == 0).sum()), int(here.sum()))
    return scores
