"""The strip under an answer: one cell for each token of the original's answer, stronger the further the variant is from it there.

Divergences span many powers of ten, so strength goes with their logarithm: nothing up to a thousandth of a nat, full from two nats.
"""

from dataclasses import dataclass
from math import log10

from qdash.present.formatting import nats, several
from qdash.records import Agreement, TokenAgreement

_FAINTEST, _FULL = 1e-3, 2.0


@dataclass(frozen=True)
class TokenCell:
    """One token: how strongly to draw it (0 to 1), its description, and whether the variant would predict another token there."""

    strength: float
    words: str
    diverges: bool


def cells(agreement: Agreement) -> tuple[TokenCell, ...]:
    """The cells of a strip in reading order; at most `MAX_SHOWN_TOKENS`."""
    last = len(agreement.per_token) - 1
    return tuple(
        TokenCell(_strength(token.kl_nats), _words(token, end=place == last), token.instead is not None)
        for place, token in enumerate(agreement.per_token)
    )


def summary(agreement: Agreement) -> str:
    """Describes the strip in a sentence."""
    shown = agreement.per_token
    worst = max(shown, key=lambda token: float("inf") if token.kl_nats is None else token.kl_nats)
    if not worst.kl_nats and worst.kl_nats is not None:
        return f"Distance from the original at each of {several(len(shown), 'token', 'tokens')}: none."
    place = _words(worst, end=worst is shown[-1])
    return f"Distance from the original at each of {several(len(shown), 'token', 'tokens')}. Largest: {place}."


def _strength(kl_nats: float | None) -> float:
    if kl_nats is None:
        return 1.0
    return min(1.0, log10(max(kl_nats, _FAINTEST) / _FAINTEST) / log10(_FULL / _FAINTEST))


def _words(token: TokenAgreement, end: bool) -> str:
    """“square”: 2.3 nats, would say “star”."""
    piece = f"“{token.piece.strip()}”" if token.piece.strip() else ("end" if end and not token.piece else "part of a word")
    instead = f", would say “{token.instead.strip() or token.instead}”" if token.instead is not None else ""
    return f"{piece}: {nats(token.kl_nats)}{'' if token.kl_nats is None else ' nats'}{instead}"
