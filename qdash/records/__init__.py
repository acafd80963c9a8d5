"""The one vocabulary: what is asked, what happens meanwhile, what came out.

Everything that crosses a process, a file or the screen is one of these frozen records. They hold SI units (seconds, bytes, dB),
never formatted text, and round-trip through JSON, which is also the documented output of the command line. No torch, no gradio.
"""

from qdash.records.base import Kind, Record, Status
from qdash.records.events import AnswerText, ComparisonDone, Event, Progress, Stage, VariantDone
from qdash.records.inspector import Explanation, InspectorReport, PartInside, QuantizedInside, SavedFile
from qdash.records.messages import Answer, Loaded, Question, Step, TextSoFar, Timed, WeighedLayer, WorkerSpec
from qdash.records.request import Measurement, Picture, Request, Variant
from qdash.records.results import (
    Comparison,
    Coverage,
    ErrorRecord,
    Host,
    Latency,
    Memory,
    NoiseFloor,
    PartCoverage,
    Relative,
    Skip,
    Timing,
    VariantResult,
)
from qdash.records.weights import (
    Histogram,
    LayerDetail,
    LayerHistograms,
    LayerPlace,
    LayerWeights,
    SchemeWeights,
    Shares,
    WeightError,
    WeightReport,
)

__all__ = [
    "Answer",
    "AnswerText",
    "Comparison",
    "ComparisonDone",
    "Coverage",
    "ErrorRecord",
    "Event",
    "Explanation",
    "Histogram",
    "Host",
    "InspectorReport",
    "Kind",
    "Latency",
    "LayerDetail",
    "LayerHistograms",
    "LayerPlace",
    "LayerWeights",
    "Loaded",
    "Measurement",
    "Memory",
    "NoiseFloor",
    "PartCoverage",
    "PartInside",
    "Picture",
    "Progress",
    "QuantizedInside",
    "Question",
    "Record",
    "Relative",
    "Request",
    "SavedFile",
    "SchemeWeights",
    "Shares",
    "Skip",
    "Stage",
    "Status",
    "Step",
    "TextSoFar",
    "Timed",
    "Timing",
    "Variant",
    "VariantDone",
    "VariantResult",
    "WeighedLayer",
    "WeightError",
    "WeightReport",
    "WorkerSpec",
]
