"""The sizes of a variant that are easily mixed up."""

from qdash.present.formatting import mib
from qdash.records import InspectorReport


def sizes(report: InspectorReport) -> list[tuple[str, str, str]]:
    """The sizes of a variant that are easily mixed up: name, size and what it is."""
    written = "not written" if report.saved_bytes is None else mib(report.saved_bytes)
    rows = [
        ("in memory", mib(report.weights_bytes), "exact: all tensors, scales and codes included"),
        ("in files", written, report.not_saved or "written by save_pretrained"),
        ("estimate", mib(report.estimate_bytes), f"number of parameters × bytes of {report.dtype}"),
        ("footprint", mib(report.footprint_bytes), "get_memory_footprint()"),
    ]
    if report.projected_bytes is not None:
        rows.append(("projected", mib(report.projected_bytes), f"if stored as {report.label}"))
    return rows
