"""Records in, figures out; one function a chart, drawn for the light or the dark theme. No torch, no gradio."""

from qdash.charts.evaluation import accuracy_bars, speedup_bars
from qdash.charts.histograms import error_histogram, weight_histogram
from qdash.charts.latency import latency_bars
from qdash.charts.memory import memory_bars
from qdash.charts.row_errors import row_errors
from qdash.charts.sqnr import sqnr_against_bits
from qdash.charts.tradeoff import trade_off
from qdash.charts.tradeoff_points import comparison_trades, evaluation_trades

__all__ = [
    "accuracy_bars", "comparison_trades", "error_histogram", "evaluation_trades", "latency_bars", "memory_bars", "row_errors",
    "speedup_bars", "sqnr_against_bits", "trade_off", "weight_histogram",
]  # fmt: skip
