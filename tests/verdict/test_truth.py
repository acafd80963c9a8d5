"""Wrong answers are seen: by the known answers of the bundled models' samples, else by the words that carry meaning."""

from contextlib import redirect_stdout
from functools import cache
from html import unescape
from io import StringIO

import pytest

from qdash.catalog.models import ASSETS
from qdash.cli.display import display
from qdash.cli.shown.comparison import comparison_blocks
from qdash.inputs.pictures import read_picture
from qdash.records import AnswerText, Comparison, Picture, Request, Variant, VariantAnswered
from qdash.report import to_html
from qdash.tasks import truth_of
from qdash.tasks.truth import STORY_ENDINGS
from qdash.ui.controls.samples import samples
from qdash.ui.results.cards import cards_html
from qdash.ui.results.compare_state import finished_state, queued_state, reduce
from qdash.verdict import Grade, judge, verdict
from qdash.verdict.changes import content_changed
from qdash.verdict.marks import mark_of
from tests.support.scripted import comparison_of
from tests.verdict.examples import scored

BICYCLE = "白色背景上有一辆自行车和一个气球。"
BUS = "白色背景上有一辆公共汽车和一个白色的正方形。"


@cache
def picture(file: str) -> Picture:
    return read_picture(ASSETS / "samples" / file)[0]


def asked(
    *answers: str, prompt: str = "图片里有什么？", file: str | None = "bicycle-and-balloon.png", model: str = "tiny-vlm"
) -> Comparison:
    """A comparison whose variants answer so; the original first."""
    keys = ("original", "bnb-int8", "bnb-nf4", "fp4-e2m1", "nvfp4")[: len(answers)]
    request = Request(
        variants=tuple(Variant(model=model, scheme=key) for key in keys), prompt=prompt, picture=picture(file) if file else None
    )
    results = [scored(key, answer).model_copy(update={"model": model}) for key, answer in zip(keys, answers, strict=True)]
    return comparison_of(request, *results)


def grade_of(found: Comparison, place: int = 1) -> tuple[Grade, str]:
    judged = judge(found.variants[place], found.variants[0], found)
    assert judged is not None
    return judged.grade, judged.what


def test_a_bus_is_no_bicycle() -> None:
    found = asked(BICYCLE, BICYCLE, BUS)
    assert grade_of(found, 1)[0] in (Grade.SAME, Grade.GOOD_TRADE) and "right" in grade_of(found, 1)[1]
    assert grade_of(found, 2)[0] is Grade.WRONG
    said = verdict(found)
    assert "The 4-bit version is 71% smaller, 1.5× slower here, but gets it wrong." in said.plain
    assert f"The right answer is “{BICYCLE}”." in said.why
    card = cards_html(finished_state(found)).split("<article")
    assert "Reference · right answer" in card[1] and 'chip bad"><span aria-hidden="true">✕</span>' in card[3] and "Wrong answer" in card[3]
    with redirect_stdout(StringIO()) as printed:
        display().show(*comparison_blocks(found))
    assert "✕ Wrong answer" in printed.getvalue() and "✕ Wrong answer" in unescape(to_html(found))


def test_a_wrong_answer_is_never_left_out_of_the_headline() -> None:
    said = verdict(asked(BICYCLE, BUS, BUS, BUS, BICYCLE)).plain
    assert "get it wrong" in said and "the 8-bit version" in said and "NF4" in said


def test_an_original_that_is_wrong_itself_is_no_measure_of_right() -> None:
    found = asked(BUS, BUS, BICYCLE)
    assert grade_of(found, 1)[1].endswith("both wrong") and grade_of(found, 2) == (Grade.CAREFUL, "right, unlike the original")
    assert "so the original is wrong, too" in verdict(found).why
    assert "Reference · wrong answer" in cards_html(finished_state(found))


@pytest.mark.parametrize("model", ["a/model", "tiny-lm"])
def test_of_other_models_nothing_is_known_and_words_decide(model: str) -> None:
    found = asked(BICYCLE, BUS, model=model)
    assert grade_of(found)[0] is Grade.DIFFERENT
    assert "right" not in cards_html(finished_state(found)).split("<article")[1].replace("copyright", "")


def test_of_another_picture_nothing_is_known() -> None:
    assert grade_of(asked(BICYCLE, BUS, file="pizza.png"))[0] is Grade.DIFFERENT
    assert grade_of(asked(BICYCLE, BUS, file=None))[0] is Grade.DIFFERENT


def test_a_card_says_in_plain_words_what_is_wrong() -> None:
    found = asked(BICYCLE, BICYCLE, BUS)
    cards = [unescape(card) for card in cards_html(finished_state(found)).split("<article")[1:]]
    right, wrong = "✓</span> right</p>", "✕</span> wrong: there is no 汽车</p>"
    assert right in cards[0] and right in cards[1] and wrong in cards[2]
    assert "✓ right</p>" in to_html(found) and "✕ wrong: there is no 汽车</p>" in to_html(found)
    with redirect_stdout(StringIO()) as printed:
        display().show(*comparison_blocks(found))
    assert "✕ wrong: there is no 汽车" in printed.getvalue()


def test_a_mark_is_there_before_anything_is_timed() -> None:
    found = asked(BICYCLE, BUS)
    state = queued_state(found.request)
    assert "mark" not in cards_html(reduce(state, AnswerText(index=0, text=BUS)))
    answered = cards_html(reduce(state, VariantAnswered(index=0, result=found.variants[1])))
    assert '<p class="mark bad">' in answered and "Wrong answer" not in answered


def test_no_mark_where_the_right_answer_is_not_known() -> None:
    unknown = (asked(BICYCLE, BUS, file=None), asked(BICYCLE, BUS, prompt="Mine?"), asked(BICYCLE, BUS, model="a/model"))
    for found in unknown:
        assert mark_of(found.variants[1], found.request) is None and 'class="mark' not in cards_html(finished_state(found))
    silent = asked(BICYCLE, BUS)
    assert mark_of(silent.variants[1].model_copy(update={"answer": None}), silent.request) is None


def test_a_version_that_fails_by_its_activations_is_told() -> None:
    found = asked(BICYCLE, BICYCLE, BICYCLE, BUS, BUS)
    assert (
        "NVFP4 rounds its activations to 4 bits as well; NF4 4-bit, whose weights have as many bits, keeps the answer."
        in verdict(found).why
    )
    assert "activations" not in verdict(asked(BICYCLE, BICYCLE, BUS, BUS, BUS)).why


def test_a_story_is_right_by_its_first_word() -> None:
    prompt, ending = next(iter(STORY_ENDINGS.items()))
    found = asked(
        f" {ending}. The end.", f" {ending}. Mia sat down and slept well.", " kitchen. The end.", prompt=prompt, file=None, model="tiny-lm"
    )
    assert grade_of(found, 1) == (Grade.CAREFUL, "right, but worded differently")
    assert grade_of(found, 2)[0] is Grade.WRONG


@pytest.mark.parametrize(
    ("original", "answer", "grade"),
    [
        ("A black square on a white background.", "A black star on a white background.", Grade.DIFFERENT),
        ("A black square on a white background.", "The black square is on a white background.", Grade.CAREFUL),
        ("Yes.", "No.", Grade.DIFFERENT),
        ("是的。", "不是。", Grade.DIFFERENT),
        ("两只猫。", "三只猫。", Grade.DIFFERENT),
        ("There are two cats.", "There are three cats.", Grade.DIFFERENT),
        (" ".join(f"word{place}" for place in range(40)), " ".join(f"word{place}" for place in range(1, 41)), Grade.CAREFUL),
    ],
)
def test_words_that_carry_meaning_decide(original: str, answer: str, grade: Grade) -> None:
    assert grade_of(asked(original, answer, model="a/model", file=None))[0] is grade


def test_content_is_symmetric_and_a_share() -> None:
    one, two = "a red circle and a blue star", "the red circle"
    assert content_changed(one, two) == content_changed(two, one) == pytest.approx(0.5)
    assert content_changed(one, one) == 0 and content_changed("of the", "in a") == 0 and content_changed("cat", "dog") == 1


def test_nearly_every_question_that_is_offered_has_a_known_answer() -> None:
    known = [
        (sample.file, asked)
        for sample in samples()
        for asked in sample.questions
        if truth_of("tiny-vlm", asked, picture(sample.file).sha256)
    ]
    offered = [(sample.file, asked) for sample in samples() for asked in sample.questions]
    assert len(known) >= len(offered) - 2 and all(truth_of("tiny-lm", story, None) for story in STORY_ENDINGS)
