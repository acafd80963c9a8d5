"""The one sentence on top of the page, and the one why sentence below it, from the results alone.

Simple rules over exact facts: same answer or not, weights relative to the original's, speed outside the noise floor. Simulated formats
count for answers and projected size, never for speed.
"""

from collections import Counter
from dataclasses import dataclass
from html import escape

from qdash.catalog.schemes import find_scheme
from qdash.records import Comparison, VariantResult
from qdash.ui import text
from qdash.ui.changes import Change, change_of
from qdash.ui.reasons import BUSY_NOISE, SMALL_MODEL_BYTES
from qdash.wording import ANSWERS_HIDDEN

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
    """One variant as the sentence needs it. `size` is its weights relative to the baseline's (projected if simulated)."""

    result: VariantResult
    name: str
    size: float | None
    change: Change | None

    @property
    def same(self) -> bool:
        return self.change is not None and not self.change.differs


def verdict(comparison: Comparison) -> Verdict:
    """What this comparison shows."""
    baseline, *others = comparison.variants
    if baseline.status != "ok":
        return _without_baseline(baseline)
    seen = _seen(baseline, others)
    if not seen:
        return _alone(baseline, others)
    hidden = baseline.answer is None
    why = (_speed(comparison, seen), _missing(others), ANSWERS_HIDDEN if hidden else "")
    return Verdict(_sizes(seen) if hidden else _headline(seen), " ".join(filter(None, why)))


def verdict_html(verdict: Verdict) -> str:
    """The verdict as markup."""
    headline = "".join(f"<em>{escape(span)}</em>" if strong else escape(span) for span, strong in verdict.headline)
    return sentence_html(headline, verdict.why)


def sentence_html(headline: str, why: str) -> str:
    """A headline (markup) over a plain line."""
    return f'<h2 class="verdict">{headline}</h2><p class="sub">{escape(why)}</p>'


def _seen(baseline: VariantResult, others: list[VariantResult]) -> list[_Seen]:
    ran = [result for result in others if result.status == "ok"]
    bits = Counter(find_scheme(result.scheme).bits for result in ran if result.model == baseline.model)
    return [_Seen(result, _name(result, bits), _size(result, baseline), _change(result, baseline)) for result in ran]


def _name(result: VariantResult, bits: Counter[int | None]) -> str:
    """“8 bits” where that is unmistakable, else the scheme's label."""
    scheme = find_scheme(result.scheme)
    plain = result.label == scheme.label and result.kind == "real" and scheme.family != "recipe"
    return f"{scheme.bits} bits" if plain and scheme.bits and bits[scheme.bits] == 1 else result.label


def _size(result: VariantResult, baseline: VariantResult) -> float | None:
    if result.memory is None or baseline.memory is None:
        return None
    own = result.memory.projected_bytes if result.kind == "simulated" else result.memory.weights_bytes
    return own / baseline.memory.weights_bytes if own else None


def _change(result: VariantResult, baseline: VariantResult) -> Change | None:
    if result.answer is None or baseline.answer is None:
        return None
    return change_of(baseline.answer, result.answer)


def _headline(seen: list[_Seen]) -> tuple[Span, ...]:
    same = _smallest_first([item for item in seen if item.same])
    changed = _smallest_first([item for item in seen if not item.same])
    spans: list[Span] = []
    if same:
        spans += _same_sentence(same, everyone=not changed)
    if changed:
        spans.append((_changed_sentence(changed[0]), False))
    if len(changed) > 1 and not same:
        spans.append((_changed_sentence(changed[-1]), False))
    return tuple(spans)


def _sizes(seen: list[_Seen]) -> tuple[Span, ...]:
    """Where there are no answers to tell about: the smallest, and the one that saves least."""
    ordered = _smallest_first([item for item in seen if item.size is not None])
    ends = ordered if len(ordered) < 3 else [ordered[0], ordered[-1]]
    return tuple((f"{item.name} {_is_sized(item)}. ", False) for item in ends)


def _is_sized(item: _Seen) -> str:
    words = _size_words(item)
    return words.removeprefix("and ") if words.startswith("and ") else f"comes {words}"


def _smallest_first(items: list[_Seen]) -> list[_Seen]:
    """Real ones before simulated ones, then by size."""
    return sorted(items, key=lambda item: (item.result.kind == "simulated", item.size or 1.0))


def _same_sentence(same: list[_Seen], everyone: bool) -> list[Span]:
    best = same[0]
    if everyone and len(same) > 1:
        return [(f"All {len(same)} give the ", False), ("same answer", True), (f"; {best.name} does it {_size_words(best)}. ", False)]
    return [(f"{best.name} gives the ", False), ("same answer", True), (f" {_size_words(best)}. ", False)]


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


def _changed_sentence(item: _Seen) -> str:
    what = item.change.in_sentence if item.change else "could not be compared"
    if item.size is None or item.size > 0.98:
        return f"{item.name} {what}. "
    projected = " (projected)" if item.result.kind == "simulated" else ""
    return f"{item.name} is {round((1 - item.size) * 100)} % smaller{projected}, but {what}. "


def _speed(comparison: Comparison, seen: list[_Seen]) -> str:
    noise = comparison.noise_floor.relative if comparison.noise_floor else 0.0
    timed = [(item, ratio) for item in seen if item.result.relative and (ratio := item.result.relative.latency) is not None]
    if not timed:
        return "Simulated formats only: their speed and memory are the original's."
    floor = max(noise, 0.005)
    faster = [item for item, ratio in timed if ratio < 1 - floor]
    slower = [item for item, ratio in timed if ratio > 1 + floor]
    device = "GPU" if comparison.host.device == "cuda" else "CPU"
    if noise > BUSY_NOISE:
        return f"Two timings of the original differ by {text.share(noise)}: this machine is busy. For speeds, try again when it is idle."
    if not faster and not slower:
        return f"No difference in speed is larger than the noise here (±{text.share(noise)})."
    if not slower:
        return f"{_listed(faster, noise)} on this {device}."
    reason = _reason(comparison)
    if not faster:
        nobody = {1: "It is not", 2: "Neither is"}.get(len(timed), "None is")
        return f"{nobody} faster on this {device}: {reason}"
    return f"{_listed(faster, noise)} on this {device}; {_listed(slower, noise)}: {reason}"


def _listed(items: list[_Seen], noise: float) -> str:
    ratios = [(item.name, item.result.relative.latency) for item in items if item.result.relative]
    return ", ".join(f"{name} is {text.speed(ratio, noise)}" for name, ratio in ratios if ratio is not None)


def _reason(comparison: Comparison) -> str:
    memory = comparison.variants[0].memory
    if memory is not None and memory.weights_bytes < SMALL_MODEL_BYTES:
        return "the model is so small that unpacking the weights costs more than it saves."
    return "unpacking the weights for every token costs more time than reading fewer bytes saves."


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
