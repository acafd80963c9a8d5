"""How much of a model was quantized, and what was left, in words."""

from qdash.present.coverage import covered, covered_briefly, covered_by_part, left_alone, left_unusual, left_words
from qdash.records import Coverage, PartCoverage, Skip

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
