"""The sizes of a variant that are easily mixed up."""

from qdash.present.formatting import mib
from qdash.present.language import _, recorded
from qdash.records import InspectorReport


def sizes(report: InspectorReport) -> list[tuple[str, str, str]]:
    """The sizes of a variant that are easily mixed up: name, size and what it is."""
    written = _("not written") if report.saved_bytes is None else mib(report.saved_bytes)
    rows = [
        (_("in memory"), mib(report.weights_bytes), _("exact: all tensors, scales and codes included")),
        (_("in files"), written, recorded(report.not_saved) if report.not_saved else _("written by save_pretrained")),
        (_("estimate"), mib(report.estimate_bytes), _("number of parameters × bytes of {dtype}", dtype=report.dtype)),
        (_("footprint"), mib(report.footprint_bytes), "get_memory_footprint()"),
    ]
    if report.projected_bytes is not None:
        pruned = report.coverage is not None and report.coverage.pruned_alone
        stored = (
            _("as a sparse file: a mask, and the values that are not zero") if pruned else _("if stored as {scheme}", scheme=report.label)
        )
        rows.append((_("projected"), mib(report.projected_bytes), stored))
    return rows
