"""Finished records as files: JSON (documented in docs/json.md), CSV for spreadsheets, one HTML page to send around."""

from qdash.report.csv import evaluation_items_to_csv, evaluation_to_csv, to_csv, weights_to_csv
from qdash.report.evaluation_html import evaluation_to_html
from qdash.report.html import to_html
from qdash.report.json import evaluation_to_json, inspection_to_json, to_json, weights_to_json
from qdash.report.weights_html import weights_to_html

__all__ = [
    "evaluation_items_to_csv", "evaluation_to_csv", "evaluation_to_html", "evaluation_to_json", "inspection_to_json", "to_csv", "to_html",
    "to_json", "weights_to_csv", "weights_to_html", "weights_to_json",
]  # fmt: skip
