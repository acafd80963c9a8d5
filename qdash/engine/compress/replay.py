"""Not computing again what comes before a changed layer: the blocks of a model that ran earlier give what they gave before.

A block is an entry of one of the model's lists of modules. Whether a model is made so that this is right cannot be told from outside, so it
is tried: with half of its blocks replayed it must give the logits that it gave. If it does not, every pass is computed whole.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

MOST_BYTES = 512 * 2**20
"""What all kept outputs may take."""


@dataclass
class Outputs:
    """What each block gave in one pass, and how many blocks were over when each layer was first called."""

    given: list[tuple[nn.Module, Any]] = field(default_factory=list)
    over: dict[str, int] = field(default_factory=dict)
    usable: bool = True

    @property
    def bytes(self) -> int:
        """What the outputs take."""
        return sum(tensor.nbytes for _, output in self.given for tensor in _tensors(output))

    @contextmanager
    def replayed_before(self, name: str) -> Iterator[None]:
        """Within this, the blocks that were over when the layer at `name` was called are not computed."""
        with _answering(self.given[: self.over.get(name, 0)] if self.usable else ()):
            yield

    @contextmanager
    def half_replayed(self) -> Iterator[None]:
        """Within this, the first half of all blocks are not computed."""
        with _answering(self.given[: len(self.given) // 2]):
            yield


def recorded(model: nn.Module, names: Collection[str], run: Callable[[], object]) -> Outputs:
    """`run` one pass of `model`, and keep what its blocks give before each of the layers at `names`."""
    outputs = Outputs()
    calls: dict[nn.Module, int] = {}

    def begin(name: str, layer: nn.Module, inputs: object) -> None:
        outputs.over.setdefault(name, len(outputs.given))

    def keep(block: nn.Module, inputs: object, output: Any) -> None:
        calls[block] = calls.get(block, 0) + 1
        outputs.usable = outputs.usable and calls[block] == 1 and _copied(output) is not None
        outputs.given.append((block, _copied(output)))

    hooks = [model.get_submodule(name).register_forward_pre_hook(partial(begin, name)) for name in names]
    hooks += [block.register_forward_hook(keep) for block in _blocks(model)]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return outputs


def _blocks(model: nn.Module) -> list[nn.Module]:
    """The entries of the outermost lists of modules."""
    found: dict[str, nn.Module] = {}
    for path, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and not any(path.startswith(f"{block}.") for block in found):
            found |= {f"{path}.{name}": block for name, block in module.named_children()}
    return list(found.values())


@contextmanager
def _answering(known: Collection[tuple[nn.Module, Any]]) -> Iterator[None]:
    """While this lasts, each of these modules gives its known output, whatever it is asked."""
    for block, output in known:
        block.forward = lambda *_, output=output, **__: _copied(output)
    try:
        yield
    finally:
        for block, _ in known:
            del block.forward


def _copied(output: Any) -> Any:
    """The output as the next block may change it; None for what is neither a tensor nor a tuple of tensors."""
    if isinstance(output, Tensor):
        return output.detach().clone()
    if isinstance(output, tuple) and all(part is None or isinstance(part, Tensor) for part in output):
        return tuple(None if part is None else torch.clone(part.detach()) for part in output)
    return None


def _tensors(output: Any) -> Iterator[Tensor]:
    yield from (part for part in (output if isinstance(output, tuple) else (output,)) if isinstance(part, Tensor))
