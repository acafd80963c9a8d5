"""Says which of the original's choices a variant flips along a text, and whether those were close calls.

A model that is rounded moves every probability a little. Where the original's two likeliest tokens are nearly level, that is enough to
swap them, in a good version as in a bad one; where the original was sure, it takes a large error.
"""

from collections.abc import Sequence

from qdash.present.formatting import percent
from qdash.present.language import N_, _, ngettext
from qdash.records import Agreement, EvaluatedVariant, ItemResult, TokenAgreement
from qdash.records.agreement import CLOSE_CALL


def flips_told(agreement: Agreement, *, own_answer: bool = True) -> str:
    """“2 of 31 tokens differ. Both were close calls: the original's own margins were 3% and 5%.”

    Empty for records of earlier versions. `own_answer`: the text is the original's answer, of which it has every token right; along any
    other text it is also told how many tokens became right and wrong.
    """
    flips = agreement.flips
    if flips is None:
        return ""
    if not flips.flipped:
        return _none_flipped(agreement.tokens, flips.close)
    differ = ngettext("{number} of {tokens} tokens differs.", "{number} of {tokens} tokens differ.", flips.flipped, tokens=agreement.tokens)
    ways = "" if own_answer else _both_ways(flips.lost, flips.gained)
    return " ".join(filter(None, (differ, _how_close(flips.flipped, flips.flipped_close, _margins(agreement)), ways)))


def flips_briefly(agreement: Agreement) -> str:
    """“2 of 31 tokens differ, both close calls”, for one line of a card; empty for records of earlier versions."""
    flips = agreement.flips
    if flips is None:
        return ""
    flipped, close = flips.flipped, flips.flipped_close
    if not flipped:
        calls = ngettext("{number} close call", "{number} close calls", flips.close) if flips.close else _("no close call")
        return _("No token of {tokens} differs, {calls}", tokens=agreement.tokens, calls=calls)
    if not close:
        calls = _("no close call")
    elif close == flipped:
        calls = _(_EVERY_ONE[min(flipped, 3)])
    else:
        calls = ngettext("{number} close call", "{number} close calls", close)
    return ngettext(
        "{number} of {tokens} tokens differs, {calls}",
        "{number} of {tokens} tokens differ, {calls}",
        flipped,
        tokens=agreement.tokens,
        calls=calls,
    )


_EVERY_ONE = {1: N_("a close call"), 2: N_("both close calls"), 3: N_("all close calls")}
"""Of one, two and more flips."""


def is_close(token: TokenAgreement) -> bool:
    """Whether the original's choice of a token was a close call; False where that is not known."""
    return token.margin_original is not None and token.margin_original < CLOSE_CALL


def changed_closely(result: EvaluatedVariant, original: EvaluatedVariant) -> tuple[int, int]:
    """Of the questions that only one of the two got right, those whose answers part at a close call, and those of which that is known."""
    theirs = {item.index: item.correct for item in original.items}
    changed = [item for item in result.items if item.correct != theirs.get(item.index, item.correct)]
    margins = [item.margin_original for item in changed if item.margin_original is not None]
    return sum(margin < CLOSE_CALL for margin in margins), len(margins)


def parting_words(item: ItemResult) -> str:
    """“close call, 3%”, “no close call, 45%”; empty where an answer does not part from the original's, or it is not known where."""
    if item.margin_original is None:
        return ""
    words = N_("close call, {margin}") if item.margin_original < CLOSE_CALL else N_("no close call, {margin}")
    return _(words, margin=margin_words(item.margin_original))


def margin_words(margin: float) -> str:
    """“3%”, “< 1%”."""
    return f"< {percent(0.01)}" if 0 < margin < 0.01 else percent(margin)


def _none_flipped(tokens: int, close: int) -> str:
    same = ngettext("The {number} token is the same.", "All {number} tokens are the same.", tokens)
    calls = ngettext("{number} was a close call.", "{number} were close calls.", close) if close else _("None was a close call.")
    return f"{same} {calls}"


def _margins(agreement: Agreement) -> Sequence[float]:
    """The original's margins at every flip, smallest first; empty unless all of them are known."""
    found = [token.margin_original for token in agreement.per_token if token.instead is not None]
    known = sorted(margin for margin in found if margin is not None)
    return known if agreement.flips is not None and len(known) == agreement.flips.flipped else ()


_ONE = (N_("It was a close call."), N_("It was a close call: the original's own margin was {margin}."))
_ONE_SURE = (N_("It was no close call."), N_("It was no close call: the original's own margin was {margin}."))
_BOTH = (
    N_("Both were close calls."),
    N_("Both were close calls: the original's own margin was {margin}."),
    N_("Both were close calls: the original's own margins were {margin} and {largest}."),
)
_ALL = (
    N_("All were close calls."),
    N_("All were close calls: the original's own margin was {margin}."),
    N_("All were close calls: the original's own margins were {margin} to {largest}."),
)
_NONE = (
    N_("None was a close call."),
    N_("None was a close call: the original's own margin was {margin}."),
    N_("None was a close call: the original's own margins were {margin} to {largest}."),
)
"""Without margins, with one, and with several."""


def _how_close(flipped: int, close: int, margins: Sequence[float]) -> str:
    if 0 < close < flipped:
        return ngettext("{number} of them was a close call.", "{number} of them were close calls.", close)
    if flipped == 1:
        told: Sequence[str] = _ONE if close else _ONE_SURE
    elif close:
        told = _BOTH if flipped == 2 else _ALL
    else:
        told = _NONE
    if not margins:
        return _(told[0])
    smallest, largest = margin_words(margins[0]), margin_words(margins[-1])
    return _(told[1 if smallest == largest else 2], margin=smallest, largest=largest)


def _both_ways(lost: int, gained: int) -> str:
    """Right means that the text's own token is the likeliest."""
    return _("Right became wrong at {lost}, wrong became right at {gained}.", lost=lost, gained=gained)
