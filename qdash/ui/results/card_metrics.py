"""The figures at the foot of a card: the baseline's own, the others' relative to it, exact numbers in tooltips."""

from collections.abc import Sequence

from markupsafe import Markup

from qdash.markup import Macros, parts
from qdash.present.coverage import cache_briefly, cache_words, covered, covered_briefly, left_words, part_of_all, pruned_words
from qdash.present.formatting import mib, ms, nats, percent, size_change
from qdash.present.language import _, ngettext, recorded
from qdash.records import Agreement, Comparison, VariantResult
from qdash.ui.components import text
from qdash.verdict.evidence import pace_of
from qdash.verdict.judging import divergence_words

_draw = Macros(__name__)

Row = tuple[str, str | None]
"""A name, which has a tip, and a value; None where it is a time and there is none."""


def facts_html(result: VariantResult, baseline: VariantResult | None, comparison: Comparison | None) -> Markup:
    """The figures of a variant that ran; `baseline` None: it is the baseline. Until there is a comparison, missing times are to come."""
    rows = _own(result) if baseline is None or baseline.status != "ok" else _relative(result, baseline, comparison)
    return _list([*rows, *_covered(result), *_agreements(result)], _("not timed") if comparison else "—")


def names_html(*, original: bool) -> Markup:
    """The names alone, of a variant that has not answered yet."""
    names = ("Time", "First token", "Per token", "Weights", "Agreement")
    return _list([(name, None) for name in (names[:4] if original else names)], "—")


def no_figures_html() -> Markup:
    """Their place, of a variant that has none and gets none."""
    return _list([], "")


def _list(rows: Sequence[Row], untimed: str) -> Markup:
    return _draw.figures([(_(name), _(text.TIPS[name]), value) for name, value in rows], untimed)


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
        weights = _draw.projected(size_change(projected / baseline.memory.weights_bytes - 1)) if projected else "—"
        return [
            ("Time", parts.quiet(_("not measured"), _("simulated: it runs as a stand-in"))),
            ("First token", parts.nothing()),
            ("Per token", parts.nothing()),
            ("Weights", weights),
        ]
    change = size_change(result.memory.weights_bytes / baseline.memory.weights_bytes - 1)
    return [("Time", _time(result, comparison)), *_parts(result), ("Weights", parts.exact(change, mib(result.memory.weights_bytes)))]


def _parts(result: VariantResult) -> list[Row]:
    """The two parts of the time as they were measured: only the whole is compared, so that a card says one thing of a speed."""
    found = (("First token", "ttft_s"), ("Per token", "tpot_s"))
    return [(name, ms(getattr(result.latency, part).median) if result.latency else None) for name, part in found]


def _time(result: VariantResult, comparison: Comparison | None) -> str | None:
    if result.latency is None:
        return None
    pace, exact = pace_of(result, comparison), ms(result.latency.total_s.median)
    if pace.words:
        return parts.exact(pace.words, exact)
    return parts.quiet(_("not compared"), f"{exact}, {pace.words_or_why}") if pace.why else exact


def _covered(result: VariantResult) -> list[Row]:
    """For variants that quantize: how much, and how the KV cache is kept; the tooltips say what was left and why, and what it takes."""
    coverage = result.coverage
    if coverage is None:
        return []
    cache: list[Row] = []
    if coverage.cache is not None:
        cache = [("KV cache", parts.exact(cache_briefly(coverage.cache), cache_words(coverage.cache)))]
    if not (coverage.skipped or coverage.quantized_parameters):
        return cache
    whole, left = covered(coverage), left_words(coverage)
    if coverage.pruned is not None and coverage.pruned_alone:
        exact = _("{sizes} Left: {layers}", sizes=pruned_words(coverage.pruned), layers=left) if left else pruned_words(coverage.pruned)
        return [("Pruned", parts.exact(part_of_all(coverage.pruned.share), exact)), *cache]
    exact = _("{share}. Not quantized: {layers}", share=whole, layers=left) if left else whole
    return [("Quantized", parts.exact(covered_briefly(coverage), exact)), *cache]


def _agreements(result: VariantResult) -> list[Row]:
    found = (("Agreement", result.agreement), ("On your text", result.agreement_text))
    rows: list[Row] = [(name, _agreement(agreement)) for name, agreement in found if agreement is not None]
    if not rows and result.agreement_problem:
        return [("Agreement", parts.quiet(_("not compared"), recorded(result.agreement_problem)))]
    return rows


def _agreement(found: Agreement) -> Markup:
    perplexity = " → ".join("—" if value is None else f"{value:.3g}" for value in (found.ppl_original, found.ppl))
    exact = ngettext(
        "{divergence} over {number} token; perplexity {perplexity}",
        "{divergence} over {number} tokens; perplexity {perplexity}",
        found.tokens,
        divergence=divergence_words(found),
        perplexity=perplexity,
    )
    return parts.exact(f"{percent(found.top1)} · KL {nats(found.kl_mean_nats)}", exact)
