"""How much of a model was quantized, and what was left, in words."""

from qdash.present.coverage import (
    cache_briefly,
    cache_words,
    covered,
    covered_briefly,
    covered_by_part,
    left_alone,
    left_unusual,
    left_words,
    pruned_words,
)
from qdash.records import CacheCoverage, Coverage, PartCoverage, Pruned, PrunedLayer, PrunedPart, Skip

EXPERTS = "fused experts: “INT8” quantizes linear layers only"
MIXTURE = Coverage(
    quantized=8, total=9, quantized_parameters=170, parameters=1000,
    skipped=(
        Skip(name="lm_head", reason="output head: kept", parameters=60),
        Skip(name="model.embed_tokens", reason="embedding: looked up", parameters=60),
        Skip(name="model.layers.0.mlp.experts.down_proj", reason=EXPERTS, parameters=350),
        Skip(name="model.layers.1.mlp.experts.down_proj", reason=EXPERTS, parameters=350),
        Skip(name="model.layers.0.mlp.gate", reason="Router's own weights: why", parameters=2),
    ),
    parts=(PartCoverage(part="language", quantized=8, total=8, quantized_parameters=170, parameters=940),),
)  # fmt: skip


def test_weights_come_before_layers() -> None:
    assert covered(MIXTURE) == "17% of the weights, 8 of 9 linear layers"
    assert covered_briefly(MIXTURE) == "17%"
    assert covered_by_part(MIXTURE) == "language 18%"


def test_records_of_earlier_versions_show_layers() -> None:
    earlier = Coverage(quantized=8, total=9, parts=(PartCoverage(part="language", quantized=8, total=8),), skipped=MIXTURE.skipped[:1])
    assert covered(earlier) == "8 of 9 layers"
    assert covered_briefly(earlier) == "8 of 9"
    assert covered_by_part(earlier) == "language 8 of 8"
    assert left_words(earlier) is None and not left_unusual(earlier)


def test_the_kv_cache_is_told_beside_the_weights() -> None:
    cache = CacheCoverage(bits=4, group_size=64, float_tokens=128, backend=None, token_bytes=960, float_token_bytes=6144)
    alone = Coverage(quantized=0, total=9, quantized_parameters=0, parameters=1000, cache=cache)
    assert (covered(alone), covered_briefly(alone)) == ("no weights, the KV cache alone", "KV cache")
    assert covered_briefly(MIXTURE.model_copy(update={"cache": cache})) == "17%"
    assert cache_briefly(cache) == "4 bits · 960 B a token"
    assert cache_words(cache) == (
        "KV cache: 4 bits in groups of 64, simulated; stored so, a token would take 960 B (6,144 B as floats). "
        "Up to 128 of the newest tokens stay floats."
    )
    real = cache_words(cache.model_copy(update={"backend": "quanto"}))
    assert "by quanto; a token takes 960 B" in real and "simulated" not in real


def test_nothing_and_all_are_only_what_they_are() -> None:
    shares = {0: "0%", 1: "under 1%", 9_960: "over 99%", 10_000: "100%", 5_000: "50%"}
    for done, words in shares.items():
        assert covered_briefly(Coverage(quantized=1, total=1, quantized_parameters=done, parameters=10_000)) == words


def test_what_is_alike_is_one_line_largest_first() -> None:
    first, *rest = left_alone(MIXTURE)
    assert (first.names, first.count, first.parameters) == ("model.layers.*.mlp.experts.down_proj", 2, 700)
    assert [left.names for left in rest] == ["lm_head", "model.embed_tokens", "model.layers.0.mlp.gate"]


def test_reasons_follow_shares() -> None:
    expected = "fused experts 70% (“INT8” quantizes linear layers only); output head 6% (kept); embedding 6% (looked up)"
    assert left_words(MIXTURE) == expected


def test_embedding_and_head_are_nothing_unusual() -> None:
    usual = MIXTURE.model_copy(update={"skipped": MIXTURE.skipped[:2], "quantized_parameters": 880})
    assert left_unusual(MIXTURE) and not left_unusual(usual)
    assert left_unusual(usual.model_copy(update={"quantized_parameters": 0}))


def pruned(zero: int, removed: int, sparse_bytes: int | None) -> Coverage:
    """One layer of 800 weights was pruned, in a model of 1000."""
    shares = {"zero": zero, "removed": removed}
    found = Pruned(
        weights=1000, **shares, dense_bytes=4 * 2**20, left_bytes=(4 - removed // 250) * 2**20, sparse_bytes=sparse_bytes,
        parts=(PrunedPart(part="language", weights=1000, **shares),), layers=(PrunedLayer(name="a", weights=800, **shares),),
    )  # fmt: skip
    return Coverage(quantized=1, total=3, quantized_parameters=800 - removed, parameters=1000 - removed, pruned=found)


def test_what_was_pruned_is_not_called_quantized_and_sizes_are_told_apart() -> None:
    masked = pruned(250, 0, 3 * 2**20)
    assert masked.pruned is not None and masked.pruned_alone
    assert covered(masked) == "25% of the weights pruned, in 1 of 3 linear layers"
    assert (covered_briefly(masked), covered_by_part(masked)) == ("25% pruned", "language 25%")
    told = pruned_words(masked.pruned)
    assert "With every zero stored, as here, the model takes 4.0 MiB" in told and "it would take 3.0 MiB" in told
    cut = pruned(0, 250, None).pruned
    assert cut is not None and pruned_words(cut) == "25% of 1,000 weights were cut out (language 25%): of 4.0 MiB, 3.0 MiB are left."
    both = pruned(100, 250, 2 * 2**20).pruned
    assert both is not None and "35%" in pruned_words(both) and "takes 3.0 MiB, not 4.0 MiB" in pruned_words(both)


def test_a_mix_of_pruned_and_quantized_layers_is_called_quantized() -> None:
    mixed = pruned(250, 0, 3 * 2**20).model_copy(update={"quantized": 2})
    assert not mixed.pruned_alone and covered(mixed) == "80% of the weights, 2 of 3 linear layers"
