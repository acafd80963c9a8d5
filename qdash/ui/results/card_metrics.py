"""The figures at the foot of a card: the baseline's own, the others' relative to it, exact numbers in tooltips."""

from collections.abc import Sequence
from html import escape

from qdash.present.coverage import covered, covered_briefly, left_words
from qdash.present.formatting import mib, ms, nats, percent, several, size_change
from qdash.records import Agreement, Comparison, VariantResult
from qdash.ui.components import text
from qdash.ui.components.markup import term
from qdash.verdict.evidence import pace_of
from qdash.verdict.judging import divergence_words

_QUIET = '<span class="quiet">'

Row = tuple[str, str | None]
"""A name, which has a tip, and a value as markup; None where it is a time and there is none."""


def facts_html(result: VariantResult, baseline: VariantResult | None, comparison: Comparison | None) -> str:
    """The figures of a variant that ran; `baseline` None: it is the baseline. Until there is a comparison, missing times are to come."""
    rows = _own(result) if baseline is None or baseline.status != "ok" else _relative(result, baseline, comparison)
    return _list([*rows, *_covered(result), *_agreements(result)], "not timed" if comparison else "—")


def names_html(*, original: bool) -> str:
    """The names alone, for a variant that has not answered yet."""
    names = ("Time", "First token", "Per token", "Weights", "Agreement")
    return _list([(name, None) for name in (names[:4] if original else names)], "—")


def _list(rows: Sequence[Row], untimed: str) -> str:
    nothing = f"{_QUIET}{untimed}</span>"
    pairs = "".join(f"<dt>{term(name, text.TIPS[name])}</dt><dd>{nothing if value is None else value}</dd>" for name, value in rows)
    return f'<dl class="facts">{pairs}</dl>'


def _own(result: VariantResult) -> list[Row]:
    if result.memory is None:
        return []
    return [
        ("Time", ms(result.latency.total_s.median) if result.latency else None),
        *_parts(result),
        ("Weights", mib(result.memory.weights_bytes)),
    ]


def _relative(result: VariantResult, baseline: VariantResult, comparison: Comparison | None) -> list[Row]:
    if result.memory is None or baseline.memory is None:
        return []
    if result.kind == "simulated":
        projected = result.memory.projected_bytes
        change = size_change(projected / baseline.memory.weights_bytes - 1) if projected else "—"
        weights = f"{change} {_QUIET}<i>projected</i></span>" if projected else "—"
        none = f"{_QUIET}—</span>"
        return [
            ("Time", '<span class="quiet" title="simulated: it runs as a stand-in">not measured</span>'),
            ("First token", none),
            ("Per token", none),
            ("Weights", weights),
        ]
    change = size_change(result.memory.weights_bytes / baseline.memory.weights_bytes - 1)
    return [("Time", _time(result, comparison)), *_parts(result), ("Weights", _exact(change, mib(result.memory.weights_bytes)))]


def _parts(result: VariantResult) -> list[Row]:
    """The two parts of the time as they were measured: only the whole is compared, so that a card says one thing of a speed."""
    parts = (("First token", "ttft_s"), ("Per token", "tpot_s"))
    return [(name, ms(getattr(result.latency, part).median) if result.latency else None) for name, part in parts]


def _time(result: VariantResult, comparison: Comparison | None) -> str | None:
    if result.latency is None:
        return None
    pace, exact = pace_of(result, comparison), ms(result.latency.total_s.median)
    if pace.words:
        return _exact(pace.words, exact)
    return f'<span class="quiet" title="{escape(f"{exact}, {pace.words_or_why}")}">not compared</span>' if pace.why else exact


def _covered(result: VariantResult) -> list[Row]:
    """For variants that quantize: how much; the tooltip says what was left and why."""
    coverage = result.coverage
    if coverage is None or not (coverage.skipped or coverage.quantized_parameters):
        return []
    left = left_words(coverage)
    return [("Quantized", _exact(covered_briefly(coverage), f"{covered(coverage)}{f'. Not quantized: {left}' if left else ''}"))]


def _agreements(result: VariantResult) -> list[Row]:
    found = (("Agreement", result.agreement), ("On your text", result.agreement_text))
    rows: list[Row] = [(name, _agreement(agreement)) for name, agreement in found if agreement is not None]
    if not rows and result.agreement_problem:
        return [("Agreement", f'<span class="quiet" title="{escape(result.agreement_problem)}">not compared</span>')]
    return rows


def _agreement(found: Agreement) -> str:
    perplexity = " → ".join("—" if value is None else f"{value:.3g}" for value in (found.ppl_original, found.ppl))
    exact = f"{divergence_words(found)} over {several(found.tokens, 'token', 'tokens')}; perplexity {perplexity}"
    return _exact(f"{percent(found.top1)} · KL {nats(found.kl_mean_nats)}", exact)


def _exact(words: str, number: str) -> str:
    """Words; the exact number is in the tooltip."""
    return f'<span title="{escape(number)}">{escape(words)}</span>'
