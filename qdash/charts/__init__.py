"""Records in, figures out; one function a chart, drawn for the light or the dark theme. No torch, no gradio."""

from qdash.charts.heat import heat_html
from qdash.charts.histograms import error_histogram, weight_histogram
from qdash.charts.latency import latency_bars
from qdash.charts.memory import memory_bars
from qdash.charts.row_errors import row_errors
from qdash.charts.sqnr import sqnr_against_bits

__all__ = ["error_histogram", "heat_html", "latency_bars", "memory_bars", "row_errors", "sqnr_against_bits", "weight_histogram"]
