"""The one sentence on top of a comparison, and the why sentence below it, from the results alone.

Every variant is judged by the rules; the sentence tells of the best that kept the answer and of what did not. Simulated formats count for
answers and projected size, never for speed.
"""

from collections import Counter
from dataclasses import dataclass

from qdash.catalog.schemes import known_scheme
from qdash.records import Comparison, VariantResult
from qdash.verdict.changes import Change
from qdash.verdict.judging import Judgement, change_between, divergence_words, judge
from qdash.verdict.noise import time_noise
from qdash.verdict.reasons import SMALL_MODEL_BYTES
from qdash.verdict.rules import BUSY_NOISE, Grade
from qdash.wording import ANSWERS_HIDDEN, share, speed

Span = tuple[str, bool]


@dataclass(frozen=True)
class Verdict:
    """`headline` in spans of (text, emphasised); `why` is plain text."""

    headline: tuple[Span, ...]
    why: str

    @property
    def plain(self) -> str:
        """The headline without emphasis."""
        return "".join(span for span, _ in self.headline)


@dataclass(frozen=True)
class _Seen:
    """One variant as the sentence needs it. `size` is its weights relative to the baseline's (projected if simulated).

    `time` is its total time relative to the baseline's, `noise` what that must differ from 1 by to mean anything; None where simulated.
    """

    result: VariantResult
    name: str
    size: float | None
    time: float | None
    noise: float
    change: Change | None
    judgement: Judgement

    @property
    def kept(self) -> bool:
        """Whether nothing is to be said against its answer."""
        return self.judgement.grade in (Grade.GOOD_TRADE, Grade.FINE)


def verdict(comparison: Comparison) -> Verdict:
    """What this comparison shows."""
    baseline, *others = comparison.variants
    if baseline.status != "ok":
        return _without_baseline(baseline)
    seen = _seen(comparison)
    if not seen:
        return _alone(baseline, others)
    hidden = baseline.answer is None
    told = [] if hidden else _told(seen)
    headline = _sizes(seen) if hidden else _headline(seen, told, _is_busy(comparison))
    why = (_speed(comparison, seen), _distance(told), _missing(others), ANSWERS_HIDDEN if hidden else "")
    return Verdict(headline, " ".join(filter(None, why)))


def _seen(comparison: Comparison) -> list[_Seen]:
    baseline, floor = comparison.variants[0], comparison.noise_floor
    judged = [(result, judge(result, baseline, floor)) for result in comparison.variants[1:]]
    bits = Counter(_bits(result) for result, judgement in judged if judgement is not None and result.model == baseline.model)
    return [
        _Seen(
            result=result,
            name=_name(result, bits),
            size=_size(result, baseline),
            time=result.relative.latency if result.relative else None,
            noise=time_noise(result, baseline, floor),
            change=change_between(result, baseline),
            judgement=judgement,
        )
        for result, judgement in judged
        if judgement is not None
    ]


def _bits(result: VariantResult) -> int | None:
    scheme = known_scheme(result.scheme)
    return scheme.bits if scheme is not None else None


def _name(result: VariantResult, bits: Counter[int | None]) -> str:
    """“8 bits” where that is unmistakable, else the scheme's label."""
    scheme = known_scheme(result.scheme)
    if scheme is None:
        return result.label
    plain = result.label == scheme.label and result.kind == "real" and scheme.family != "recipe"
    return f"{scheme.bits} bits" if plain and scheme.bits and bits[scheme.bits] == 1 else result.label


def _size(result: VariantResult, baseline: VariantResult) -> float | None:
    if result.memory is None or baseline.memory is None:
        return None
    own = result.memory.projected_bytes if result.kind == "simulated" else result.memory.weights_bytes
    return own / baseline.memory.weights_bytes if own else None


def _is_busy(comparison: Comparison) -> bool:
    return comparison.noise_floor is not None and comparison.noise_floor.relative > BUSY_NOISE


def _told(seen: list[_Seen]) -> list[_Seen]:
    """Those that the headline is about: the best that kept the answer, and what did not, at most two in all."""
    kept = _best_first([item for item in seen if item.kept])
    lost = _best_first([item for item in seen if not item.kept])
    return [*kept[:1], *lost[:1], *(lost[-1:] if len(lost) > 1 and not kept else [])]


def _best_first(items: list[_Seen]) -> list[_Seen]:
    """By grade, real ones before simulated ones, then by size."""
    return sorted(items, key=lambda item: (item.judgement.grade.rank, item.result.kind == "simulated", item.size or 1.0))


def _headline(seen: list[_Seen], told: list[_Seen], busy: bool) -> tuple[Span, ...]:
    everyone = len(seen) > 1 and all(item.kept and item.change is not None and not item.change.differs for item in seen)
    spans: list[Span] = []
    for item in told:
        spans += _kept_sentence(item, len(seen) if everyone else 0, busy) if item.kept else [(_lost_sentence(item, busy), False)]
    return tuple(spans)


def _kept_sentence(item: _Seen, everyone: int, busy: bool) -> list[Span]:
    trade = f"{_size_words(item)}{'' if busy else _time_words(item)}. "
    if everyone:
        return [
            (f"{'Both' if everyone == 2 else f'All {everyone}'} give the ", False),
            ("same answer", True),
            (f"; {item.name} does it {trade}", False),
        ]
    same = item.change is None or not item.change.differs
    return [(f"{item.name} gives the ", False) if same else (f"{item.name} is ", False), _kept_words(same), (f" {trade}", False)]


def _kept_words(same: bool) -> Span:
    return ("same answer", True) if same else ("≈ the same", True)


def _size_words(item: _Seen) -> str:
    size = item.size
    if size is None:
        return "too"
    projected = " (projected)" if item.result.kind == "simulated" else ""
    if 0.45 <= size <= 0.55:
        return f"at half the size{projected}"
    if 0.22 <= size <= 0.28:
        return f"at a quarter of the size{projected}"
    if abs(size - 1) < 0.02:
        return "at the same size"
    return f"and is {round(abs(1 - size) * 100)} % {'smaller' if size < 1 else 'larger'}{projected}"


def _time_words(item: _Seen) -> str:
    """“, 1.3× slower here”; nothing for a simulated variant."""
    if item.time is None:
        return ""
    words = speed(item.time, item.noise)
    return ", ≈ same speed" if words == "≈ same" else f", {words} here"


def _lost_sentence(item: _Seen, busy: bool) -> str:
    doubt = item.judgement.grade is Grade.CANT_TELL
    what, time = _lost_words(item), "" if busy else _time_words(item)
    if item.size is None or item.size > 0.98:
        return f"{item.name}: {what}. " if doubt else f"{item.name} {what}{time}. "
    projected = " (projected)" if item.result.kind == "simulated" else ""
    return f"{item.name} is {round((1 - item.size) * 100)} % smaller{projected}{time}{'; ' if doubt else ', but '}{what}. "


def _lost_words(item: _Seen) -> str:
    what = item.change.in_sentence if item.change is not None and item.change.differs else ""
    if item.judgement.grade is Grade.BROKEN:
        return f"is broken: it {what or 'expects other words throughout'}"
    if item.judgement.grade is Grade.CANT_TELL:
        return "this answer is too short to tell what it costs" if item.change is not None else "its answer could not be compared"
    return what or "is less sure of the same answer"


def _sizes(seen: list[_Seen]) -> tuple[Span, ...]:
    """Where there are no answers to tell about: the smallest, and the one that saves least."""
    ordered = sorted((item for item in seen if item.size is not None), key=lambda item: (item.result.kind == "simulated", item.size))
    ends = ordered if len(ordered) < 3 else [ordered[0], ordered[-1]]
    return tuple((f"{item.name} {_is_sized(item)}. ", False) for item in ends)


def _is_sized(item: _Seen) -> str:
    words = _size_words(item)
    return words.removeprefix("and ") if words.startswith("and ") else f"comes {words}"


def _speed(comparison: Comparison, seen: list[_Seen]) -> str:
    timed = [item for item in seen if item.time is not None]
    if not timed:
        return "Simulated formats only: their speed and memory are the original's."
    noise = comparison.noise_floor.relative if comparison.noise_floor else 0.0
    if _is_busy(comparison):
        return f"Two timings of the original differ by {share(noise)}: this machine is busy. For speeds, try again when it is idle."
    faster = [item for item in timed if (item.time or 0) < 1 - item.noise]
    slower = [item for item in timed if (item.time or 0) > 1 + item.noise]
    device = "GPU" if comparison.host.device == "cuda" else "CPU"
    if not faster and not slower:
        return f"No difference in speed is larger than the noise here (±{share(max(item.noise for item in timed))})."
    if not slower:
        return f"{_listed(faster)} on this {device}."
    reason = _reason(comparison)
    if not faster:
        nobody = {1: "It is not", 2: "Neither is"}.get(len(timed), "None is")
        return f"{nobody} faster on this {device}: {reason}"
    return f"{_listed(faster)} on this {device}; {_listed(slower)}: {reason}"


def _listed(items: list[_Seen]) -> str:
    return ", ".join(f"{item.name} is {speed(item.time, item.noise)}" for item in items if item.time is not None)


def _reason(comparison: Comparison) -> str:
    memory = comparison.variants[0].memory
    if memory is not None and memory.weights_bytes < SMALL_MODEL_BYTES:
        return "the model is so small that unpacking the weights costs more than it saves."
    return "unpacking the weights for every token costs more time than reading fewer bytes saves."


def _distance(told: list[_Seen]) -> str:
    """The evidence for what the headline says of answers: how far each is from the original, and the doubt in that."""
    found = [(item.name, item.result.agreement) for item in told if item.result.agreement is not None]
    if not found:
        return ""
    tokens = found[0][1].tokens
    each = ", ".join(f"{name} {divergence_words(agreement)}" for name, agreement in found)
    return f"Distance from the original over {tokens} {'token' if tokens == 1 else 'tokens'} of its answer: {each}."


def _missing(others: list[VariantResult]) -> str:
    failed = [result.label for result in others if result.status == "failed"]
    stopped = any(result.error is not None and result.error.kind == "cancelled" for result in others)
    parts = []
    if failed:
        parts.append(f"{' and '.join(failed)} could not run: {'its card says' if len(failed) == 1 else 'the cards say'} why.")
    if stopped:
        parts.append("Stopped before the rest could run.")
    return " ".join(parts)


def _without_baseline(baseline: VariantResult) -> Verdict:
    if baseline.error is not None and baseline.error.kind == "cancelled":
        return Verdict((("Stopped.", False),), "Press Compare to run it again.")
    return Verdict(
        ((f"{baseline.label} could not run, so there is nothing to compare with.", False),),
        "Its card says what happened and what to try.",
    )


def _alone(baseline: VariantResult, others: list[VariantResult]) -> Verdict:
    if others:
        return Verdict(((f"Only {baseline.label} ran.", False),), _missing(others) or "The other cards say why they did not.")
    return Verdict(((f"{baseline.label} has answered.", False),), "Choose more schemes on the left to compare it with.")
