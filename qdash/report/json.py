"""The JSON output for scripts: see docs/json.md. Keys come in the documented order, whatever else a record has after them.

The text is the record, no more: `Comparison.model_validate_json(to_json(comparison)) == comparison`, also where a figure is infinite.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from qdash.records import Comparison, Evaluation, FitReport, HealReport, InspectorReport, MixReport, Saved, SensitivityReport, WeightReport

COMPARISON_KEYS = ("qdash_version", "created_at", "host", "request", "noise_floor", "rounds", "variants")
VARIANT_KEYS = (
    "scheme", "label", "kind", "status", "error", "answer", "new_tokens", "latency", "memory", "relative", "coverage",
    "agreement",
)  # fmt: skip
WEIGHT_KEYS = ("schemes",)
SCHEME_KEYS = ("scheme", "kind", "sqnr_db", "mse", "max_abs_error", "cosine", "layers")
EVALUATION_KEYS = ("qdash_version", "created_at", "host", "request", "task_label", "rule", "max_new_tokens", "noise_floor", "variants")
EVALUATED_KEYS = ("scheme", "kind", "accuracy", "drop", "total_s", "per_item_s", "speedup", "label", "status", "error")
SENSITIVITY_KEYS = ("method", "items", "spearman", "layers")
_NUMBERS = re.compile(r'\[\n\s+(?:(?:-?[\d.eE+-]+|null|"-?Infinity"|"NaN"),?\n\s+)+\]')  # no text has a line break of its own in JSON
MIX_KEYS = ("recipe", "budget_bytes", "predicted_kl_nats", "proof")
LAYER_KEYS = ("name", "shape", "sqnr_db", "mse", "max_abs_error", "cosine")


def to_json(comparison: Comparison) -> str:
    """A comparison as an indented JSON document."""
    data = _ordered(_plain(comparison), COMPARISON_KEYS)
    data["variants"] = [_ordered(variant, VARIANT_KEYS) for variant in data["variants"]]
    return _text(data)


def weights_to_json(report: WeightReport, *, histograms: bool = True) -> str:
    """A weight report as an indented JSON document; `histograms` False leaves them and the rows' SQNR out, which are most of it."""
    data = _ordered(_plain(report if histograms else _without_histograms(report)), WEIGHT_KEYS)
    data["schemes"] = [_ordered(scheme, SCHEME_KEYS) for scheme in data["schemes"]]
    for scheme in data["schemes"]:
        scheme["layers"] = [_ordered(layer, LAYER_KEYS) for layer in scheme["layers"]]
    return _on_one_line(_text(data))


def evaluation_to_json(evaluation: Evaluation) -> str:
    """An evaluation as an indented JSON document; of each variant the figures come first, what it answered last."""
    data = _ordered(_plain(evaluation), EVALUATION_KEYS)
    for variant in data["variants"]:
        variant["items"] = variant.pop("items")
    data["variants"] = [_ordered(variant, EVALUATED_KEYS) for variant in data["variants"]]
    return _text(data)


def saved_to_json(saved: Saved) -> str:
    """What was saved, and how it was checked, as an indented JSON document."""
    return _text(_plain(saved))


def inspection_to_json(report: InspectorReport) -> str:
    """A model report as an indented JSON document."""
    return _text(_plain(report))


def heal_to_json(report: HealReport) -> str:
    """A healed version as an indented JSON document."""
    return _text(_plain(report))


def mix_to_json(report: MixReport) -> str:
    """A mix and its proof as an indented JSON document; what every layer costs comes last."""
    return _on_one_line(_text(_ordered(_plain(report), MIX_KEYS)))


def fit_to_json(report: FitReport) -> str:
    """What a context takes as an indented JSON document."""
    return _text(_plain(report))


def sensitivity_to_json(report: SensitivityReport) -> str:
    """What each layer costs as an indented JSON document; how that was found out comes first."""
    return _text(_ordered(_plain(report), SENSITIVITY_KEYS))


def _without_histograms(report: WeightReport) -> WeightReport:
    schemes = [
        scheme.model_copy(
            update={
                "histograms": None,
                "layers": tuple(layer.model_copy(update={"histograms": None, "row_sqnr_db": ()}) for layer in scheme.layers),
            }
        )
        for scheme in report.schemes
    ]
    return report.model_copy(update={"schemes": tuple(schemes)})


def _plain(
    record: Comparison | WeightReport | InspectorReport | Evaluation | FitReport | HealReport | MixReport | Saved | SensitivityReport,
) -> dict[str, Any]:
    return json.loads(record.model_dump_json())


def _ordered(data: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: data[key] for key in keys} | data


def _text(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _on_one_line(text: str) -> str:
    """Lists of numbers side by side: there are thousands of them."""
    return _NUMBERS.sub(lambda found: " ".join(found[0].split()), text)
