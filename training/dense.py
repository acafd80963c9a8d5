"""Dense supervision: what every patch of a picture should know, and the throw-away heads that ask it.

Learning to see from answers alone is hopelessly slow: one bit of "yes" says nothing about where to look. So while it
trains, each patch must also name the thing that covers it, its colour, its place and its rank from the left and the top, whether a centre
lies in the patch, how many things there are, and the background. The heads are dropped when the model is exported.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qdash.tasks.generators.phrases import groups
from qdash.tasks.generators.questions import place_of
from qdash.tasks.generators.vocabulary import COLOUR_INDEX, COLOURS, KIND_INDEX, KINDS, PLACES
from qdash.tasks.generators.world import Scene
from training.architecture import GRID, IMAGE_TOKENS

IGNORE = -100

CLASS_HEADS: dict[str, int] = {
    "kind": len(KINDS) + 1,
    "colour": len(COLOURS) + 1,
    "centre": 2,
    "rank": 4,
    "place": len(PLACES),
    "background": len(COLOURS),
    "count": 5,
    "same": 5,
    "rank_down": 4,
}
"""Classification targets of a patch and their number of classes.

"rank" counts from the left, "rank_down" from the top (without it, above and below stay a coin toss for the decoder); "same"
is how many like it the picture holds.
"""

MIN_GAP_Y = 0.04
"""Objects whose centres differ by less of the height have no order from the top."""

POSITION_WEIGHT = 2.0


def dense_targets(scene: Scene) -> dict[str, np.ndarray]:
    """Per-patch targets, row by row: an int64 array of `IMAGE_TOKENS` a head, and float "position" of shape (…, 2).

    Objects cover patches by their boxes, a little shrunk; the patch that holds a centre always counts as covered.
    """
    long_side = max(scene.width, scene.height)
    left, top = (long_side - scene.width) / 2, (long_side - scene.height) / 2
    targets: dict[str, np.ndarray] = {name: np.full((GRID, GRID), IGNORE, np.int64) for name in CLASS_HEADS}
    for name in ("kind", "colour", "centre"):
        targets[name][:] = 0
    targets["background"][:] = COLOUR_INDEX[scene.background.en]
    targets["count"][:] = len(scene.objects)
    position = np.zeros((GRID, GRID, 2), np.float32)
    middle = (np.arange(GRID) + 0.5) * long_side / GRID
    same = {(kind.en, colour): count for kind, colour, count in groups(scene)}
    for rank, item in enumerate(scene.objects):
        gaps = [item.cy - other.cy for other in scene.objects if other is not item]
        x, y = item.cx * scene.width + left, item.cy * scene.height + top
        reach = item.size * scene.short_side / 2 * 0.9
        covered = (np.abs(middle - y) < reach)[:, None] & (np.abs(middle - x) < reach)[None, :]
        column, row = int(x / long_side * GRID), int(y / long_side * GRID)
        covered[row, column] = True
        place = place_of(item)
        targets["kind"][covered] = 1 + KIND_INDEX[item.kind.en]
        targets["colour"][covered] = 1 + COLOUR_INDEX[item.colour.en] if item.colour else 0
        targets["centre"][row, column] = 1
        targets["rank"][covered] = rank
        if all(abs(gap) >= MIN_GAP_Y for gap in gaps):
            targets["rank_down"][covered] = sum(gap > 0 for gap in gaps)
        targets["place"][covered] = PLACES.index(place) if place else IGNORE
        targets["same"][covered] = same[item.kind.en, item.colour]
        position[covered] = (item.cx, item.cy)
    flat: dict[str, np.ndarray] = {name: value.reshape(IMAGE_TOKENS) for name, value in targets.items()}
    flat["position"] = position.reshape(IMAGE_TOKENS, 2)
    return flat


class DenseHeads(nn.Module):
    """One linear map from a patch's features to all heads' logits and its object's centre."""

    def __init__(self, width: int) -> None:
        """Heads for features of `width`."""
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, sum(CLASS_HEADS.values()) + 2)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Logits by head, each (batch, patches, classes), and "position" (batch, patches, 2)."""
        parts = self.out(self.norm(features)).float().split([*CLASS_HEADS.values(), 2], dim=-1)
        return dict(zip([*CLASS_HEADS, "position"], parts, strict=True))


def dense_loss(predicted: dict[str, Tensor], targets: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """The summed loss of all heads and, for the log, the accuracy of each on the patches it applies to.

    Background patches dominate "kind" and "colour", so each of these averages covered and bare patches separately.
    """
    total = torch.zeros(())
    accuracy: dict[str, float] = {}
    covered = targets["kind"] > 0
    for name in CLASS_HEADS:
        logits, target = predicted[name], targets[name]
        losses = F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none", ignore_index=IGNORE)
        losses = losses.view_as(target)
        valid = target != IGNORE
        if name in {"kind", "colour"}:
            total = total + losses[covered].mean() + 0.5 * losses[~covered].mean()
            valid = covered
        elif name == "centre":
            total = total + 4 * losses.mean()
        else:
            total = total + 0.5 * losses[valid].mean()
        accuracy[name] = (logits.argmax(-1) == target)[valid].float().mean().item()
    miss = (predicted["position"] - targets["position"])[covered].abs()
    accuracy["position_error"] = miss.mean().item()
    return total + POSITION_WEIGHT * miss.mean(), accuracy
