"""What a check of a healed version says: figures against a paired interval made by hand, and no claim that chance could make."""

import pytest

from qdash.records import EvaluatedVariant, Evaluation, EvaluationRequest
from qdash.runs.plan import variants_of
from qdash.tasks import summarize
from qdash.verdict.healing import check_facts, check_headline, check_table, gain_over
from tests.support.scripted_evaluation import evaluation_of

REQUEST = EvaluationRequest(variants=variants_of("tiny-lm", ["original", "int2-g64", "qat-int2"]), task="cloze", limit=200)


def check_of(unhealed: int, healed: int, number: int = 200) -> Evaluation:
    """A check in which the original has every answer right, and the others the first so many."""
    found = evaluation_of(REQUEST.model_copy(update={"limit": number}))
    right = (number, unhealed, healed)
    return found.model_copy(update={"variants": tuple(map(_with_right, found.variants, right, [found] * 3))})


def _with_right(result: EvaluatedVariant, right: int, found: Evaluation) -> EvaluatedVariant:
    items = [item.model_copy(update={"correct": place < right}) for place, item in enumerate(result.items)]
    return result.model_copy(update=summarize(items, found.questions))


def test_what_healing_gains() -> None:
    check = check_of(91, 122)
    gain = gain_over(check.variants[2], check.variants[1])
    assert gain is not None and (gain.value, gain.shared) == (0.155, 200) and gain.p_value == 2 / 2**31
    # Wilson's intervals of 31 and 0 of 200 are 11.14–21.17% and 0–1.88%.
    assert (gain.low, gain.high) == (
        pytest.approx(0.155 - ((0.155 - 0.11142) ** 2 + 0.01885**2) ** 0.5, abs=1e-4),
        pytest.approx(0.21166, abs=1e-4),
    )
    assert check_headline(check) == "Right answers: healed 61.0%, unhealed 45.5%, original 100.0%."
    facts = [*check_facts(check)]
    assert facts[0].startswith("Healing helps: +15.5 points (+10.7 to +21.2; McNemar p < 0.001)") and "−39.0 points" in facts[1]
    headings, rows = check_table(check)
    assert [row[:4] for row in rows] == [
        ("original", "Original", "100.0% (200 of 200)", "98.1–100.0%"),
        ("unhealed", "INT2", "45.5% (91 of 200)", "38.7–52.4%"),
        ("healed", "INT2, healed", "61.0% (122 of 200)", "54.1–67.5%"),
    ]
    assert rows[1][4:] == ("+15.5 (+10.7 to +21.2)", "< 0.001") and rows[2][4:] == ("", "") and len(headings) == 6


@pytest.mark.parametrize(
    ("unhealed", "healed", "words"),
    [(10, 12, "No difference found between healed and unhealed"), (30, 12, "Healing harms: −45.0 points")],
)
def test_chance_is_no_gain_and_a_loss_is_told(unhealed: int, healed: int, words: str) -> None:
    assert next(check_facts(check_of(unhealed, healed, 40))).startswith(words)


def test_a_version_that_answered_nothing() -> None:
    check = check_of(20, 30, 40)
    silent = check.variants[1].model_copy(update={"items": (), "accuracy": None})
    check = check.model_copy(update={"variants": (check.variants[0], silent, check.variants[2])})
    assert check_headline(check) == "Right answers: healed 75.0%, unhealed –, original 100.0%."
    assert check_table(check)[1][1] == ("unhealed", "INT2", "–", "", "", "")
    assert not any("unhealed" in fact for fact in check_facts(check))
