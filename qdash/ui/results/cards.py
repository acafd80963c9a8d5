"""The row of cards, drawn as HTML from a state. Pure functions."""

from dataclasses import dataclass

from markupsafe import Markup

from qdash.markup import Macros, colour_classes
from qdash.present.formatting import ANSWERS_HIDDEN
from qdash.present.language import _, recorded
from qdash.present.text_diff import differing_spans
from qdash.records import Comparison, Request, VariantResult
from qdash.ui.components import text
from qdash.ui.results.card_metrics import facts_html, names_html, no_figures_html
from qdash.ui.results.compare_state import Card, CompareState
from qdash.ui.results.token_heatmap import strip_html
from qdash.verdict import judge
from qdash.verdict.judging import reference_words
from qdash.verdict.marks import mark_of
from qdash.verdict.reasons import why_slower

_draw = Macros(__name__)


def cards_html(state: CompareState, *, saves: bool = False) -> Markup:
    """All cards. The baseline gives the others their reference; grades and speeds wait until the comparison is over.

    `saves`: whether those that ran offer to save their version once it is.
    """
    return _draw.cards([_drawn(state, index, saves) for index in range(len(state.cards))])


def announcement(state: CompareState) -> str:
    """One line for screen readers, plain text: what is going on, without reading out every token."""
    said = [f"{recorded(card.label)}: {_(text.WITHIN[card.state])}" for card in state.cards if card.state != "queued"]
    return ". ".join(said)


@dataclass(frozen=True)
class Drawn:
    """A card as the template lays it out: six rows whatever its state, which the style sheet aligns with those of its neighbours."""

    card: Card
    colours: str
    badge: tuple[str, str, bool]
    """Words, what explains them ("": nothing does), and whether it is outlined as simulated."""
    body: Markup
    strip: Markup
    chip: Markup
    figures: Markup
    why: str
    save: int | None
    """The number of the version that it offers to save."""


def _drawn(state: CompareState, index: int, saves: bool) -> Drawn:
    card = state.cards[index]
    baseline = state.cards[0].result if index else None
    comparison = state.comparison
    ran = card.result if card.result is not None and card.result.status == "ok" else None
    return Drawn(
        card=card,
        colours=colour_classes(card.result or card.scheme),
        badge=_badge(card),
        body=_body(card, state.reference if index else None, state.asked),
        strip=strip_html(ran.agreement) if ran and ran.agreement and ran.agreement.per_token else _bar(card),
        chip=_outcome(ran, baseline, comparison) if ran and comparison else _chip(card),
        figures=facts_html(ran, baseline, comparison) if ran else _figures_to_come(card, original=not index),
        why=_why(ran, baseline, comparison) if ran and comparison else "",
        save=index if saves and ran and comparison else None,
    )


def _badge(card: Card) -> tuple[str, str, bool]:
    if card.scheme.is_baseline and card.result is not None and card.result.dtype:
        return card.result.dtype.upper(), "", False
    word = "SIMULATED" if card.scheme.kind == "simulated" else "REAL"
    return _(word), _(text.TIPS[word]), word == "SIMULATED"


def _body(card: Card, reference: str | None, asked: Request | None) -> Markup:
    """The answer and, once it is complete and if that is known, whether it is right."""
    error = card.result.error if card.result else None
    if error is not None and card.state != "stopped":
        return _draw.problem(error)
    if card.text:
        said = card.text.lstrip()  # what goes on with a story begins with a space
        compared = card.result is not None and reference is not None
        spans = differing_spans(reference.lstrip(), said) if compared and reference is not None else [(said, False)]
        mark = mark_of(card.result, asked) if card.result is not None and card.state != "stopped" else None
        return _draw.answer(spans, card.state == "answering", mark)
    if card.result is not None and card.state != "stopped":
        return _draw.about(_(ANSWERS_HIDDEN) if card.result.answer is None else _("The answer is empty."))
    return _draw.about(_(card.scheme.about)) if card.state == "ready" else _draw.ghost()


def _bar(card: Card) -> Markup:
    """The progress of what a card is doing. That of timing is in the chip, below the strip."""
    return _draw.progress(card.running and card.state not in ("answering", "measuring"), card.fraction)


def _chip(card: Card) -> Markup:
    """What a card is doing, as an icon and words; while it is timed, filled as far as that is done."""
    icon, word = text.STATES[card.state]
    said = _("waiting") if card.detail.startswith("waiting") else recorded(card.detail)  # for what, is said above the cards
    detail = f" · {said}" if said and card.running else ""
    tone = {"failed": "bad", "skipped": "warn"}.get(card.state, "busy" if card.running else "")
    done = round(card.fraction * 100) if card.state == "measuring" and card.fraction is not None else None
    return _draw.doing(icon, f"{_(word)}{detail}", tone, done)


def _outcome(result: VariantResult, baseline: VariantResult | None, comparison: Comparison) -> Markup:
    """The grade of a variant in a comparison that is over."""
    judgement = judge(result, baseline, comparison) if baseline is not None else None
    cut = result.answer_complete is False
    if judgement is None:
        tone, word = reference_words(result, comparison)
        return _draw.outcome("", word, recorded(result.agreement_problem or ""), tone, cut)
    tip = " ".join(filter(None, (judgement.because, judgement.evidence)))
    return _draw.outcome(judgement.icon, judgement.words, tip, judgement.tone, cut)


def _figures_to_come(card: Card, *, original: bool) -> Markup:
    """The names of figures without the figures while a card waits for them, so that it keeps its height when they come."""
    return names_html(original=original) if card.running or card.state == "queued" else no_figures_html()


def _why(result: VariantResult, baseline: VariantResult | None, comparison: Comparison) -> str:
    """Why it is slower, and notes; what the original's card says of the model's files is not said again."""
    reason = why_slower(result, comparison) if baseline is not None else None
    told = baseline.notes if baseline is not None and baseline.model == result.model else ()
    return " ".join([*filter(None, [reason]), *(recorded(note) for note in result.notes if note not in told)])
