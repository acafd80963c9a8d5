"""The table of tails: how far a variant's worst tokens are from the original, beside the mean, for page, report and terminal."""

from collections.abc import Iterator

from qdash.present.formatting import nats, percent
from qdash.present.language import N_, _, decimal, recorded
from qdash.records import Agreement, Comparison, Tail
from qdash.records.agreement import CLOSE_CALL, LEAST_TOKENS
from qdash.verdict.judging import mean_words

HEADINGS = (
    N_("Variant"), N_("Tokens"), N_("Flips"), N_("Close calls"), N_("Mean KL"), N_("95%"), N_("99%"), N_("99.9%"), N_("Maximum"),
    N_("RMS Δp"),
)  # fmt: skip
UNKNOWN = "–"


def tail_rows(comparison: Comparison) -> tuple[tuple[str, ...], ...]:
    """One row under HEADINGS for every text that a variant was compared along; none for records of earlier versions."""
    return tuple(
        (name, *_cells(agreement, agreement.tail))
        for name, agreement in _compared(comparison)
        if agreement.tail is not None and agreement.tokens > 0
    )


def tail_words() -> str:
    """Explains the table in a few sentences."""
    tokens = [decimal(least) for least in LEAST_TOKENS.values()]
    return _(
        "KL in nats. Flips: tokens where another one is likeliest than for the original. Close calls: how many of the tokens flipped at "
        "which the original’s two likeliest are less than {margin} apart. 95%, 99%, 99.9%: the KL that this share of the tokens does not "
        "exceed, known from {first}, {second} and {third} tokens on. RMS Δp: by how much the probability of the text’s own token changes, "
        "root mean square ± standard error.",
        margin=percent(CLOSE_CALL), first=tokens[0], second=tokens[1], third=tokens[2],
    )  # fmt: skip


def _compared(comparison: Comparison) -> Iterator[tuple[str, Agreement]]:
    for result in comparison.variants:
        if result.agreement is not None:
            yield recorded(result.label), result.agreement
        if result.agreement_text is not None:
            yield _("{name}, on the text", name=recorded(result.label)), result.agreement_text


def _cells(agreement: Agreement, tail: Tail) -> tuple[str, ...]:
    flips, quantiles = agreement.flips, (tail.kl_95_nats, tail.kl_99_nats, tail.kl_999_nats)
    error = "" if tail.delta_p_rms_se is None else f" ± {percent(tail.delta_p_rms_se, 1)}"
    return (
        decimal(agreement.tokens),
        UNKNOWN if flips is None else decimal(flips.flipped),
        UNKNOWN if flips is None else _("{flipped} of {close}", flipped=decimal(flips.flipped_close), close=decimal(flips.close)),
        mean_words(agreement),
        *(UNKNOWN if quantile is None else nats(quantile) for quantile in quantiles),
        nats(tail.kl_max_nats),
        f"{percent(tail.delta_p_rms, 1)}{error}",
    )
