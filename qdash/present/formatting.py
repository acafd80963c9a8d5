"""Numbers as people read them. Records hold seconds, bytes and decibels; only what is shown goes through here."""

from math import floor, isfinite, log10

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


def size_change(share: float) -> str:
    """A change of size with its sign: “−52%”, “+3%”, “≈ same”."""
    if not isfinite(share):
        return "not known"
    points = round(abs(share) * 100)
    if not points:
        return "≈ same"
    return f"{'−' if share < 0 else '+'}{points}%"


def points_of(difference: float) -> str:
    """A difference of two shares in percentage points, with its sign: “−25.0”, “+0.4”, “0.0”."""
    points = f"{difference * 100:+.1f}"
    return "0.0" if points in ("+0.0", "-0.0") else points.replace("-", "−")


def percent(part: float, places: int = 0) -> str:
    """“4%”, or with `places` 1 “4.2%”: a share without a sign."""
    if not isfinite(part):
        return "not known"
    return f"{part * 100:.{places}f}%"


def between(low: float, high: float, places: int = 1) -> str:
    """“88.8–97.8%”: an interval of shares."""
    return f"{low * 100:.{places}f}–{percent(high, places)}"


def nats(divergence: float | None) -> str:
    """A divergence with two digits that count: “0.21”, “0.0031”, “< 0.0001”; “not finite” for scores that are none."""
    if divergence is None or not isfinite(divergence):
        return "not finite"
    if divergence < 1e-4:
        return "0" if divergence == 0 else "< 0.0001"
    return f"{divergence:.1f}" if divergence >= 0.995 else f"{divergence:.{1 - floor(log10(divergence))}f}"


def several(number: int, one: str, many: str) -> str:
    """“1 run”, “5 runs”, “1,000 runs”."""
    return f"{number:,} {one if number == 1 else many}"


def and_listed(names: list[str]) -> str:
    """“A”, “A and B”, “A, B and C”."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def stand_in(dtype: str | None) -> str:
    """What a simulated format is run as, by the type of its numbers: “32-bit stand-in”; without a width where that is not known."""
    bits = {"float32": "32-bit ", "float16": "16-bit ", "bfloat16": "16-bit "}.get(dtype or "", "")
    return f"{bits}stand-in"


def ordinal(place: int) -> str:
    """“1st”, “2nd”, “3rd”, “11th”."""
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"
