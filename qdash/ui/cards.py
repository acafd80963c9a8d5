"""The row of cards, drawn as HTML from a board. Pure functions; model output and messages are escaped."""

from html import escape

from qdash.differences import differing_spans
from qdash.records import VariantResult
from qdash.ui import text
from qdash.ui.board import Board, Card
from qdash.ui.changes import change_of
from qdash.ui.markup import colour_classes, term
from qdash.ui.reasons import BUSY_NOISE, why_slower
from qdash.wording import ANSWERS_HIDDEN, mib, ms

_QUIET = '<span class="quiet">'


def cards_html(board: Board) -> str:
    """All cards. The baseline of a finished comparison gives the others their reference and the noise floor."""
    noise = board.comparison.noise_floor.relative if board.comparison and board.comparison.noise_floor else 0.0
    baseline = board.cards[0].result if board.cards else None
    inner = "".join(
        _card(card, board.reference if index else None, baseline if index else None, noise) for index, card in enumerate(board.cards)
    )
    return f'<div class="cards" role="list">{inner}</div>'


def announcement(board: Board) -> str:
    """One line for screen readers: what is going on, without reading out every token."""
    said = [f"{card.label}: {text.STATES[card.state][1].lower()}" for card in board.cards if card.state != "queued"]
    return escape(". ".join(said))


def _card(card: Card, reference: str | None, baseline: VariantResult | None, noise: float) -> str:
    """Six children whatever the state: the style sheet aligns them with those of the neighbours."""
    ran = card.result if card.result is not None and card.result.status == "ok" else None
    parts = [
        _header(card),
        _body(card, reference),
        _bar(card),
        _chip(card, baseline, noise),
        _facts(ran, baseline, noise) if ran else '<dl class="facts"></dl>',
        _why(ran, baseline, noise) if ran else '<p class="why"></p>',
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
        answer = _highlighted(reference, card.text) if card.state == "done" and reference is not None else escape(card.text)
        caret = '<span class="caret" aria-hidden="true"></span>' if card.state == "answering" else ""
        return f'<div class="ans" dir="auto">{answer}{caret}</div>'
    if card.state == "done":
        return f'<div class="ans about">{ANSWERS_HIDDEN}</div>'
    if card.state == "ready":
        return f'<div class="ans about">{escape(card.scheme.about)}</div>'
    ghost = '<i></i><i style="width:62%"></i>'
    return f'<div class="ans ghost" aria-hidden="true">{ghost}</div>'


def _highlighted(original: str, answer: str) -> str:
    return "".join(f"<mark>{escape(span)}</mark>" if differs else escape(span) for span, differs in differing_spans(original, answer))


def _bar(card: Card) -> str:
    """The progress of what a card is doing; an end that is unknown is a moving stripe."""
    if not card.running or card.state == "answering":
        return '<div class="bar off"></div>'
    if card.fraction is None:
        return '<div class="bar unknown" role="progressbar"><i></i></div>'
    percent = round(card.fraction * 100)
    return f'<div class="bar" role="progressbar" aria-valuenow="{percent}"><i style="width:{percent}%"></i></div>'


def _chip(card: Card, baseline: VariantResult | None, noise: float) -> str:
    if card.state == "done" and card.result is not None:
        return _outcome(card.result, baseline, noise)
    icon, word = text.STATES[card.state]
    detail = f" · {escape(card.detail)}" if card.detail and card.running else ""
    tone = {"failed": "bad", "skipped": "warn"}.get(card.state, "busy" if card.running else "")
    return f'<div><span class="chip {tone}"><span aria-hidden="true">{icon}</span> {word}{detail}</span></div>'


def _outcome(result: VariantResult, baseline: VariantResult | None, noise: float) -> str:
    if baseline is None or baseline.answer is None or result.answer is None:
        tone, icon, words = "", "", "Reference" if baseline is None else "Measured"
    else:
        change = change_of(baseline.answer, result.answer)
        tone, icon = ("good", "✓") if not change.differs else ("warn", "△")
        words = change.on_card + (" · good trade" if not change.differs and _good_trade(result, noise) else "")
    cut = "" if result.answer_complete is not False else ' <span class="quiet">cut at the limit</span>'
    mark = f'<span aria-hidden="true">{icon}</span> ' if icon else ""
    return f'<div><span class="chip {tone}">{mark}{escape(words)}</span>{cut}</div>'


def _good_trade(result: VariantResult, noise: float) -> bool:
    """At least a quarter smaller for real, and at most a fifth slower, as far as this machine can tell."""
    ratios = result.relative
    if ratios is None or ratios.memory is None or ratios.latency is None:
        return False
    return ratios.memory <= 0.75 and ratios.latency <= 1.2 and noise <= BUSY_NOISE


def _facts(result: VariantResult, baseline: VariantResult | None, noise: float) -> str:
    rows = _own_facts(result) if baseline is None or baseline.status != "ok" else _relative_facts(result, baseline, noise)
    cells = "".join(f"<dt>{term(name, text.TIPS[name])}</dt><dd>{value}</dd>" for name, value in rows)
    return f'<dl class="facts">{cells}</dl>'


def _own_facts(result: VariantResult) -> list[tuple[str, str]]:
    if result.latency is None or result.memory is None:
        return []
    return [
        ("First token", ms(result.latency.ttft_s.median)),
        ("Per token", ms(result.latency.tpot_s.median)),
        ("Weights", mib(result.memory.weights_bytes)),
    ]


def _relative_facts(result: VariantResult, baseline: VariantResult, noise: float) -> list[tuple[str, str]]:
    mine, theirs = result.latency, baseline.latency
    if mine is None or theirs is None or result.memory is None or baseline.memory is None:
        return []
    if result.kind == "simulated":
        projected = result.memory.projected_bytes
        share = text.percent(projected / baseline.memory.weights_bytes - 1) if projected else "—"
        weights = f"{share} {_QUIET}<i>projected</i></span>" if projected else "—"
        return [("First token", f"{_QUIET}not a real kernel</span>"), ("Per token", f"{_QUIET}—</span>"), ("Weights", weights)]
    return [
        ("First token", _exact(text.speed(mine.ttft_s.median / theirs.ttft_s.median, noise), ms(mine.ttft_s.median))),
        ("Per token", _exact(text.speed(mine.tpot_s.median / theirs.tpot_s.median, noise), ms(mine.tpot_s.median))),
        (
            "Weights",
            _exact(text.percent(result.memory.weights_bytes / baseline.memory.weights_bytes - 1), mib(result.memory.weights_bytes)),
        ),
    ]


def _exact(words: str, number: str) -> str:
    """Relative words; the number itself is one hover away."""
    return f'<span title="{escape(number)}">{escape(words)}</span>'


def _why(result: VariantResult, baseline: VariantResult | None, noise: float) -> str:
    reason = why_slower(result, baseline, noise) if baseline is not None else None
    return f'<p class="why">{escape(reason or "")}</p>'
