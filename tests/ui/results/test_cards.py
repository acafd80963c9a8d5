"""Cards say what happened, escape what they did not write, and never call noise a win."""

import re
from html import escape, unescape

import pytest

from qdash.records import (
    AnswerText,
    ComparisonDone,
    Coverage,
    Flips,
    Progress,
    Request,
    TokenAgreement,
    Variant,
    VariantAnswered,
    VariantDone,
    VariantResult,
)
from qdash.ui.components.comparison_tables import absolute_html
from qdash.ui.results.cards import announcement, cards_html
from qdash.ui.results.compare_state import finished_state, queued_state, ready_state, reduce
from qdash.ui.results.token_heatmap import strip_html
from tests.support.scripted import CANCELLED, OUT_OF_MEMORY, answered_result, comparison_of, failed_result, variant_result
from tests.verdict.examples import agreement, scored

REQUEST = Request(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in ("original", "bnb-int8")), prompt="What?")
SPEED = re.compile(r"faster|slower|quicker|≈ same|\d×|\btrade|Same as the original|Careful|Too short to judge|✓|\d m?s\b", re.IGNORECASE)
EVIL = "<script>alert(1)</script> & <b>"


def speed_words(html: str) -> list[str]:
    """What in it says how fast something is, or gives a grade that may rest on that.

    What models say, how large they are and how long the run goes on is something else, and tips explain words.
    """
    without_tips = re.sub(r'data-tip="[^"]*"', "", html)
    without_sizes = re.sub(r">Weights</span></dt><dd>.*?</dd>", "", without_tips)
    without_waits = re.sub(r"about \d+ (s|min) to go", "", without_sizes)
    without_answers = re.sub(r'<div class="ans".*?</div>', "", without_waits)
    return SPEED.findall(unescape(without_answers))


def _html(*results: VariantResult, noise: float = 0.04) -> str:
    request = Request(variants=tuple(Variant(model="tiny-vlm", scheme=result.scheme) for result in results), prompt="What?")
    return cards_html(finished_state(comparison_of(request, *results, noise=noise)))


def test_every_card_has_the_same_six_rows() -> None:
    states = [
        ready_state([Variant(model="tiny-vlm", scheme=key) for key in ("original", "fp6-e2m3")]),
        queued_state(REQUEST),
        reduce(queued_state(REQUEST), Progress(index=0, stage="loading", fraction=0.5)),
        reduce(queued_state(REQUEST), VariantAnswered(index=0, result=answered_result("original", "A."))),
        finished_state(comparison_of(REQUEST, variant_result("original", "A."), failed_result("bnb-int8", OUT_OF_MEMORY))),
    ]
    for state in states:
        for card in cards_html(state).split("<article")[1:]:
            assert [card.count(part) for part in ("<header", 'class="ans', 'class="bar', 'class="chip', "<dl", 'class="why')] == [1] * 6


def test_answers_messages_and_labels_are_escaped() -> None:
    error = OUT_OF_MEMORY.model_copy(update={"message": EVIL, "remedy": EVIL})
    html = _html(variant_result("original", EVIL), variant_result("bnb-int8", EVIL + "!"), failed_result("bnb-nf4", error))
    assert "<script" not in html and "<b>bold" not in html
    assert escape(EVIL) in html
    streaming = reduce(queued_state(REQUEST), AnswerText(index=0, text=EVIL))
    assert "<script" not in cards_html(streaming) and "<script" not in announcement(streaming)


def test_words_that_differ_are_marked() -> None:
    html = _html(variant_result("original", "A black square."), variant_result("bnb-nf4", "A black star."))
    assert "A black <mark>star</mark>." in html
    assert html.count("<mark>") == 1


def test_what_goes_on_with_a_story_does_not_begin_with_a_gap() -> None:
    html = _html(variant_result("original", " attic."), variant_result("bnb-nf4", " cellar."))
    assert '<div class="ans" dir="auto">attic.</div>' in html and '<div class="ans" dir="auto"><mark>cellar' in html


def test_relative_figures_and_the_reason_for_slowness() -> None:
    html = _html(variant_result("original", "A."), variant_result("bnb-int8", "A.", slowdown=1.6))
    assert "18 ms" in html and "20.0 MiB" in html
    facts = html[html.index('<dl class="facts">') :]
    assert facts.count("1.6× slower</span>") == 1 and "−52%" in html
    assert "Slower:" in html


def test_noise_is_not_a_difference() -> None:
    html = _html(variant_result("original", "A."), variant_result("bnb-int8", "A.", slowdown=1.03))
    assert html.count("≈ same</span>") == 1 and "Slower:" not in html


def test_a_good_trade_is_small_and_not_much_slower() -> None:
    assert "Good trade" in _html(variant_result("original", "A."), variant_result("bnb-int8", "A.", slowdown=1.1))
    assert "Good trade" not in _html(variant_result("original", "A."), variant_result("bnb-int8", "A.", slowdown=1.6))
    assert "Good trade" not in _html(variant_result("original", "A."), variant_result("bnb-int8", "B.", slowdown=1.0))


def test_simulated_variants_claim_no_speed() -> None:
    html = _html(variant_result("original", "A."), variant_result("fp6-e2m3", "A.", slowdown=3.0))
    assert ">not measured<" in html and "projected" in html and "slower" not in html
    assert "SIMULATED" in html


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (failed_result("bnb-int8", OUT_OF_MEMORY), ("Failed", OUT_OF_MEMORY.message, OUT_OF_MEMORY.remedy)),
        (failed_result("bnb-int8", OUT_OF_MEMORY, "skipped"), ("Not run", OUT_OF_MEMORY.message)),
        (failed_result("bnb-int8", CANCELLED, "skipped"), ("Stopped",)),
    ],
)
def test_what_did_not_finish_says_why(result: VariantResult, words: tuple[str, ...]) -> None:
    html = _html(variant_result("original", "A."), result)
    assert all(word in html for word in words)


def test_progress_is_a_bar_with_a_word() -> None:
    html = cards_html(reduce(queued_state(REQUEST), Progress(index=1, stage="downloading", fraction=0.42, detail="12 of 28 MB")))
    assert 'aria-valuenow="42"' in html and "Downloading · 12 of 28 MB" in html


def test_an_answered_variant_shows_its_answer_and_size_and_waits_for_its_times() -> None:
    state = reduce(queued_state(REQUEST), VariantAnswered(index=0, result=answered_result("original", "A black square.")))
    compared = answered_result("bnb-int8", "A black star.").model_copy(update={"agreement": agreement(0.2)})
    state = reduce(state, VariantAnswered(index=1, result=compared))
    card = cards_html(state).split("<article")[2]
    assert "A black <mark>star</mark>." in card and "−52%" in card and 'class="strip"' in card
    assert "is-answered" in card and "Answered, timing next" in card and card.count('<dd><span class="quiet">—</span></dd>') == 3
    timing = reduce(state, Progress(index=1, stage="timing", fraction=0.2, detail="round 2 of 5"))
    card = cards_html(timing).split("<article")[2]
    assert "Timing · round 2 of 5" in card and "--done:20%" in card and "A black <mark>star</mark>." in card


def test_cards_name_the_same_figures_before_and_after_they_are_known() -> None:
    def names(html: str) -> list[int]:
        return [card.count("<dt>") for card in html.split("<article")[1:]]

    results = [scored("original"), scored("bnb-int8")]
    queued, over = queued_state(REQUEST), finished_state(comparison_of(REQUEST, *results))
    assert names(cards_html(queued)) == names(cards_html(over)) == [4, 5]


def test_a_variant_that_was_not_timed_says_so_and_nothing_of_speed() -> None:
    results = [answered_result(key, "A.") for key in ("original", "bnb-int8")]
    html = cards_html(finished_state(comparison_of(REQUEST, *results, noise=None)))
    assert html.count('<span class="quiet">not timed</span>') == 6
    assert "Good trade" not in html and "Slower" not in html and "≈ same" not in html


def test_an_empty_answer_is_not_a_hidden_one() -> None:
    html = _html(variant_result("original", "A."), variant_result("bnb-int8", ""))
    assert "The answer is empty." in html and "answers hidden" not in html


@pytest.mark.parametrize("other", ["fp32", "bnb-int8", "bnb-nf4"])
@pytest.mark.parametrize("slowdown", [1 / 13.1, 0.5, 1.0, 4.0])
def test_nothing_is_said_of_speed_before_the_comparison_is_over(other: str, slowdown: float) -> None:
    request = Request(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in ("original", other)), prompt="What?")
    comparison = comparison_of(request, scored("original"), scored(other, slowdown=slowdown))
    events = [
        *(VariantAnswered(index=index, result=answered_result(key, "A.")) for index, key in enumerate(("original", other))),
        *(Progress(index=index, stage="timing", fraction=0.5, detail="round 2 of 5") for index in range(2)),
        *(VariantDone(index=index, result=result) for index, result in enumerate(comparison.variants)),
    ]
    state = queued_state(request)
    for event in events:
        state = reduce(state, event)
        assert not speed_words(cards_html(state) + announcement(state)), event
    assert speed_words(cards_html(reduce(state, ComparisonDone(comparison=comparison))))


def test_screen_readers_hear_states_not_tokens() -> None:
    state = reduce(queued_state(REQUEST), Progress(index=0, stage="answering"))
    assert announcement(reduce(state, AnswerText(index=0, text="A"))) == "Original: answering"


def test_answers_of_random_weights_are_hidden() -> None:
    hidden = [variant_result(key, "x").model_copy(update={"answer": None}) for key in ("original", "bnb-nf4")]
    html = _html(*hidden)
    assert html.count("Random weights: answers hidden.") == 2
    assert "Reference" in html and "Not judged · answers hidden" in html and "same answer" not in html


def test_the_chip_is_a_grade_with_its_reason_one_hover_away() -> None:
    html = _html(scored("original"), scored("bnb-nf4", slowdown=1.1), scored("bnb-int8", kl=0.4), scored("fp6-e2m3", kl=4.0))
    assert '<span class="chip good"><span aria-hidden="true">✓</span>' in html and ">Good trade · same answer</span>" in html
    assert '<span class="chip warn"><span aria-hidden="true">△</span>' in html and ">Careful · same answer, less sure</span>" in html
    assert '<span class="chip bad"><span aria-hidden="true">✕</span>' in html and ">Broken · other words predicted</span>" in html
    assert "KL 0.0020 ± 0.0020 nats" in html


def test_flips_and_close_calls_stand_under_the_strip() -> None:
    close = TokenAgreement(piece="A", kl_nats=0.1, instead="B", margin_original=0.03, margin=0.2)
    found = agreement(0.1, 0.05, top1=0.5, per_token=(close,), tokens=1, flips=Flips(close=1, flipped=1, flipped_close=1, lost=1, gained=0))
    html = strip_html(found)
    assert "1 of 1 tokens differs, a close call" in html
    assert "1 of 1 tokens differs. It was a close call: the original&#39;s own margin was 3%." in html and "10 percentage points" in html
    assert html.count('class="token diverges close"') == 1 and "close call, margin 3% → 20%" in html
    assert 'class="flips"' not in strip_html(agreement(0.1)), "not known of earlier records"


def test_agreement_is_a_figure_and_a_strip() -> None:
    evil = TokenAgreement(piece=EVIL, kl_nats=0.8, instead=EVIL)
    found = agreement(0.2, 0.05, top1=0.5, per_token=(TokenAgreement(piece="A", kl_nats=0.0), evil), tokens=2)
    html = _html(scored("original"), scored("bnb-nf4").model_copy(update={"agreement": found, "agreement_text": agreement(0.01)}))
    assert "50% · KL 0.20" in html and "On your text" in html and "100% · KL 0.010" in html
    strip = html[html.index('class="strip"') :].split("</div>")[0]
    assert strip.count("<i ") == 2 and strip.count('tabindex="0"') == 1
    assert "token diverges" in strip and "--q:0%" in strip and "“A”: 0 nats" in strip
    assert escape(EVIL) in strip and "<script" not in html


def test_what_could_not_be_compared_says_why() -> None:
    other = variant_result("bnb-nf4", "A.").model_copy(update={"agreement": None, "agreement_problem": EVIL})
    html = _html(variant_result("original", "A."), other)
    assert "Not judged · not compared" in html and escape(EVIL) in html and 'class="strip"' not in html
    assert "✓" not in html and "same answer" not in html


def test_an_original_that_computes_no_numbers_says_so_and_judges_nobody() -> None:
    original = variant_result("original", "!!!").model_copy(update={"scores_finite": False, "agreement_problem": "Its scores are NaN."})
    html = _html(original, variant_result("bnb-nf4", "!!!", slowdown=0.3))
    assert "Scores NaN or infinite" in html and "Its scores are NaN." in html and "Not judged · original broken" in html
    assert not any(word in html for word in ("✓", "same answer", "faster", "Good trade"))


def test_a_scheme_that_quantized_nothing_is_not_praised() -> None:
    idle = scored("bnb-nf4", slowdown=0.5).model_copy(update={"coverage": Coverage(quantized=0, total=9)})
    html = _html(scored("original"), idle)
    assert "Not judged · quantized nothing" in html and "faster" not in html and "same answer" not in html


def test_the_table_has_the_agreement_too() -> None:
    request = Request(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in ("original", "bnb-nf4")), prompt="What?")
    table = absolute_html(comparison_of(request, scored("original"), scored("bnb-nf4", kl=0.21, se=0.05)))
    assert "<td>100%</td><td>0.21 ± 0.10</td><td>1.2</td>" in table
