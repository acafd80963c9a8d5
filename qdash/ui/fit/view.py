"""What the Fit tab says and lists, from a report alone. Pure functions."""

from markupsafe import Markup

from qdash.markup import Macros
from qdash.present.fit import conditions, fits_here, is_lower_bound, off, smallest_card, too_long
from qdash.present.formatting import mib
from qdash.present.language import _, decimal, recorded
from qdash.records import FitReport, FitScheme
from qdash.runs.fit import CARDS_GB, usable_bytes
from qdash.ui.components.verdict_header import sentence_html

_draw = Macros("qdash.ui.fit.page")


def limits_of(report: FitReport, *, on_card: bool) -> dict[str, int]:
    """What bars are held against: name → bytes that a model may take."""
    if not on_card:
        return {_("this machine"): report.available_bytes}
    return {f"{card} GB": usable_bytes(card) for card in CARDS_GB}


def headline_html(report: FitReport, *, on_card: bool) -> Markup:
    """Whether the original and the smallest scheme fit, and what the cache takes."""
    first = report.schemes[0]
    known = [scheme for scheme in report.schemes if not is_lower_bound(scheme)]
    smallest = min(known or report.schemes, key=lambda scheme: scheme.on_card.total_bytes)
    said = [_said(scheme, on_card=on_card) for scheme in dict.fromkeys((first, smallest))]
    sizes = first.on_card if on_card else first.here
    why = _(
        "At {tokens} tokens the key-value cache of {label} takes {cache}, reading the prompt {working}.",
        tokens=decimal(report.context), label=recorded(first.label), cache=mib(sizes.cache_bytes), working=mib(sizes.working_bytes),
    )  # fmt: skip
    return sentence_html(" ".join(said), " ".join(filter(None, (too_long(report), why))))


def _said(scheme: FitScheme, *, on_card: bool) -> str:
    label = recorded(scheme.label)
    if not on_card:
        size = mib(scheme.here.total_bytes)
        if scheme.fits_here:
            return _("{label} fits this machine: {size}.", label=label, size=size)
        return _("{label} does not fit this machine: {size}.", label=label, size=size)
    size = mib(scheme.on_card.total_bytes)
    if not scheme.cards:
        return _("{label} fits none of these cards: {size}.", label=label, size=size)
    return _("{label} fits a card of {card} GB: {size}.", label=label, card=min(scheme.cards), size=size)


def table_html(report: FitReport, *, on_card: bool) -> Markup:
    """The chart's figures."""
    fits = _("Smallest card") if on_card else _("Fits here")
    headings = (_("Scheme"), fits, _("Total"), _("Weights"), _("Cache"), _("Working"))
    return _draw.rows(headings, [_row(scheme, on_card=on_card) for scheme in report.schemes])


def _row(scheme: FitScheme, *, on_card: bool) -> tuple[str, ...]:
    sizes = scheme.on_card if on_card else scheme.here
    fits = smallest_card(scheme) if on_card else fits_here(scheme)
    # What decides first: on a phone the parts are scrolled to.
    parts = (sizes.total_bytes, sizes.weights_bytes, sizes.cache_bytes, sizes.working_bytes)
    return (recorded(scheme.label), fits, *map(mib, parts))


def notes_html(report: FitReport) -> Markup:
    """The conditions."""
    return _draw.notes(list(conditions(report)))


def measured_html(report: FitReport) -> Markup:
    """What was measured beside its estimate, or why it could not be."""
    headings = (_("Scheme"), _("Tokens"), _("Estimate"), _("Measured peak"), _("Off by"))
    labels = {scheme.scheme: recorded(scheme.label) for scheme in report.schemes}
    rows = [
        (
            labels[entry.scheme],
            decimal(entry.context),
            mib(entry.estimated_bytes),
            mib(entry.peak_bytes) if entry.peak_bytes is not None else "–",
            off(entry) if entry.problem is None else f"{recorded(entry.problem.message)} {recorded(entry.problem.remedy)}",
        )
        for entry in report.measured
    ]
    title = _("Measured on this machine: {model}, {dtype}", model=report.model, dtype=report.dtype)
    return _draw.measured(title, headings, rows)
