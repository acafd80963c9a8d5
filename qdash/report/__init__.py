"""Finished records as files: JSON (documented in docs/json.md), CSV for spreadsheets, one HTML page to send around."""

from qdash.report.csv import evaluation_items_to_csv, evaluation_to_csv, to_csv, weights_to_csv
from qdash.report.evaluation_html import evaluation_to_html
from qdash.report.html import to_html
from qdash.report.json import (
    evaluation_to_json,
    fit_to_json,
    heal_to_json,
    inspection_to_json,
    mix_to_json,
    saved_to_json,
    sensitivity_to_json,
    to_json,
    weights_to_json,
)
from qdash.report.model_card import model_card
from qdash.report.weights_html import weights_to_html

__all__ = [
    "evaluation_items_to_csv", "evaluation_to_csv", "evaluation_to_html", "evaluation_to_json", "fit_to_json", "heal_to_json",
    "inspection_to_json", "mix_to_json", "model_card", "saved_to_json", "sensitivity_to_json", "to_csv", "to_html", "to_json",
    "weights_to_csv", "weights_to_html", "weights_to_json",
]  # fmt: skip
