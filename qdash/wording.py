"""Numbers as people read them. Records hold seconds and bytes; only what is shown goes through here."""

from qdash.records import Coverage, InspectorReport

ANSWERS_HIDDEN = "Random weights: answers hidden."


def ms(seconds: float) -> str:
    """Seconds as “3.1 ms”, “173 ms” or, from 10 s, “12.4 s”."""
    if seconds >= 10:
        return f"{seconds:.1f} s"
    milliseconds = seconds * 1e3
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:,.0f} ms"


def mib(size_bytes: float) -> str:
    """Bytes as “9.4 MiB” or, from 10 000 MiB, “12.3 GiB”."""
    mebibytes = size_bytes / 2**20
    if mebibytes >= 10_000:
        return f"{mebibytes / 1024:.1f} GiB"
    return f"{mebibytes:.1f} MiB" if mebibytes < 100 else f"{mebibytes:,.0f} MiB"


def layers_by_part(coverage: Coverage) -> str:
    """“vision 12 of 12 · language 40 of 41”; for a recipe with what each part was asked for: “language=bnb-nf4 40 of 41 · other 0 of 2”."""
    parts = ((part, f"={part.scheme}" if part.scheme else "") for part in coverage.parts)
    return " · ".join(f"{part.part or 'other'}{asked} {part.quantized} of {part.total}" for part, asked in parts)


def sizes(report: InspectorReport) -> list[tuple[str, str, str]]:
    """The sizes of a variant that are easily mixed up: name, size and what it is."""
    written = "not written" if report.saved_bytes is None else mib(report.saved_bytes)
    rows = [
        ("in memory", mib(report.weights_bytes), "exact: every tensor, with scales and codes"),
        ("in files", written, report.not_saved or "as save_pretrained writes it"),
        ("estimate", mib(report.estimate_bytes), f"counted numbers × bytes of {report.dtype}, as tutorials print it"),
        ("footprint", mib(report.footprint_bytes), "get_memory_footprint()"),
    ]
    if report.projected_bytes is not None:
        rows.append(("projected", mib(report.projected_bytes), f"if really stored in {report.label}"))
    return rows
