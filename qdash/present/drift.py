"""How it is said how closely other files' models follow the first one's along a text, for the page and the terminal."""

from qdash.present.formatting import nats, percent
from qdash.present.language import N_, _, recorded
from qdash.present.weight_files import UNKNOWN
from qdash.records import Agreement, WeightReport

LOWER_BOUND = N_("KL is a lower bound, if a tight one: rarer words of a large vocabulary count as one")


DRIFT_HEADINGS = (N_("along the text"), N_("KL, nats"), N_("standard error"), N_("same token"), N_("perplexity"), N_("tokens"))
"""For a file's name and its figures."""


def drift_lines(report: WeightReport) -> tuple[list[tuple[str, ...]], list[str]]:
    """Rows under `DRIFT_HEADINGS` for the files that were followed, and sentences: why others were not, and what the figures leave out."""
    rows = [(scheme.label, *_figures(scheme.drift)) for scheme in report.schemes if scheme.drift]
    problems = [f"{scheme.label}: {recorded(scheme.drift_problem)}" for scheme in report.schemes if scheme.drift_problem]
    return rows, [*problems, *([f"{_(LOWER_BOUND)}."] if _has_lower_bound(report) else [])]


def _figures(drift: Agreement) -> tuple[str, ...]:
    """KL in nats, its standard error, the share of tokens with the same likeliest token, both perplexities, and how many tokens."""
    error = UNKNOWN if drift.kl_se is None else nats(drift.kl_se)
    perplexities = (UNKNOWN if value is None else f"{value:.2f}" for value in (drift.ppl_original, drift.ppl))
    return (nats(drift.kl_mean_nats), error, percent(drift.top1, 1), " → ".join(perplexities), f"{drift.tokens:,}")


def _has_lower_bound(report: WeightReport) -> bool:
    """Whether a divergence of the report leaves rarer words undivided; see `LOWER_BOUND`."""
    return any(scheme.drift and not scheme.drift.exact for scheme in report.schemes)
