"""The row of cards, drawn as HTML from a board. Pure functions; model output and messages are escaped."""

from html import escape

from qdash.present.formatting import ANSWERS_HIDDEN
from qdash.present.text_diff import differing_spans
from qdash.records import Comparison, VariantResult
from qdash.ui.components import text
from qdash.ui.components.markup import colour_classes, term
from qdash.ui.results.card_metrics import facts_html, names_html
from qdash.ui.results.compare_state import Card, CompareState
from qdash.ui.results.token_heatmap import strip_html
from qdash.verdict import judge
from qdash.verdict.judging import reference_words
from qdash.verdict.reasons import why_slower


def cards_html(board: CompareState) -> str:
    """All cards. The baseline gives the others their reference; grades and speeds wait until the comparison is over."""
    inner = "".join(_card(board, index) for index in range(len(board.cards)))
    return f'<div class="cards" role="list">{inner}</div>'


def announcement(board: CompareState) -> str:
    """One line for screen readers: what is going on, without reading out every token."""
    said = [f"{card.label}: {text.STATES[card.state][1].lower()}" for card in board.cards if card.state != "queued"]
    return escape(". ".join(said))


def _card(board: CompareState, index: int) -> str:
    """Six children whatever the state: the style sheet aligns them with those of the neighbours."""
    card = board.cards[index]
    baseline = board.cards[0].result if index else None
    comparison = board.comparison
    ran = card.result if card.result is not None and card.result.status == "ok" else None
    parts = [
        _header(card),
        _body(card, board.reference if index else None),
        strip_html(ran.agreement) if ran and ran.agreement and ran.agreement.per_token else _bar(card),
        _outcome(ran, baseline, comparison) if ran and comparison else _chip(card),
        facts_html(ran, baseline, comparison) if ran else _facts_to_come(card, original=not index),
        _why(ran, baseline, comparison) if ran and comparison else '<p class="why"></p>',
    ]
    classes = f"card {colour_classes(card.result or card.scheme)} is-{card.state}"
    return f'<article class="{classes}" role="listitem" aria-label="{escape(card.label)}">{"".join(parts)}</article>'


def _header(card: Card) -> str:
    simulated = card.scheme.kind == "simulated"
    if card.scheme.is_baseline and card.result is not None and card.result.dtype:
        badge = f'<span class="badge">{escape(card.result.dtype.upper())}</span>'
    else:
        word = "SIMULATED" if simulated else "REAL"
        badge = f'<span class="badge {"sim" if simulated else ""}">{term(word, text.TIPS[word])}</span>'
    return f"<header><b>{escape(card.label)}</b>{badge}</header>"


def _body(card: Card, reference: str | None) -> str:
    error = card.result.error if card.result else None
    if error is not None and card.state != "stopped":
        return f'<div class="ans problem" dir="auto"><b>{escape(error.message)}</b> {escape(error.remedy)}</div>'
    if card.text:
        said = card.text.lstrip()  # what goes on with a story begins with a space
        answer = _highlighted(reference.lstrip(), said) if card.result is not None and reference is not None else escape(said)
        caret = '<span class="caret" aria-hidden="true"></span>' if card.state == "answering" else ""
        return f'<div class="ans" dir="auto">{answer}{caret}</div>'
    if card.result is not None and card.state != "stopped":
        return f'<div class="ans about">{ANSWERS_HIDDEN if card.result.answer is None else "The answer is empty."}</div>'
    if card.state == "ready":
        return f'<div class="ans about">{escape(card.scheme.about)}</div>'
    ghost = '<i></i><i style="width:62%"></i>'
    return f'<div class="ans ghost" aria-hidden="true">{ghost}</div>'


def _highlighted(original: str, answer: str) -> str:
    return "".join(f"<mark>{escape(span)}</mark>" if differs else escape(span) for span, differs in differing_spans(original, answer))


def _bar(card: Card) -> str:
    """The progress of what a card is doing; an end that is unknown is a moving stripe. That of timing is in the chip, below the strip."""
    if not card.running or card.state in ("answering", "measuring"):
        return '<div class="bar off"></div>'
    if card.fraction is None:
        return '<div class="bar unknown" role="progressbar"><i></i></div>'
    percent = round(card.fraction * 100)
    return f'<div class="bar" role="progressbar" aria-valuenow="{percent}"><i style="width:{percent}%"></i></div>'


def _chip(card: Card) -> str:
    """What a card is doing, as an icon and words; while it is timed, filled as far as that is done."""
    icon, word = text.STATES[card.state]
    said = "waiting" if card.detail.startswith("waiting") else card.detail  # for what, is said above the cards
    detail = f" · {escape(said)}" if said and card.running else ""
    tone = {"failed": "bad", "skipped": "warn"}.get(card.state, "busy" if card.running else "")
    filled = f' style="--done:{round(card.fraction * 100)}%"' if card.state == "measuring" and card.fraction is not None else ""
    return f'<div><span class="chip {tone}"{filled}><span aria-hidden="true">{icon}</span> {word}{detail}</span></div>'


def _outcome(result: VariantResult, baseline: VariantResult | None, comparison: Comparison) -> str:
    """The grade of a variant in a comparison that is over."""
    judgement = judge(result, baseline, comparison) if baseline is not None else None
    cut = "" if result.answer_complete is not False else ' <span class="quiet">cut at the limit</span>'
    if judgement is None:
        tone, word = reference_words(result, comparison)
        return f'<div><span class="chip {tone}">{term(word, result.agreement_problem or "")}</span>{cut}</div>'
    icon = f'<span aria-hidden="true">{judgement.icon}</span>'
    tip = " ".join(filter(None, (judgement.because, judgement.evidence)))
    return f'<div><span class="chip {judgement.tone}">{icon} {term(judgement.words, tip)}</span>{cut}</div>'


def _facts_to_come(card: Card, *, original: bool) -> str:
    """The names of figures without the figures while a card waits for them, so that it keeps its height when they come."""
    return names_html(original=original) if card.running or card.state == "queued" else '<dl class="facts"></dl>'


def _why(result: VariantResult, baseline: VariantResult | None, comparison: Comparison | None) -> str:
    reason = why_slower(result, comparison) if baseline is not None and comparison is not None else None
    return f'<p class="why">{escape(" ".join([*filter(None, [reason]), *result.notes]))}</p>'
