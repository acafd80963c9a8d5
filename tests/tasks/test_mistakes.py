"""What is wrong with an answer is said in terms of the drawing, in both languages, and never of what is not known."""

import pytest

from qdash.tasks.generators.phrases import description
from qdash.tasks.generators.world import sample_scene
from qdash.tasks.mistakes import Mistake, mistake_in

BICYCLE = "A bicycle and a balloon on a white background."
HEARTS = "A pink heart, a pink star and a purple heart on an orange background."
CATS = "Two cats and a key on a green background."
BICYCLE_ZH = "白色背景上有一辆自行车和一个气球。"
CATS_ZH = "绿色背景上有两只猫和一把钥匙。"


@pytest.mark.parametrize(
    ("answer", "expected", "mistake"),
    [
        ("A bus and a balloon on a white background.", BICYCLE, Mistake("not there", said="bus")),
        ("A bicycle, a bus and a purple diamond on a white background.", BICYCLE, Mistake("not there", said="bus")),
        ("Three bananas and a cat on a green background.", CATS, Mistake("not there", said="banana")),
        ("Three cats on a green background.", CATS, Mistake("left out", right="a key")),
        ("Three cats and a key on a green background.", CATS, Mistake("another", said="three cats", right="two cats")),
        (HEARTS.replace("pink star", "white star"), HEARTS, Mistake("another", "a white star", right="a pink star")),
        ("Two cats and a key on a blue background.", CATS, Mistake("another", "a blue background", "a green background")),
        ("", BICYCLE, Mistake("left out", right="a bicycle")),
        ("Yes, yes.", BICYCLE, Mistake("left out", right="a bicycle")),
        ("A balloon and a bicycle on a white background.", BICYCLE, Mistake("answer", right=BICYCLE)),
        ("A bicycle.", "A balloon.", Mistake("answer", right="A balloon.")),
        ("One.", "Three.", Mistake("answer", right="Three.")),
        ("白色背景上有一辆公交车和一个气球。", BICYCLE_ZH, Mistake("not there", said="公交车")),
        ("绿色背景上有三只猫和一把钥匙。", CATS_ZH, Mistake("another", said="三只猫", right="两只猫")),
        ("黑色背YesYes.", "黑色背景上有两个红色的心形和一个黄色的心形。", Mistake("left out", right="两个红色的心形")),
        ("一头。", "两只。", Mistake("answer", right="两只。")),
    ],
)  # fmt: skip
def test_the_first_mistake(answer: str, expected: str, mistake: Mistake) -> None:
    assert mistake_in(answer, expected) == mistake


def test_of_any_two_scenes_only_what_differs_is_told() -> None:
    """What is said not to be there is in the one description and not in the other, and the other way round for what is left out."""
    for seed in range(60):
        for language in ("en", "zh"):
            answer, expected = (description(sample_scene(number), language).lower() for number in (seed, seed + 1))
            mistake = mistake_in(answer, expected)
            if mistake.how == "not there":
                assert mistake.said[:3] in answer and mistake.said not in expected
            elif mistake.how == "left out":
                assert mistake.right in expected and mistake.right not in answer
