"""Records in, plotly figures out; one function a chart, drawn for the light or the dark theme. No torch, no gradio."""

from qdash.charts.histograms import error_histogram, weight_histogram
from qdash.charts.latency import latency_bars
from qdash.charts.memory import memory_bars
from qdash.charts.sqnr import sqnr_bars

__all__ = ["error_histogram", "latency_bars", "memory_bars", "sqnr_bars", "weight_histogram"]
