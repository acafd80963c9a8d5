"""Numbers as people read them. Records hold seconds, bytes and decibels; only what is shown goes through here."""

from math import floor, isfinite, log10

from qdash.present.language import N_, _, decimal

ANSWERS_HIDDEN = N_("Random weights: answers hidden.")


def ms(seconds: float) -> str:
    """Seconds as “3.1 ms”, “173 ms” or, from 10 s, “12.4 s”."""
    if seconds >= 10:
        return f"{decimal(seconds, 1, grouped=False)} s"
    milliseconds = seconds * 1e3
    return f"{decimal(milliseconds, 1 if milliseconds < 10 else 0)} ms"


def mib(size_bytes: float) -> str:
    """Bytes as “9.4 MiB” or, from 10 000 MiB, “12.3 GiB”."""
    mebibytes = size_bytes / 2**20
    if mebibytes >= 10_000:
        return f"{decimal(mebibytes / 1024, 1, grouped=False)} GiB"
    return f"{decimal(mebibytes, 1 if mebibytes < 100 else 0)} MiB"


def size_change(share: float) -> str:
    """A change of size with its sign: “−52%”, “+3%”, “≈ same”."""
    if not isfinite(share):
        return _("not known")
    points = round(abs(share) * 100)
    if not points:
        return _("≈ same")
    return f"{'−' if share < 0 else '+'}{points}%"


def points_of(difference: float) -> str:
    """A difference of two shares in percentage points, with its sign: “−25.0”, “+0.4”, “0.0”."""
    points = decimal(abs(difference) * 100, 1, grouped=False)
    if f"{abs(difference) * 100:.1f}" == "0.0":
        return points
    return f"{'−' if difference < 0 else '+'}{points}"


def percent(part: float, places: int = 0) -> str:
    """“4%”, or with `places` 1 “4.2%”: a share without a sign."""
    if not isfinite(part):
        return _("not known")
    return f"{decimal(part * 100, places, grouped=False)}%"


def between(low: float, high: float, places: int = 1) -> str:
    """“88.8–97.8%”: an interval of shares."""
    return f"{decimal(low * 100, places, grouped=False)}–{percent(high, places)}"


def nats(divergence: float | None) -> str:
    """A divergence with two digits that count: “0.21”, “0.0031”, “< 0.0001”; “not finite” for scores that are none."""
    if divergence is None or not isfinite(divergence):
        return _("not finite")
    if divergence < 1e-4:
        return "0" if divergence == 0 else f"< {decimal(1e-4, 4)}"
    return decimal(divergence, 1 if divergence >= 0.995 else 1 - floor(log10(divergence)), grouped=False)


def several(number: int, one: str, many: str) -> str:
    """“1 run”, “5 runs”, “1,000 runs”."""
    return f"{number:,} {one if number == 1 else many}"


def and_listed(names: list[str]) -> str:
    """“A”, “A and B”, “A, B and C”."""
    return names[0] if len(names) == 1 else _("{names} and {last}", names=", ".join(names[:-1]), last=names[-1])


def stand_in(dtype: str | None) -> str:
    """What a simulated format is run as, by the type of its numbers: “32-bit stand-in”; without a width where that is not known."""
    bits = {"float32": 32, "float16": 16, "bfloat16": 16}.get(dtype or "")
    return _("stand-in") if bits is None else _("{bits}-bit stand-in", bits=bits)


_ORDINALS = {1: N_("{place}st"), 2: N_("{place}nd"), 3: N_("{place}rd")}


def ordinal(place: int) -> str:
    """“1st”, “2nd”, “3rd”, “11th”."""
    if place % 100 in (11, 12, 13) or place % 10 not in _ORDINALS:
        return _("{place}th", place=place)
    return _(_ORDINALS[place % 10], place=place)
