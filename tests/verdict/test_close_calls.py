"""Flips and close calls in words, and the table of tails."""

import pytest

from qdash.cli.shown.comparison import comparison_blocks
from qdash.records import Agreement, Flips, Tail, TokenAgreement
from qdash.verdict import verdict
from qdash.verdict.close_calls import flips_briefly, flips_told, margin_words
from qdash.verdict.judging import worst_words
from qdash.verdict.tails import HEADINGS, tail_rows, tail_words
from qdash.verdict.token_divergence import cells
from tests.verdict.examples import QUIET, agreement, scored
from tests.verdict.praised import compared, praised
from tests.verdict.test_sentences import comparison_with

TAIL = Tail(
    kl_95_nats=0.04, kl_99_nats=None, kl_999_nats=None, kl_max_nats=1.8,
    delta_p_mean=-0.01, delta_p_mean_se=0.005, delta_p_rms=0.061, delta_p_rms_se=0.012,
)  # fmt: skip


def flipping(*margins: float, tokens: int = 31, close: int = 4, shown: bool = True, gained: int = 0) -> Agreement:
    """An agreement whose first tokens flip, where the original's own margins are these."""
    pieces = [TokenAgreement(piece="a", kl_nats=0.1, instead="b", margin_original=margin, margin=0.2) for margin in margins]
    same = TokenAgreement(piece="a", kl_nats=0.0, margin_original=0.9, margin=0.9)
    near = sum(margin < 0.1 for margin in margins)
    flips = Flips(close=close, flipped=len(margins), flipped_close=near, lost=len(margins) - gained, gained=gained)
    per_token = (*pieces, *(same,) * (tokens - len(margins))) if shown else ()
    return agreement(0.01, tokens=tokens, flips=flips, tail=TAIL, per_token=per_token)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (flipping(0.03, 0.05), "2 of 31 tokens differ. Both were close calls: the original's own margins were 3% and 5%."),
        (flipping(0.03), "1 of 31 tokens differs. It was a close call: the original's own margin was 3%."),
        (flipping(0.8), "1 of 31 tokens differs. It was no close call: the original's own margin was 80%."),
        (flipping(0.09, 0.004, 0.05), "3 of 31 tokens differ. All were close calls: the original's own margins were < 1% to 9%."),
        (flipping(0.4, 0.1), "2 of 31 tokens differ. None was a close call: the original's own margins were 10% to 40%."),
        (flipping(1.0, 0.999), "2 of 31 tokens differ. None was a close call: the original's own margin was 100%."),
        (flipping(0.4, 0.01, 0.02), "3 of 31 tokens differ. 2 of them were close calls."),
        (flipping(0.4, 0.01), "2 of 31 tokens differ. 1 of them was a close call."),
        (flipping(0.03, 0.05, shown=False), "2 of 31 tokens differ. Both were close calls."),
        (flipping(), "All 31 tokens are the same. 4 were close calls."),
        (flipping(close=1), "All 31 tokens are the same. 1 was a close call."),
        (flipping(close=0), "All 31 tokens are the same. None was a close call."),
        (flipping(close=0, tokens=1), "The 1 token is the same. None was a close call."),
        (agreement(0.01), ""),
    ],
)
def test_what_flipped_and_how_close_it_was(found: Agreement, words: str) -> None:
    assert flips_told(found) == words


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (flipping(0.03, 0.05), "2 of 31 tokens differ, both close calls"),
        (flipping(0.03), "1 of 31 tokens differs, a close call"),
        (flipping(0.8), "1 of 31 tokens differs, no close call"),
        (flipping(0.09, 0.004, 0.05), "3 of 31 tokens differ, all close calls"),
        (flipping(0.4, 0.1), "2 of 31 tokens differ, no close call"),
        (flipping(0.4, 0.01), "2 of 31 tokens differ, 1 close call"),
        (flipping(), "No token of 31 differs, 4 close calls"),
        (flipping(close=0), "No token of 31 differs, no close call"),
        (agreement(0.01), ""),
    ],
)
def test_a_card_says_it_in_a_line(found: Agreement, words: str) -> None:
    assert flips_briefly(found) == words


def test_along_a_text_both_ways_are_told() -> None:
    assert flips_told(flipping(0.4, 0.01, 0.02, gained=1), own_answer=False).endswith("Right became wrong at 2, wrong became right at 1.")
    assert "wrong" not in flips_told(flipping(), own_answer=False)


@pytest.mark.parametrize(("margin", "words"), [(0.0, "0%"), (0.001, "< 1%"), (0.01, "1%"), (0.034, "3%"), (1.0, "100%")])
def test_a_margin_in_words(margin: float, words: str) -> None:
    assert margin_words(margin) == words


def test_a_cell_says_whether_it_was_a_close_call() -> None:
    close, sure, *_ = cells(flipping(0.03, 0.5, tokens=3))
    assert (close.close, close.diverges) == (True, True) and (sure.close, sure.diverges) == (False, True)
    assert close.words == "“a”: 0.10 nats, would say “b”; close call, margin 3% → 20%"
    assert sure.words == "“a”: 0.10 nats, would say “b”; margin 50% → 20%"
    broken = TokenAgreement(piece="a", kl_nats=None, margin_original=0.5)
    assert cells(agreement(None, None, per_token=(broken,)))[0].words == "“a”: not finite; margin 50% → not finite"


def test_the_table_has_a_row_for_every_text() -> None:
    original, variant = praised()
    known = TAIL.model_copy(update={"kl_99_nats": 0.31, "kl_999_nats": 1.2})
    on_text = flipping(0.4, tokens=1200).model_copy(update={"tail": known})
    found = variant.model_copy(update={"agreement": flipping(0.03, 0.05), "agreement_text": on_text})
    answer, text = tail_rows(compared(original, found))
    assert dict(zip(HEADINGS, answer, strict=True)) == {
        "Variant": variant.label, "Tokens": "31", "Flips": "2", "Close calls": "2 of 4", "Mean KL": "0.010 ± 0.0020", "95%": "0.040",
        "99%": "–", "99.9%": "–", "Maximum": "1.8", "RMS Δp": "6.1% ± 1.2%",
    }  # fmt: skip
    assert text[0] == f"{variant.label}, on the text" and text[1] == "1,200" and text[5:9] == ("0.040", "0.31", "1.2", "1.8")
    assert tail_rows(compared(original, variant)) == (), "records of earlier versions have no tail"
    assert "20, 100 and 1,000 tokens" in tail_words() and "10%" in tail_words()


def test_the_evidence_and_the_terminal_say_what_the_mean_hides() -> None:
    original, variant = praised()
    far = variant.model_copy(update={"agreement": flipping(0.03)})
    found = compared(original, far)
    said = verdict(found)
    assert "(but 1.8 at its worst token)" in said.why and "is less sure of the same answer" in said.plain
    assert worst_words(flipping(0.03)) == "largest at one token 1.8"
    near = TAIL.model_copy(update={"kl_99_nats": 0.31, "kl_max_nats": 0.6})
    assert worst_words(flipping().model_copy(update={"tail": near})) == "at 99% of the tokens up to 0.31, largest 0.60"
    told = [str(getattr(block, "text", getattr(block, "rows", ""))) for block in comparison_blocks(found)]
    assert any("It was a close call" in words for words in told) and any("6.1% ± 1.2%" in words for words in told)


def test_versions_that_lie_within_their_noise_are_not_ranked() -> None:
    results = (scored("original"), scored("bnb-int8", kl=0.002), scored("bnb-nf4", "Three hearts.", kl=0.003))
    said = verdict(comparison_with(*results, floor=QUIET))
    assert "KL does not rank the 8-bit version and the 4-bit version: the means differ by less than their doubt." not in said.why
    unsure = [
        result.model_copy(update={"agreement": result.agreement.model_copy(update={"per_token": ()})}) if result.agreement else result
        for result in results
    ]
    assert "KL does not rank the 8-bit version and the 4-bit version" in verdict(comparison_with(*unsure, floor=QUIET)).why
