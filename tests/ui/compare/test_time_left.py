"""How long a comparison will still take follows from what it has done so far, and from nothing else."""

from collections.abc import Sequence

from qdash.records import AnswerText, Event, Measurement, Progress, Request, Variant, VariantAnswered
from qdash.ui.compare.time_left import Course
from qdash.ui.results.compare_state import queued_state, reduce
from tests.support.scripted import OUT_OF_MEMORY, answered_result, failed_result

KEYS = ("original", "bnb-int8", "bnb-nf4")
MEASUREMENT = Measurement(runs=5, warmup=1, max_new_tokens=23)
"""`answered_result` says that 12 tokens were written: 22 after the first take twice as long as 11, and there are six turns."""


class _Run:
    """A comparison of three versions whose events come when the test says."""

    def __init__(self, read_bytes: Sequence[int] | None = (100, 100, 100)) -> None:
        self.now = 0.0
        self.state = queued_state(Request(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in KEYS), prompt="?"))
        self.course = Course(MEASUREMENT, read_bytes, lambda: self.now)

    def event(self, at: float, event: Event) -> str:
        self.now, self.state = at, reduce(self.state, event)
        self.course.follow(self.state, event)
        return self.course.words(self.state)

    def stage(self, at: float, index: int, stage: str, detail: str = "", fraction: float | None = None) -> str:
        return self.event(at, Progress.model_validate({"index": index, "stage": stage, "detail": detail, "fraction": fraction}))

    def answers(self, at: float, index: int, *, wrote_s: float, first_s: float = 0.0, tokens: int | None = 12) -> str:
        """From loading to the answer in 10 seconds, of which it took `first_s` for the first token and `wrote_s` for the others."""
        self.stage(at, index, "loading")
        self.stage(at + 9 - wrote_s - first_s, index, "answering")
        for text, written_s in (("A", 0.0), ("A.", wrote_s)):
            self.event(at + 9 - wrote_s + written_s, AnswerText(index=index, text=text))
        self.stage(at + 9, index, "scoring")
        result = answered_result(KEYS[index], "A.").model_copy(update={"new_tokens": tokens})
        return self.event(at + 10, VariantAnswered(index=index, result=result))


def test_nothing_is_told_before_one_has_answered() -> None:
    run = _Run()
    said = [run.stage(1, 0, "downloading", fraction=0.5), run.stage(60, 0, "loading", fraction=0.5), run.stage(62, 0, "answering")]
    assert said == ["", "", ""]


def test_one_that_has_answered_stands_for_the_others_and_for_the_rounds() -> None:
    run = _Run()
    run.stage(0, 0, "downloading")  # takes a minute that the others will not take
    # Two more versions of 10 s, and 3 × 6 turns of 2 s.
    assert run.answers(60, 0, wrote_s=1) == "about 56 s to go"
    assert run.stage(74, 1, "loading") == "about 56 s to go", "it has only just begun"
    assert run.stage(78, 1, "answering") == "about 52 s to go"


def test_the_first_token_is_waited_for_once_a_turn_whatever_comes_after_it() -> None:
    # Two more versions of 10 s, and 3 × 6 turns of 3 s + 2 s.
    assert _Run().answers(0, 0, wrote_s=1, first_s=3) == "about 2 min to go"
    assert _Run((100, 0, 0)).answers(0, 0, wrote_s=1, first_s=3) == "about 30 s to go"


def test_other_checkpoints_count_by_their_bytes_and_what_will_not_run_counts_for_nothing() -> None:
    run = _Run((100, 50, 0))
    # 5 s for the second, and 6 turns of 2 s and of 1 s.
    assert run.answers(0, 0, wrote_s=1) == "about 23 s to go"
    unknown = _Run(None)
    assert unknown.answers(0, 0, wrote_s=1) == ""


def test_waiting_for_others_is_no_ground() -> None:
    run = _Run()
    run.stage(0, 0, "loading", "waiting for another measurement to finish")
    run.stage(30, 0, "loading", "waiting for another measurement to finish")
    for at in (34, 35):
        run.event(at, AnswerText(index=0, text="A" * at))
    # 5 s each, and 3 × 6 turns of 2 s.
    assert run.event(35, VariantAnswered(index=0, result=answered_result("original", "A."))) == "about 46 s to go"


def test_what_takes_much_longer_than_expected_is_not_told_wrongly() -> None:
    run = _Run()
    run.answers(0, 0, wrote_s=1)
    run.stage(10, 1, "loading")
    assert run.stage(24, 1, "loading") == "about 46 s to go", "a little late"
    assert run.stage(26, 1, "loading") == ""


def test_without_an_answer_to_go_by_the_rounds_have_to_speak_for_themselves() -> None:
    run = _Run()
    assert [run.answers(10 * index, index, wrote_s=1, tokens=None) for index in range(3)] == ["", "", ""]
    assert run.stage(40, 0, "timing", "round 1 of at most 5", 0.0) == ""
    said = [run.stage(50, index, "timing", "round 2 of at most 5", 0.2) for index in range(3)]
    assert said[-1] == "about 40 s to go"


def test_after_the_answers_only_the_rounds_are_left() -> None:
    run = _Run()
    run.answers(0, 0, wrote_s=1)
    run.answers(10, 1, wrote_s=2)
    run.stage(20, 2, "loading")
    # One that fails takes no part: 6 turns of 2 s and of 4 s.
    assert run.event(21, VariantAnswered(index=2, result=failed_result("bnb-nf4", OUT_OF_MEMORY))) == "about 36 s to go"
    assert run.stage(21, 0, "warming up") == "about 36 s to go"
    assert run.stage(27, 1, "warming up") == "about 30 s to go"
    assert run.stage(60, 0, "timing", "round 1 of at most 5", 0.0) == "", "it was wrong"
