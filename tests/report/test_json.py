"""The JSON documents: their order, that nothing is lost, and that they are what docs/json.md says."""

import json
import math
import re
from pathlib import Path

from qdash.records import Comparison, WeightReport
from qdash.report import to_json, weights_to_json
from tests.report.examples import COMPARISON, WEIGHTS

DOCUMENT = Path(__file__).parents[2] / "docs" / "json.md"


def test_a_comparison_round_trips() -> None:
    assert Comparison.model_validate_json(to_json(COMPARISON)) == COMPARISON


def test_a_weight_report_round_trips() -> None:
    assert WeightReport.model_validate_json(weights_to_json(WEIGHTS)) == WEIGHTS


def test_keys_come_in_the_documented_order() -> None:
    data = json.loads(to_json(COMPARISON))
    assert list(data) == ["qdash_version", "created_at", "host", "request", "noise_floor", "variants"]
    variant = data["variants"][0]
    assert list(variant)[:12] == [
        "scheme", "label", "kind", "status", "error", "answer", "new_tokens", "latency", "memory", "relative", "coverage", "agreement",
    ]  # fmt: skip
    assert list(variant["latency"]) == ["load_s", "preprocess_s", "ttft_s", "tpot_s", "total_s", "tokens_per_s"]
    assert list(variant["latency"]["ttft_s"]) == ["median", "p10", "p90", "runs"]
    assert list(variant["memory"])[:5] == ["weights_bytes", "load_peak_bytes", "peak_bytes", "saved_bytes", "estimated_bytes"]
    assert list(variant["relative"]) == ["latency", "memory", "tokens_per_s"]
    assert list(variant["coverage"]) == ["quantized", "total", "skipped", "parts"]
    assert list(variant["coverage"]["skipped"][0]) == ["name", "reason"]
    assert list(data["variants"][2]["agreement"])[:7] == [
        "kl_mean_nats", "kl_se", "top1", "ppl_original", "ppl", "first_divergence", "tokens",
    ]  # fmt: skip
    assert list(data["variants"][4]["error"]) == ["kind", "message", "remedy"]


def test_weights_keep_their_documented_order() -> None:
    data = json.loads(weights_to_json(WEIGHTS))
    scheme = data["schemes"][0]
    assert list(data)[0] == "schemes"
    assert list(scheme)[:7] == ["scheme", "kind", "sqnr_db", "mse", "max_abs_error", "cosine", "layers"]
    assert list(scheme["layers"][0])[:6] == ["name", "shape", "sqnr_db", "mse", "max_abs_error", "cosine"]


def test_text_is_kept_as_it_is() -> None:
    assert "白色背景上有一个黑色的正方形。" in to_json(COMPARISON)


def test_numbers_json_has_no_word_for_become_null() -> None:
    noise = COMPARISON.noise_floor
    assert noise is not None
    odd = COMPARISON.model_copy(update={"noise_floor": noise.model_copy(update={"relative": math.inf})})
    assert json.loads(to_json(odd))["noise_floor"]["relative"] is None


def test_every_key_is_documented() -> None:
    documented = set(re.findall(r"`([\w.]+)`", DOCUMENT.read_text(encoding="utf-8")))

    def keys(value: object, path: str) -> set[str]:
        if isinstance(value, list):
            return set().union(*(keys(item, path) for item in value))
        if not isinstance(value, dict) or path.endswith("versions"):
            return set()
        return set(value).union(*(keys(item, name) for name, item in value.items()))

    for text in (to_json(COMPARISON), weights_to_json(WEIGHTS)):
        assert not keys(json.loads(text), "") - documented
