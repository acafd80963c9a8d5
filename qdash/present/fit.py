"""How it is said what a context takes, for the page and the terminal."""

from collections.abc import Iterator

from qdash.catalog.schemes import known_scheme
from qdash.present.formatting import mib, percent
from qdash.present.language import _, decimal, ngettext, recorded
from qdash.records import FitReport, FitScheme, MeasuredContext


def fitting_cards(scheme: FitScheme) -> str:
    """“24 GB and more”, or that none of the cards is large enough."""
    if not scheme.cards:
        return _("none of these")
    if is_lower_bound(scheme):
        return _("at least {size} GB", size=min(scheme.cards))
    return _("{size} GB and more", size=min(scheme.cards))


def smallest_card(scheme: FitScheme) -> str:
    """“24 GB”, or that none of the cards is large enough."""
    if scheme.cards and not is_lower_bound(scheme):
        return _("{size} GB", size=min(scheme.cards))
    return fitting_cards(scheme)


def fits_here(scheme: FitScheme) -> str:
    """“yes”, “no”, or that it is not known."""
    if not scheme.fits_here:
        return _("no")
    return _("not known") if is_lower_bound(scheme) else _("yes")


def off(entry: MeasuredContext) -> str:
    """How far an estimate is from what was measured, with its sign: “+3.1%”."""
    if entry.error is None:
        return _("not measured")
    return f"{'−' if entry.error < 0 else '+'}{percent(abs(entry.error), 1)}"


def is_lower_bound(scheme: FitScheme) -> bool:
    """Whether it rounds activations, whose memory the estimate leaves out: then it may not fit where the estimate does."""
    known = known_scheme(scheme.scheme)
    return known is not None and (known.activation_bits or 16) < 16


def too_long(report: FitReport) -> str:
    """That the model was made for fewer tokens, and what that means; empty if it was not."""
    if report.longest_context is None or report.context <= report.longest_context:
        return ""
    return _(
        "⚠ The model was made for {tokens} tokens. At {context} it may still run, but its answers get worse.",
        tokens=decimal(report.longest_context), context=decimal(report.context),
    )  # fmt: skip


def _usual(report: FitReport) -> str:
    """Where a context that nobody chose comes from."""
    tokens = decimal(report.context)
    if report.context == report.longest_context:
        return _("No context was chosen, so it is the longest that the model was made for: {tokens} tokens.", tokens=tokens)
    return _("No context was chosen, so it is the usual one of {tokens} tokens.", tokens=tokens)


def conditions(report: FitReport) -> Iterator[str]:
    """The sentences that a number cannot be read without."""
    yield ngettext(
        "{number} conversation of {tokens} tokens, in {dtype} on this machine and in {card_dtype} on a card.",
        "{number} conversations of {tokens} tokens each, read together, in {dtype} on this machine and in {card_dtype} on a card.",
        report.conversations,
        number=decimal(report.conversations), tokens=decimal(report.context), dtype=report.dtype, card_dtype=report.card_dtype,
    )  # fmt: skip
    if not report.context_chosen:
        yield _usual(report)
    yield _("{size} of this machine may be used.", size=mib(report.available_bytes))
    yield _("Of a card, 5% and 600 MiB are kept free, for its driver and for what an estimate misses.")
    if report.has_states:
        yield _(
            "Some layers keep a state of a constant size in place of keys and values. The kernels of mamba-ssm and flash-linear-attention, "
            "where they are installed, take less memory for reading than is estimated here."
        )
    if report.picture_tokens is not None:
        tokens = decimal(report.picture_tokens)
        yield _("A picture of 1024 × 768 pixels takes {tokens} tokens of the context. What looking at it takes is left out.", tokens=tokens)
    for scheme in report.schemes:
        if scheme.on_card.needed_bytes > scheme.on_card.total_bytes:
            size = mib(scheme.on_card.loading_bytes)
            yield _("{label} takes {size} of a card while it is loaded, more than afterwards.", label=recorded(scheme.label), size=size)
    rounding = [recorded(scheme.label) for scheme in report.schemes if is_lower_bound(scheme)]
    if rounding:
        labels = ", ".join(rounding)
        yield _("The estimate leaves out the memory for rounding activations, which may be a multiple of it: {labels}.", labels=labels)
    if any(scheme.kind == "simulated" for scheme in report.schemes):
        yield _("A simulated scheme takes the memory of its stand-in.")
    if any(scheme.rough for scheme in report.schemes):
        yield _("Weights are told roughly, from the headers of the files.")
