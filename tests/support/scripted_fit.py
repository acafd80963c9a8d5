"""Invented estimates of a model of 4 GB at 16 bits, whose cache takes 100 KB a token."""

from qdash.catalog.schemes import find_scheme
from qdash.records import FitReport, FitScheme, FitSizes, MeasuredContext, Request
from qdash.runs.fit import CARDS_GB, lengths, usable_bytes
from qdash.runs.plan import labels_of


def fit_report(request: Request, context: int, conversations: int) -> FitReport:
    """All schemes of a request."""
    schemes = []
    for label, variant in zip(labels_of(request.variants), request.variants, strict=True):
        scheme = find_scheme(variant.scheme)
        here, on_card = (_sizes(scheme.bits or 16, width, context * conversations) for width in (4, 2))
        cards = tuple(card for card in CARDS_GB if on_card.needed_bytes <= usable_bytes(card))
        schemes.append(
            FitScheme(
                scheme=scheme.key, label=label, kind=scheme.kind, bits=scheme.bits, here=here, on_card=on_card,
                fits_here=here.needed_bytes < 16e9, cards=cards,
            )
        )  # fmt: skip
    return FitReport(
        model=request.variants[0].model, context=context, conversations=conversations, dtype="float32", card_dtype="bfloat16",
        available_bytes=16_000_000_000, longest_context=32768, picture_tokens=256, schemes=tuple(schemes),
    )  # fmt: skip


def measured_fit(report: FitReport) -> FitReport:
    """With peaks 4 % above the estimates."""
    measured = tuple(
        MeasuredContext(scheme=scheme.scheme, context=tokens, estimated_bytes=tokens * 10**6, peak_bytes=tokens * 1_040_000)
        for scheme in report.schemes
        for tokens in lengths(report.context)
    )
    return report.model_copy(update={"measured": measured})


def _sizes(bits: int, width: int, tokens: int) -> FitSizes:
    weights = 2_000_000_000 * (width if bits >= 16 else bits / 8)
    return FitSizes(
        weights_bytes=round(weights),
        loading_bytes=round(weights),
        cache_bytes=50_000 * width * tokens,
        working_bytes=30_000 * width * tokens,
    )
