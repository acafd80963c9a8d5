"""The figures at the foot of a card: the baseline's own, everybody else's relative to it, the exact number one hover away."""

from html import escape

from qdash.records import Agreement, NoiseFloor, VariantResult
from qdash.ui import text
from qdash.ui.markup import term
from qdash.verdict.judging import divergence_words
from qdash.verdict.noise import Part, time_noise
from qdash.wording import mib, ms, nats, percent, share, speed

_QUIET = '<span class="quiet">'

Row = tuple[str, str]
"""A name, which has a tip, and a value as markup."""


def facts_html(result: VariantResult, baseline: VariantResult | None, noise: NoiseFloor | None) -> str:
    """The figures of a variant that ran; `baseline` None: it is the baseline."""
    rows = _own(result) if baseline is None or baseline.status != "ok" else _relative(result, baseline, noise)
    pairs = "".join(f"<dt>{term(name, text.TIPS[name])}</dt><dd>{value}</dd>" for name, value in [*rows, *_agreements(result)])
    return f'<dl class="facts">{pairs}</dl>'


def _own(result: VariantResult) -> list[Row]:
    if result.latency is None or result.memory is None:
        return []
    return [
        ("First token", ms(result.latency.ttft_s.median)),
        ("Per token", ms(result.latency.tpot_s.median)),
        ("Weights", mib(result.memory.weights_bytes)),
    ]


def _relative(result: VariantResult, baseline: VariantResult, noise: NoiseFloor | None) -> list[Row]:
    if result.memory is None or baseline.memory is None:
        return []
    if result.kind == "simulated":
        projected = result.memory.projected_bytes
        change = percent(projected / baseline.memory.weights_bytes - 1) if projected else "—"
        weights = f"{change} {_QUIET}<i>projected</i></span>" if projected else "—"
        return [("First token", f"{_QUIET}not a real kernel</span>"), ("Per token", f"{_QUIET}—</span>"), ("Weights", weights)]
    change = percent(result.memory.weights_bytes / baseline.memory.weights_bytes - 1)
    times = [_time(name, part, result, baseline, noise) for name, part in _PARTS]
    return [*times, ("Weights", _exact(change, mib(result.memory.weights_bytes)))]


_PARTS: tuple[tuple[str, Part], ...] = (("First token", "ttft"), ("Per token", "tpot"))


def _time(name: str, part: Part, result: VariantResult, baseline: VariantResult, noise: NoiseFloor | None) -> Row:
    own, original = (getattr(of.latency, f"{part}_s", None) for of in (result, baseline))
    if own is None or original is None:
        return name, "—"
    return name, _exact(speed(own.median / original.median, time_noise(result, baseline, noise, part)), ms(own.median))


def _agreements(result: VariantResult) -> list[Row]:
    found = (("Agreement", result.agreement), ("On your text", result.agreement_text))
    rows = [(name, _agreement(agreement)) for name, agreement in found if agreement is not None]
    if not rows and result.agreement_problem:
        return [("Agreement", f'<span class="quiet" title="{escape(result.agreement_problem)}">not compared</span>')]
    return rows


def _agreement(found: Agreement) -> str:
    perplexity = " → ".join("—" if value is None else f"{value:.3g}" for value in (found.ppl_original, found.ppl))
    exact = f"{divergence_words(found)} over {found.tokens} tokens; perplexity {perplexity}"
    return _exact(f"{share(found.top1)} · KL {nats(found.kl_mean_nats)}", exact)


def _exact(words: str, number: str) -> str:
    """Words for people; the number itself is one hover away."""
    return f'<span title="{escape(number)}">{escape(words)}</span>'
