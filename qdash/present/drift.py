"""How it is said how closely other files' models follow the first one's along a text, for the page and the terminal."""

from qdash.present.formatting import nats, percent
from qdash.present.language import N_
from qdash.present.weight_files import UNKNOWN
from qdash.records import Agreement, WeightReport

LOWER_BOUND = N_("KL is a lower bound, if a tight one: rarer words of a large vocabulary count as one")


def drift_figures(drift: Agreement) -> tuple[str, ...]:
    """KL in nats, its standard error, the share of tokens with the same likeliest token, both perplexities, and how many tokens."""
    error = UNKNOWN if drift.kl_se is None else nats(drift.kl_se)
    perplexities = (UNKNOWN if value is None else f"{value:.2f}" for value in (drift.ppl_original, drift.ppl))
    return (nats(drift.kl_mean_nats), error, percent(drift.top1, 1), " → ".join(perplexities), f"{drift.tokens:,}")


def has_lower_bound(report: WeightReport) -> bool:
    """Whether a divergence of the report leaves rarer words undivided; see `LOWER_BOUND`."""
    return any(scheme.drift and not scheme.drift.exact for scheme in report.schemes)
