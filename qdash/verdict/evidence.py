"""Turns records into evidence: what is known of a variant relative to the original, and a clause for what is not.

Records may come from untrusted files and earlier versions. A number that is not finite counts as unknown.
"""

from math import hypot, inf, isfinite, nan

from qdash.catalog.schemes import known_scheme
from qdash.present.formatting import percent
from qdash.present.language import _, decimal
from qdash.records import Agreement, Comparison, Coverage, Request, VariantResult
from qdash.stats.binomial import proportion
from qdash.tasks import Truth, truth_of
from qdash.verdict.changes import AnswerChange, change_of
from qdash.verdict.naming import Reason
from qdash.verdict.pace import Pace, TimePart, pace_for, times_of
from qdash.verdict.rules import CLOSE_NATS, DOUBT_ERRORS, FAR_NATS, LEAST_SHARE, Evidence


def evidence_of(result: VariantResult, baseline: VariantResult, comparison: Comparison | None) -> Evidence:
    """The evidence for the rules; speeds are unknown until the comparison is finished.

    A simulated variant's size and speed are its stand-in's, so neither is known.
    """
    found = [agreement for agreement in (result.agreement, result.agreement_text) if agreement is not None and agreement.tokens > 0]
    kl, doubt = _pooled(found)
    change, ratios = change_between(result, baseline), result.relative
    return Evidence(
        original_ran=baseline.status == "ok",
        original_finite=has_finite_original(result, baseline, comparison),
        original_spoke=bool((baseline.answer or "").strip()),
        quantized=quantized_share(result.scheme, result.coverage),
        answered=result.answer is not None,
        compared=result.agreement in found and result.agreement_problem is None,
        kl_nats=kl,
        kl_doubt_nats=doubt,
        kl_noise_nats=_own_divergence(comparison) or 0.0,
        kl_tail_nats=max(map(tail_of, found), default=nan),
        changed=nan if change is None else float(change.differs),
        silent=nan if change is None else float(change.differs and not (result.answer or "").strip()),
        content=nan if change is None else change.content,
        top1_most=_top1_most(result.agreement) if result.agreement in found else nan,
        right=right_of(result, comparison),
        original_right=right_of(baseline, comparison),
        size=nan if ratios is None or ratios.memory is None else ratios.memory,
        pace=pace_of(result, comparison),
    )


def pace_of(result: VariantResult, comparison: Comparison | None, part: TimePart = "total") -> Pace:
    """The verdict on one of a variant's times. None before the comparison is over, for simulated formats, or if the scheme cannot have
    caused a difference.
    """
    if comparison is None or result.status != "ok" or comparison.variants[0].status != "ok":
        return Pace()
    sound = has_finite_original(result, comparison.variants[0], comparison)
    if not (sound and quantized_share(result.scheme, result.coverage) >= LEAST_SHARE):
        return Pace()
    return pace_for(times_of(result, comparison, part))


def told_time(result: VariantResult, comparison: Comparison, *, inverse: bool = False) -> str:
    """The total time divided by the original's, or with `inverse` the other way round, for a table: “1.57×”, “≈ same”, “not compared”.

    It says what the pace says, so a ratio stands only where it is larger than the noise. Empty where nothing was timed; the original is 1.
    """
    if result is comparison.variants[0]:
        return f"{decimal(1, 2)}×" if result.latency is not None else ""
    pace = pace_of(result, comparison)
    if pace.told in ("faster", "slower"):
        return f"{decimal(1 / pace.ratio if inverse else pace.ratio, 2, grouped=False)}×"
    return pace.words or (_("not compared") if pace.cause else "")


def has_finite_original(result: VariantResult, baseline: VariantResult, comparison: Comparison | None) -> bool:
    """Whether the original's scores are finite, as far as its result, its divergence from itself and its perplexity tell."""
    own = _own_divergence(comparison)
    texts = [agreement for agreement in (result.agreement, result.agreement_text) if agreement is not None]
    perplexities = [agreement.ppl_original for agreement in texts]
    sound = all(perplexity is not None and isfinite(perplexity) for perplexity in perplexities)
    return baseline.scores_finite is not False and sound and (own is None or isfinite(own))


def _own_divergence(comparison: Comparison | None) -> float | None:
    return comparison.noise_floor.kl_nats if comparison is not None and comparison.noise_floor is not None else None


def quantized_share(scheme: str, coverage: Coverage | None) -> float:
    """The share of a model's weights that a scheme quantized, as `Evidence.quantized` has it; infinite where it rounds the KV cache."""
    known = known_scheme(scheme)
    if known is not None and known.is_baseline:
        return inf
    if coverage is None:
        return nan
    if coverage.cache is not None:
        return inf
    if coverage.quantized <= 0:
        return 0.0
    return 1.0 if coverage.share is None else coverage.share


def quantized_briefly(scheme: str, coverage: Coverage | None) -> str:
    """What a scheme did that quantized nothing, or almost nothing, for a chip."""
    found = quantized_share(scheme, coverage)
    return _("quantized nothing") if found <= 0 else _("quantized only {share} of the weights", share=percent(found, 1))


def quantized_reason(scheme: str, coverage: Coverage | None) -> Reason:
    """Why a scheme that quantized nothing is not judged."""
    found = quantized_share(scheme, coverage)
    if found <= 0:
        return Reason(_("it quantized nothing"), _("they quantized nothing"))
    share = percent(found, 1)
    one, many = _("it quantized only {share} of the weights", share=share), _("they quantized only {share} of the weights", share=share)
    return Reason(one, many)


def change_between(result: VariantResult, baseline: VariantResult) -> AnswerChange | None:
    """How the answer differs from the baseline's; None if either has no answer, as with random weights."""
    if result.answer is None or baseline.answer is None:
        return None
    return change_of(baseline.answer, result.answer)


def known_truth(model: str, asked: Request | None) -> Truth | None:
    """The right answer to what was `asked` of `model`, where it is known."""
    return None if asked is None else truth_of(model, asked.prompt, asked.picture.sha256 if asked.picture else None)


def right_of(result: VariantResult, comparison: Comparison | None) -> float:
    """1 if the answer is right, 0 if it is wrong, NaN where the right one is not known, or none was made."""
    truth = known_truth(result.model, comparison.request if comparison is not None else None)
    return nan if truth is None or result.answer is None else float(truth.accepts(result.answer))


def _top1_most(agreement: Agreement | None) -> float:
    """The upper end of the 95% interval of a share of tokens; NaN where it is no share."""
    if agreement is None or not 0 <= agreement.top1 <= 1:
        return nan
    return proportion(round(agreement.top1 * agreement.tokens), agreement.tokens).high


def doubt_of(agreement: Agreement) -> float:
    """How far the mean divergence may be off to either side, nats; infinite where that is not known, 0 where there is no mean."""
    mean, error = agreement.kl_mean_nats, agreement.kl_se
    if mean is None or not isfinite(mean):
        return 0.0
    return DOUBT_ERRORS * error if error is not None and 0 <= error < inf else inf


def tail_of(agreement: Agreement) -> float:
    """The divergence that one token in a hundred exceeds, nats, or the largest of fewer than a hundred tokens.

    The largest alone would grow with the length of the text. 0 where it is not known: then nothing is said of it.
    """
    tail = agreement.tail
    if tail is None:
        return 0.0
    found = tail.kl_max_nats if tail.kl_99_nats is None else tail.kl_99_nats
    return found if isfinite(found) else 0.0


def hides_a_tail(agreement: Agreement) -> bool:
    """Whether the mean divergence is small, although one token is as far from the original as another model."""
    mean, tail = agreement.kl_mean_nats, agreement.tail
    return mean is not None and tail is not None and mean < CLOSE_NATS and tail.kl_max_nats >= FAR_NATS


def _pooled(agreements: list[Agreement]) -> tuple[float, float]:
    """Mean divergence and its doubt over all tokens of all texts; NaN without any, infinite if one is no number."""
    means = [agreement.kl_mean_nats for agreement in agreements]
    if not agreements:
        return nan, 0.0
    if any(mean is None or not isfinite(mean) for mean in means):
        return inf, 0.0
    total = sum(agreement.tokens for agreement in agreements)
    mean = sum((agreement.kl_mean_nats or 0.0) * agreement.tokens for agreement in agreements) / total
    return mean, hypot(*(doubt_of(agreement) * agreement.tokens for agreement in agreements)) / total
