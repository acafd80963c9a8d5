"""Which weights become zeros, against torch's own pruning."""

from collections.abc import Collection, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.ao.pruning.sparsifier.weight_norm_sparsifier import WeightNormSparsifier
from torch.nn.utils import prune

from qdash.engine.pruning import masks
from qdash.engine.pruning.masks import Mask, TwoOfFourMask, row_mask, small_masks
from qdash.engine.pruning.weights import Weights


def zeroed(weight: Tensor, mask: Mask, at_once: int = 5) -> Tensor:
    """The weight with the mask's zeros, some rows at a time."""
    found = weight.clone()
    for start in range(0, len(found), at_once):
        mask.zero_(found[start : start + at_once], start)
    return found


def weights_of(tensors: dict[str, Tensor], reads: list[str] | None = None) -> Weights:
    def read(names: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        for name in sorted(names, reverse=True):  # in another order than they are asked for
            if reads is not None:
                reads.append(name)
            yield name, tensors[name]

    return read


@pytest.fixture(autouse=True)
def in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "AT_ONCE", 100)


@pytest.mark.parametrize("percent", [1, 30, 50, 85, 99])
def test_rows_are_those_of_ln_structured(percent: int) -> None:
    layer: Any = nn.Linear(33, 50)
    expected: Any = prune.ln_structured(layer, "weight", amount=percent / 100, n=1, dim=0)
    found = zeroed(layer.weight_orig.detach(), row_mask(layer.weight_orig.detach(), percent))
    assert torch.equal(found, expected.weight)


@pytest.mark.parametrize("percent", [1, 37, 50, 99])
def test_the_smallest_weights_are_those_of_global_unstructured(percent: int) -> None:
    modules: dict[str, Any] = {name: nn.Linear(24, rows) for name, rows in (("b", 13), ("a", 40), ("c", 7))}
    tensors = {name: layer.weight.detach().clone() * (2.0 if name == "a" else 1.0) for name, layer in modules.items()}
    for name, layer in modules.items():
        layer.weight.data = tensors[name].clone()
    number = sum(tensor.numel() for tensor in tensors.values()) * percent // 100
    prune.global_unstructured([(layer, "weight") for layer in modules.values()], prune.L1Unstructured, amount=number)
    found = small_masks(weights_of(tensors), list(tensors), percent)
    for name, layer in modules.items():
        assert torch.equal(zeroed(tensors[name], found[name]), layer.weight)


def test_two_of_four_are_those_of_torchs_sparsifier() -> None:
    model: Any = nn.Sequential(nn.Linear(48, 20))
    weight = model[0].weight.detach().clone()
    sparsifier = WeightNormSparsifier(sparsity_level=1.0, sparse_block_shape=(1, 4), zeros_per_block=2)
    sparsifier.prepare(model, [{"tensor_fqn": "0.weight"}])
    sparsifier.step()
    sparsifier.squash_mask()
    assert torch.equal(zeroed(weight, TwoOfFourMask()), model[0].weight)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("percent", [1, 23, 50, 99])
def test_the_number_is_exact_where_many_are_equal_and_the_first_go(dtype: torch.dtype, percent: int) -> None:
    generator = torch.Generator().manual_seed(percent)
    tensors = {name: torch.randint(-3, 4, (17, 19), generator=generator).add(0.5).to(dtype) for name in ("x", "y", "z")}
    found = small_masks(weights_of(tensors), list(tensors), percent)
    flat = torch.cat([zeroed(tensor, found[name]).flatten() for name, tensor in tensors.items()])
    assert int((flat == 0).sum()) == len(flat) * percent // 100
    before = torch.cat([tensor.flatten() for tensor in tensors.values()])
    expected = before.clone()
    expected[torch.sort(before.abs(), stable=True).indices[: len(flat) * percent // 100]] = 0
    assert torch.equal(flat, expected)


def test_equal_rows_and_fours_lose_the_first() -> None:
    assert zeroed(torch.ones(10, 4), row_mask(torch.ones(10, 4), 30)).sum(1).tolist() == [0] * 3 + [4] * 7
    assert zeroed(torch.ones(1, 8), TwoOfFourMask()).tolist() == [[0, 0, 1, 1, 0, 0, 1, 1]]


def test_zeros_that_were_there_count_and_nan_stays() -> None:
    tensor = torch.tensor([[0.0, -0.0, 1.0, torch.nan], [3.0, -2.0, torch.inf, 4.0]])
    found = zeroed(tensor, small_masks(weights_of({"w": tensor}), ["w"], 50)["w"])
    assert found.nan_to_num(nan=9, posinf=8).tolist() == [[0, 0, 0, 9], [3, 0, 8, 4]]
    assert zeroed(tensor, row_mask(tensor, 50))[0].nan_to_num(nan=9).tolist() == [0, 0, 1, 9]


def test_weights_are_read_a_few_times_and_never_all_at_once() -> None:
    reads: list[str] = []
    small_masks(weights_of({name: torch.randn(9, 9) for name in "abcde"}, reads), list("abcde"), 40)
    assert len(reads) <= 3 * 5 + 1


def test_five_equal_steps_that_count_earlier_zeros_end_where_the_first_did() -> None:
    """As docs/pruning.md says of a notebook that aims at 80%."""
    layer: Any = nn.Linear(50, 40)
    for _ in range(5):
        prune.global_unstructured([(layer, "weight")], prune.L1Unstructured, amount=0.8 / 5)
        prune.remove(layer, "weight")
    assert float((layer.weight == 0).float().mean()) == pytest.approx(0.16)
