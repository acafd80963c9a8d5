"""The strip under an answer: one cell for each token of the original's answer, stronger the further the variant is from it there, marked
where the variant would predict another token and where the original's own choice was a close call.

Divergences span many powers of ten, so strength goes with their logarithm: nothing up to a thousandth of a nat, full from two nats.
"""

from dataclasses import dataclass
from math import log10

from qdash.present.formatting import nats
from qdash.present.language import _, ngettext
from qdash.records import Agreement, TokenAgreement
from qdash.verdict.close_calls import is_close, margin_words

_FAINTEST, _FULL = 1e-3, 2.0


@dataclass(frozen=True)
class TokenCell:
    """One token: how strongly to draw it (0 to 1), its description, whether the variant would predict another token there, and whether the
    original's choice was a close call.
    """

    strength: float
    words: str
    diverges: bool
    close: bool = False


def cells(agreement: Agreement) -> tuple[TokenCell, ...]:
    """The cells of a strip in reading order; at most `MAX_SHOWN_TOKENS`."""
    last = len(agreement.per_token) - 1
    return tuple(
        TokenCell(_strength(token.kl_nats), _described(token, end=place == last), token.instead is not None, is_close(token))
        for place, token in enumerate(agreement.per_token)
    )


def summary(agreement: Agreement) -> str:
    """Describes the strip in a sentence."""
    shown = agreement.per_token
    worst = max(shown, key=lambda token: float("inf") if token.kl_nats is None else token.kl_nats)
    if not worst.kl_nats and worst.kl_nats is not None:
        return ngettext(
            "Distance from the original at each of {number} token: none.",
            "Distance from the original at each of {number} tokens: none.",
            len(shown),
        )
    return ngettext(
        "Distance from the original at each of {number} token. Largest: {place}.",
        "Distance from the original at each of {number} tokens. Largest: {place}.",
        len(shown),
        place=_words(worst, end=worst is shown[-1]),
    )


def _strength(kl_nats: float | None) -> float:
    if kl_nats is None:
        return 1.0
    return min(1.0, log10(max(kl_nats, _FAINTEST) / _FAINTEST) / log10(_FULL / _FAINTEST))


def _described(token: TokenAgreement, end: bool) -> str:
    """“square”: 2.3 nats, would say “star”; close call, margin 3% → 20%."""
    words = _words(token, end)
    if token.margin_original is None:
        return words
    before, after = margin_words(token.margin_original), _("not finite") if token.margin is None else margin_words(token.margin)
    if is_close(token):
        return _("{words}; close call, margin {before} → {after}", words=words, before=before, after=after)
    return _("{words}; margin {before} → {after}", words=words, before=before, after=after)


def _words(token: TokenAgreement, end: bool) -> str:
    """“square”: 2.3 nats, would say “star”."""
    piece, distance = _piece(token, end), nats(token.kl_nats) if token.kl_nats is None else f"{nats(token.kl_nats)} nats"
    if token.instead is None:
        return f"{piece}: {distance}"
    return _("{piece}: {distance}, would say “{other}”", piece=piece, distance=distance, other=token.instead.strip() or token.instead)


def _piece(token: TokenAgreement, end: bool) -> str:
    if token.piece.strip():
        return f"“{token.piece.strip()}”"
    return _("end") if end and not token.piece else _("part of a word")
