"""The JSON that people's scripts read: see docs/json.md. Keys come in the documented order, whatever else a record has after them.

The text is the record, no more: `Comparison.model_validate_json(to_json(comparison)) == comparison`.
"""

import json
from collections.abc import Iterable
from typing import Any

from qdash.records import Comparison, InspectorReport, WeightReport

COMPARISON_KEYS = ("qdash_version", "created_at", "host", "request", "noise_floor", "variants")
VARIANT_KEYS = (
    "scheme", "label", "kind", "status", "error", "answer", "new_tokens", "latency", "memory", "relative", "coverage",
)  # fmt: skip
WEIGHT_KEYS = ("schemes",)
SCHEME_KEYS = ("scheme", "kind", "sqnr_db", "mse", "max_abs_error", "cosine", "layers")
LAYER_KEYS = ("name", "shape", "sqnr_db", "mse", "max_abs_error", "cosine")


def to_json(comparison: Comparison) -> str:
    """A comparison as an indented JSON document. Numbers that are not finite, which JSON has no word for, become null."""
    data = _ordered(_plain(comparison), COMPARISON_KEYS)
    data["variants"] = [_ordered(variant, VARIANT_KEYS) for variant in data["variants"]]
    return _text(data)


def weights_to_json(report: WeightReport) -> str:
    """A weight report as an indented JSON document, histograms included where there are any."""
    data = _ordered(_plain(report), WEIGHT_KEYS)
    data["schemes"] = [_ordered(scheme, SCHEME_KEYS) for scheme in data["schemes"]]
    for scheme in data["schemes"]:
        scheme["layers"] = [_ordered(layer, LAYER_KEYS) for layer in scheme["layers"]]
    return _text(data)


def inspection_to_json(report: InspectorReport) -> str:
    """An inspector's report as an indented JSON document."""
    return _text(_plain(report))


def _plain(record: Comparison | WeightReport | InspectorReport) -> dict[str, Any]:
    return json.loads(record.model_dump_json())


def _ordered(data: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: data[key] for key in keys} | data


def _text(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
