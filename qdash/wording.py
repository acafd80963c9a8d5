"""Numbers as people read them. Records hold seconds and bytes; only what is shown goes through here."""

from qdash.records import Coverage

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
