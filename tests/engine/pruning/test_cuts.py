"""Neurons and heads that were cut out: the model computes what it would with them masked, and is smaller."""

import json
from copy import deepcopy
from typing import Any

import pytest
import torch
import transformers as hf
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from qdash.catalog.cutting import heads_kept, neurons_kept
from qdash.catalog.schemes import find_scheme
from qdash.engine import layers
from qdash.engine.pruning.blocks import Attention, find_blocks
from qdash.engine.pruning.cuts import cut, cuts_of, share_keys, tell_sizes, unlike_its_configuration
from qdash.engine.pruning.weights import weights_of_model
from qdash.engine.schemes import row_dequantizer_of
from qdash.engine.stored import stored_layers
from qdash.engine.worker import Worker
from qdash.records import Question
from tests.engine.conftest import ignore, linear_skips, never, spec_of
from tests.support.checkpoints import configured
from tests.support.held import model_of

SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 2,
}
ATTENTION = {"num_attention_heads": 4, "num_key_value_heads": 2}
# What is particular: biases, grouped heads, fused halves, layers stored the other way round, blocks that lie in the decoder layer.
CONFIGS = {
    "llama": configured(hf.LlamaConfig, **SIZES, **ATTENTION, intermediate_size=48, attention_bias=True, mlp_bias=True),
    "llama-many": configured(
        hf.LlamaConfig, **SIZES | {"hidden_size": 48}, num_attention_heads=6, num_key_value_heads=2, intermediate_size=50
    ),
    "phi": configured(hf.PhiConfig, **SIZES, num_attention_heads=4, intermediate_size=48),
    "phi3": configured(hf.Phi3Config, **SIZES, **ATTENTION, intermediate_size=48),
    "gpt2": configured(hf.GPT2Config, vocab_size=60, n_embd=32, n_layer=2, n_head=4, bos_token_id=2, eos_token_id=1),
    "opt": configured(hf.OPTConfig, **SIZES, ffn_dim=48, num_attention_heads=4, word_embed_proj_dim=32),
    "bloom": configured(hf.BloomConfig, vocab_size=60, hidden_size=32, n_layer=2, n_head=4),
}
TOKENS = torch.tensor([[5, 9, 33, 2, 41, 17]])


def model_with(name: str) -> Any:
    torch.manual_seed(0)
    model: Any = hf.AutoModelForCausalLM.from_config(deepcopy(CONFIGS[name])).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model


def cut_and_masked(name: str, what: str, percent: int) -> tuple[Any, Any, int]:
    """A model that was cut, one whose weights of the same units are zero, and how many layers differ."""
    smaller, masked = model_with(name), model_with(name)
    blocks, changed = find_blocks(smaller).of(what), 0
    for block in blocks:
        cuts = cuts_of(block, weights_of_model(smaller), percent)
        for path, stays in cuts.items():
            with torch.no_grad():
                layer = masked.get_submodule(path)
                stays.zero_(layers.rows(layer), 0)
                if stays.rows is not None and layer.bias is not None:
                    kept = torch.zeros(len(layer.bias), dtype=torch.bool)
                    kept[stays.rows] = True
                    layer.bias[~kept] = 0
            cut(smaller, path, stays)
            changed += 1
        if isinstance(block, Attention):
            share_keys(smaller, block, percent)
    tell_sizes(smaller, blocks, percent)
    return smaller, masked, changed


def places(kept: Tensor | None) -> list[int] | None:
    """What stays, as numbers."""
    return None if kept is None else kept.tolist()


@pytest.mark.parametrize(
    ("name", "what", "percent", "per_block"),
    [
        ("llama", "neurons", 30, 3), ("phi", "neurons", 50, 2), ("phi3", "neurons", 30, 2), ("gpt2", "neurons", 70, 2),
        ("opt", "neurons", 30, 2), ("bloom", "neurons", 25, 2), ("llama-many", "neurons", 33, 3),
        ("llama", "heads", 50, 4), ("phi", "heads", 25, 4), ("llama-many", "heads", 30, 2),
    ],
)  # fmt: skip
@torch.no_grad()
def test_a_model_that_was_cut_computes_what_the_masked_one_does(name: str, what: str, percent: int, per_block: int) -> None:
    smaller, masked, changed = cut_and_masked(name, what, percent)
    assert changed == 2 * per_block
    torch.testing.assert_close(smaller(TOKENS).logits, masked(TOKENS).logits, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(masked(TOKENS).logits, model_with(name)(TOKENS).logits, atol=1e-3)
    assert smaller.num_parameters() < masked.num_parameters()


@torch.no_grad()
def test_generating_with_fewer_heads_keeps_fewer_keys() -> None:
    smaller, masked, _ = cut_and_masked("llama", "heads", 50)
    options: dict[str, Any] = {"max_new_tokens": 8, "do_sample": False, "return_dict_in_generate": True}
    short, long = smaller.generate(TOKENS, **options), masked.generate(TOKENS, **options)
    assert torch.equal(short.sequences, long.sequences)
    assert [cache.past_key_values.layers[0].keys.shape[1] for cache in (short, long)] == [1, 2]


def test_the_neurons_that_go_have_the_smallest_products_of_norms() -> None:
    model = model_with("llama")
    block = find_blocks(model).mlps[0]
    mlp = model.model.layers[0].mlp
    products = mlp.gate_proj.weight.norm(dim=1) * mlp.up_proj.weight.norm(dim=1) * mlp.down_proj.weight.norm(dim=0)
    cuts = cuts_of(block, weights_of_model(model), 30)
    assert places(cuts[block.out].columns) == sorted(products.argsort(descending=True)[: neurons_kept(48, 30)].tolist())


def test_the_heads_that_go_write_least() -> None:
    model = model_with("llama")
    block, own = find_blocks(model).attentions[0], model.model.layers[0].self_attn
    values, out = own.v_proj.weight.view(2, 8, 32), own.o_proj.weight.view(32, 4, 8)
    values, out = values.detach(), out.detach()
    written = [float((out[:, head] @ values[head // 2]).norm() ** 2) for head in range(4)]
    stays = 0 if written[0] + written[1] > written[2] + written[3] else 1
    cuts = cuts_of(block, weights_of_model(model), 50)
    assert places(cuts[block.keys].rows) == list(range(8 * stays, 8 * stays + 8))
    assert places(cuts[block.queries].rows) == list(range(16 * stays, 16 * stays + 16))
    # Without whole groups: the lesser head of each.
    many = model_with("llama-many")
    block = find_blocks(many).attentions[0]
    assert heads_kept(6, 2, 30) == (2, 2) and cuts_of(block, weights_of_model(many), 30).keys() == {block.queries, block.out}


@pytest.mark.parametrize("seed", range(3))
def test_scaling_a_neuron_up_and_down_again_changes_nothing(seed: int) -> None:
    model = model_with("llama")
    block = find_blocks(model).mlps[0]
    before = places(cuts_of(block, weights_of_model(model), 50)[block.out].columns)
    factors = torch.rand(48, generator=torch.Generator().manual_seed(seed)) * 9 + 0.1
    mlp = model.model.layers[0].mlp
    with torch.no_grad():
        mlp.up_proj.weight *= factors[:, None]
        mlp.down_proj.weight /= factors
    assert places(cuts_of(block, weights_of_model(model), 50)[block.out].columns) == before


def test_numbers_that_stay() -> None:
    assert [neurons_kept(*asked) for asked in ((512, 30), (4864, 30), (100, 30), (16, 90), (8, 99))] == [360, 3408, 70, 8, 8]
    asked = [(4, 2, 25), (3, 3, 25), (9, 3, 25), (14, 2, 25), (32, 8, 25), (32, 32, 25), (8, 1, 25), (1, 1, 50), (12, 12, 99)]
    assert [heads_kept(*one) for one in asked] == [(1, 2), (2, 1), (2, 3), (2, 5), (6, 4), (24, 1), (1, 6), (1, 1), (1, 1)]


class Normed(nn.Module):
    """An MLP with a norm over its neurons, which would have to be cut too."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.norm = nn.Linear(8, 20), nn.Linear(20, 8), nn.LayerNorm(20)


def test_what_is_not_understood_is_left_with_the_reason() -> None:
    model = model_with("opt")
    model.model.decoder.layers[1].mlp = Normed()
    reasons = find_blocks(model).misunderstood
    assert reasons["model.decoder.layers.1.mlp.fc1"] == "another tensor of its block has the same size (norm.weight)"
    assert reasons["model.decoder.layers.0.self_attn.q_proj"] == "OPTAttention counts on its original size (num_heads)"
    assert set(find_blocks(model_with("gpt2")).misunderstood.values()) == {
        "how the layers of its attention block work together is not known here"
    }
    sinks = configured(
        hf.GptOssConfig, **SIZES, num_attention_heads=8, num_key_value_heads=2, head_dim=8, intermediate_size=16, num_local_experts=2
    )
    with torch.device("meta"):
        assert not find_blocks(hf.AutoModelForCausalLM.from_config(sinks)).attentions, "each head has a number of its own beside"


@pytest.mark.parametrize("scheme", ["prune-neurons-30", "prune-heads-50", "mlp=prune-neurons-50,attention=prune-rows-20"])
@pytest.mark.parametrize("architecture", ["qwen3", "llava", "bloom"])
def test_the_checkpoint_tells_which_are_cut_and_what_is_left_is_smaller(worker, checkpoint, architecture, scheme):
    subject, original = worker(architecture, scheme), worker(architecture, "original")
    model, loaded = model_of(subject), subject.load(emit=ignore, stop=never)
    pruned = layers.quantized_layers(model)
    with stored_layers(checkpoint(architecture), model_of(original), layers.convertible_layers(model_of(original))) as found:
        for layer in found:
            weight = layer.read()
            restore = row_dequantizer_of(find_scheme(scheme), subject.spec, layer.module, weight)
            assert (restore is not None) == (layer.module in pruned), layer.module
            if restore is not None:
                held = layers.rows(model.get_submodule(layer.module)).detach()
                pieces = torch.cat([restore(weight[start : start + 32], start) for start in range(0, len(weight), 32)])
                assert torch.equal(without_zeros(pieces, held.shape), held)
    if pruned:
        counted = loaded.coverage.pruned
        assert counted.weights == original.load(emit=ignore, stop=never).coverage.parameters
        assert counted.dense_bytes == original.load(emit=ignore, stop=never).weights_bytes
        assert counted.left_bytes == loaded.weights_bytes == counted.dense_bytes - 4 * counted.removed
        assert counted.removed == counted.weights - sum(parameter.numel() for parameter in model.parameters())
        assert (counted.sparse_bytes is None) == ("rows" not in scheme) and loaded.coverage.pruned_alone
    else:
        assert (architecture, scheme) == ("bloom", "prune-heads-50") and loaded.coverage.quantized == 0


def without_zeros(weight: Tensor, shape: torch.Size) -> Tensor:
    """The weight without rows and columns of zeros, where there are fewer left."""
    if len(weight) > shape[0]:
        weight = weight[weight.abs().sum(1) > 0]
    return weight[:, weight.abs().sum(0) > 0] if weight.shape[1] > shape[1] else weight


def test_layers_in_no_such_block_are_named(worker):
    skips = linear_skips(worker("bloom", "prune-heads-50").load(emit=ignore, stop=never).coverage)
    assert (
        skips["transformer.h.0.self_attention.query_key_value"] == "how the layers of its attention block work together is not known here"
    )
    assert skips["transformer.h.0.mlp.dense_h_to_4h"] == "it is in no attention block"
    skips = linear_skips(worker("qwen3", "*.up_proj=prune-neurons-50,attention=bnb-int8").load(emit=ignore, stop=never).coverage)
    assert skips["model.layers.0.mlp.up_proj"] == "other layers of its block are left as they are, or have another scheme"
    skips = linear_skips(worker("qwen3", "prune-heads-20").load(emit=ignore, stop=never).coverage)
    assert skips["model.layers.0.self_attn.q_proj"] == "20% of 4 heads, which share keys and values in 2 groups, is nearest to none"


@pytest.mark.parametrize(
    ("architecture", "scheme", "sizes"),
    [
        ("qwen3", "prune-neurons-30", {"intermediate_size": 88}), ("qwen3", "prune-heads-50", {"num_attention_heads": 2, "head_dim": 32}),
        ("llava", "prune-neurons-30", {"intermediate_size": 88}),
    ],
)  # fmt: skip
def test_what_was_cut_is_saved_and_loads_again(checkpoint, tmp_path, png, architecture, scheme, sizes):
    subject = Worker(spec_of(checkpoint(architecture), scheme))
    assert subject.saving_problem(emit=ignore, stop=never) is None
    subject.save(str(tmp_path), 10**12, emit=ignore, stop=never)
    config = json.loads((tmp_path / "config.json").read_text())
    assert sizes.items() <= config.get("text_config", config).items()
    question = Question(prompt="Say something.", png=png if architecture == "llava" else None)
    expected = subject.logits(question, "The quick brown fox.", emit=ignore, stop=never)
    assert Worker(spec_of(tmp_path, "original")).compare_logits(question, "The quick brown fox.", expected, emit=ignore, stop=never).equal


@pytest.mark.parametrize(
    ("architecture", "scheme", "why"),
    [("bloom", "prune-neurons-30", "no place for the size of"), ("llava", "prune-heads-50", "no place for the size of")],
)
def test_what_no_configuration_can_say_is_not_saved_and_says_so_before(checkpoint, architecture, scheme, why):
    assert why in (Worker(spec_of(checkpoint(architecture), scheme)).saving_problem(emit=ignore, stop=never) or "")


def test_a_configuration_that_refuses_its_sizes_says_why() -> None:
    model = model_with("llama")
    assert unlike_its_configuration(model) is None
    model.config.num_attention_heads = 3
    assert "not a multiple of the number of attention heads" in (unlike_its_configuration(model) or "")


@pytest.mark.parametrize("scheme", ["prune-neurons-30", "prune-heads-50"])
def test_the_printed_python_cuts_the_same(worker, scheme):
    subject = worker("qwen3", scheme)
    namespace: dict = {}
    exec(subject.load(emit=ignore, stop=never).snippet, namespace)  # noqa: S102
    expected = model_of(subject).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in namespace["model"].state_dict().items())


def test_layers_that_are_stored_the_other_way_round_say_their_new_sizes() -> None:
    smaller, _, _ = cut_and_masked("gpt2", "neurons", 70)
    first = smaller.transformer.h[0].mlp.c_fc
    assert isinstance(first, Conv1D) and layers.shape(first) == (first.weight.shape[1], 32) == (40, 32)
    assert smaller.config.n_inner == 40 and unlike_its_configuration(smaller) is None
