"""bfloat16 weights for arithmetic, float32 copies for learning, an average for shipping.

A processor with AMX multiplies bfloat16 ten times faster than float32, but an update of a thousandth of a weight would round to
nothing in 8 bits of mantissa. So gradients are added to float32 masters, which are copied back each step. Hidden
matrices are updated by Muon (orthogonalised momentum), everything else by AdamW.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class MasterOptimizer:
    """Muon and AdamW on float32 masters of a bfloat16 module, with an exponential moving average."""

    def __init__(self, module: nn.Module, peak_lr: float, vision_scale: float = 1.0, average: float = 0.998) -> None:
        """`vision_scale` multiplies the learning rate of the vision tower and heads."""
        self.peak_lr = peak_lr
        self.average = average
        self.steps = 0
        self.names = [name for name, _ in module.named_parameters()]
        self.weights = [parameter for _, parameter in module.named_parameters()]
        self.masters = [parameter.detach().float().clone().requires_grad_() for parameter in self.weights]
        self.averaged = [master.detach().clone() for master in self.masters]
        groups: dict[tuple[bool, float], list[Tensor]] = {}
        for name, master in zip(self.names, self.masters, strict=True):
            scale = vision_scale if "vision_tower" in name or name.startswith("heads") else 1.0
            groups.setdefault((_is_hidden_matrix(name, master), scale), []).append(master)
        muon = [_group(members, scale) for (hidden, scale), members in groups.items() if hidden]
        adam = [_group(members, scale) for (hidden, scale), members in groups.items() if not hidden]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(muon, lr=peak_lr, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(adam, lr=peak_lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
        ]

    @torch.no_grad()
    def step(self, progress: float) -> float:
        """Applies the module's gradients at `progress` (0–1) of the schedule; returns the gradient's norm."""
        for master, weight in zip(self.masters, self.weights, strict=True):
            master.grad = None if weight.grad is None else weight.grad.float()
            weight.grad = None
        norm = float(torch.nn.utils.clip_grad_norm_(self.masters, 1.0))
        factor = schedule(progress, self.steps)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.peak_lr * factor * group["scale"]
            optimizer.step()
        self.steps += 1
        copy_weights(self.weights, self.masters)
        decay = min(self.average, (1 + self.steps) / (10 + self.steps))
        for averaged, master in zip(self.averaged, self.masters, strict=True):
            averaged.lerp_(master, 1 - decay)
        return norm

    def averaged_state(self) -> dict[str, Tensor]:
        """The averaged float32 weights by name."""
        return dict(zip(self.names, self.averaged, strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs."""
        return {
            "steps": self.steps,
            "masters": dict(zip(self.names, (m.detach() for m in self.masters), strict=True)),
            "averaged": self.averaged_state(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }

    @torch.no_grad()
    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Starts from given float32 weights by name, with fresh optimizer states."""
        for name, master, averaged in zip(self.names, self.masters, self.averaged, strict=True):
            master.copy_(weights[name])
            averaged.copy_(weights[name])
        copy_weights(self.weights, self.masters)

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores `state_dict` and copies the masters into the module."""
        self.steps = state["steps"]
        for name, master, averaged in zip(self.names, self.masters, self.averaged, strict=True):
            master.copy_(state["masters"][name])
            averaged.copy_(state["averaged"][name])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        copy_weights(self.weights, self.masters)


@torch.no_grad()
def copy_weights(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    """Copies tensors one by one, rounding to each target's type."""
    for target, source in zip(targets, sources, strict=True):
        target.copy_(source)


def schedule(progress: float, step: int, warmup_steps: int = 100) -> float:
    """Warm-up by steps, then a cosine from 1 to 0.01 over the time budget."""
    cosine = 0.01 + 0.99 * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
    return cosine * min(1.0, (step + 1) / warmup_steps)


def _is_hidden_matrix(name: str, weight: Tensor) -> bool:
    return weight.ndim == 2 and "embed" not in name and not name.startswith("heads")


def _group(members: list[Tensor], scale: float) -> dict[str, Any]:
    return {"params": members, "scale": scale}
